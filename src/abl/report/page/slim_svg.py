"""A figure's SVG in fewer bytes, for a page that holds all its figures."""

from __future__ import annotations

import re

_BESIDE = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_BETWEEN = re.compile(r">\s+<")
_PATH = re.compile(r'(?<= d=")[^"]*')
_PLACE = re.compile(r'(?<=translate\()[^)]*|(?<= [xy]=")[^"]*')
_COMMAND = re.compile(r"\s*([MLCQAHVZz])\s*")
_SPACE = re.compile(r"\s+")
_DIGITS = re.compile(r"(\.\d\d)\d+")  # a hundredth of a point is seen by nobody


def slim_svg(svg: bytes) -> bytes:
    """The drawing of matplotlib as it looks, without metadata, comments and idle digits.

    Scales keep their digits, and texts are outlines, so that no space between tags is one of them.
    """
    text = svg.decode()
    text = _BESIDE.sub("", text[max(text.find("<svg"), 0) :])
    text = _PATH.sub(lambda found: _packed(found[0]), text)
    text = _PLACE.sub(lambda found: _DIGITS.sub(r"\1", found[0]), text)
    return _BETWEEN.sub("><", text).encode()


def _packed(path: str) -> str:
    """Path data with a comma between numbers alone."""
    return _SPACE.sub(",", _COMMAND.sub(r"\1", _DIGITS.sub(r"\1", path.strip())))
