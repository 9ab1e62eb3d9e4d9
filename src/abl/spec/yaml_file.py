"""Reads YAML as its writer meant it, with the line of every value; never builds an object.

YAML 1.1, which PyYAML follows, reads `1e-4` as text, `no` as false and `12:30` as 750. Here
numbers, true/false and null are those of YAML 1.2, and the models turn `no` into false only where
a yes or no is wanted.
"""

from __future__ import annotations

import errno
import hashlib
import io
import math
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from abl.errors import InputError, Problem

Place = tuple[str | int, ...]

MAX_BYTES = 2_000_000
MAX_NODES = 200_000
MAX_DEPTH = 40


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2."""


_Loader.yaml_implicit_resolvers = {}

_INT = r"[-+]?[0-9][0-9_]*"
_FLOAT = r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9_]*)?)(?:[eE][-+]?[0-9]+)?"
_FLOAT_NAMES = r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
for _tag, _pattern, _first in [
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", _INT, "-+0123456789"),
    ("float", f"{_FLOAT}|{_FLOAT_NAMES}", "-+.0123456789"),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
]:
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first)
    )

_LEADING_ZEROS = re.compile(r"(?P<sign>[-+]?)0[0_]*(?P<rest>[0-9].*)")

# escapes in quotes can name them: no path, name or sentence holds any
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")

_KNOWN_TAGS = {
    f"tag:yaml.org,2002:{name}" for name in ("bool", "int", "float", "null", "str", "map", "seq")
}


@dataclass(frozen=True)
class Places:
    """Where the values of a YAML file stand, without these.

    Attributes:
        path: The file.
        lines: Place (keys and indices from the top) -> line, counted from 1.
        faults: Place of a value that cannot be used -> what is wrong with it.
        sections: Keys at the top that are given something.
    """

    path: Path
    lines: dict[Place, int]
    faults: dict[Place, Problem]
    sections: frozenset[str]

    def line(self, place: Place) -> int | None:
        """Line of a value, or of the nearest enclosing one that is written down."""
        for end in range(len(place), 0, -1):
            if place[:end] in self.lines:
                return self.lines[place[:end]]
        return self.lines.get(())


@dataclass(frozen=True)
class Document:
    """A YAML file as it was read.

    Attributes:
        text: What it holds.
        values: Plain dicts, lists, strings, numbers, booleans and None, also for what is faulty.
        places: Where each of them stands.
    """

    text: str
    values: Any
    places: Places


def read_with_faults(path: Path) -> Document:
    """Reads one YAML mapping, whose faults of single values it holds.

    Raises:
        InputError: With every other fault: no such file, not UTF-8, not YAML, duplicate keys, tags,
            aliases that expand without end. Values around it may not be what was meant.
    """
    shown = str(path)
    try:
        raw = read_regular(path, at_most=MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(Problem("no such file", shown)) from None
    except OSError as error:
        raise InputError(Problem(f"cannot be read: {error.strerror}", shown)) from None
    if len(raw) > MAX_BYTES:
        raise InputError(Problem(f"larger than {MAX_BYTES:,} bytes: not a sweep file", shown))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(Problem("not UTF-8: save the file as UTF-8", shown, line)) from None
    return document_from(text, path)


def document_from(text: str, path: Path) -> Document:
    """The YAML mapping that a text is, as `read_with_faults` reads it from the file at `path`."""
    shown = str(path)
    if (wrong := _Loader.NON_PRINTABLE.search(text)) is not None:
        line = text.count("\n", 0, wrong.start()) + 1
        told = f"not YAML: character U+{ord(wrong[0]):04X} is not allowed"
        raise InputError(Problem(told, shown, line))
    try:
        # as a stream: the mark of every value would hold a string whole, to quote it in a message
        node = yaml.compose(io.StringIO(text), Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join((error.problem or error.context or "not YAML").split())
        raise InputError(
            Problem(f"not YAML: {what}", shown, mark.line + 1 if mark else None)
        ) from None
    except RecursionError:
        raise InputError(Problem("nested too deep", shown)) from None
    except (yaml.YAMLError, ValueError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(Problem(f"not YAML: {what}", shown)) from None
    reader = _Reader(shown)
    values: Any = reader.value(node, (), 0) if node is not None else None
    if not reader.problems and not isinstance(values, dict):
        line = node.start_mark.line + 1 if node else 1
        reader.problems.append(Problem("a sweep file is a mapping (key: value)", shown, line))
    if reader.problems:
        every = dict.fromkeys([*reader.problems, *reader.faults.values()])
        raise InputError(sorted(every, key=lambda problem: problem.line or 0))
    given = frozenset(name for name, value in values.items() if value is not None)
    return Document(text, values, Places(path, reader.lines, reader.faults, given))


class _Reader:
    """Turns nodes into values, noting lines and faults."""

    def __init__(self, shown: str):
        self.shown = shown
        self.problems: list[Problem] = []
        self.lines: dict[Place, int] = {}
        self.faults: dict[Place, Problem] = {}
        self.nodes = 0
        self.open: set[int] = set()

    def fault(self, message: str, node: yaml.Node) -> None:
        self.problems.append(Problem(message, self.shown, node.start_mark.line + 1))

    def unusable(self, message: str, node: yaml.Node, place: Place) -> None:
        self.faults[place] = Problem(message, self.shown, node.start_mark.line + 1)

    def value(self, node: yaml.Node, place: Place, depth: int) -> Any:
        self.nodes += 1
        if self.nodes == MAX_NODES + 1:
            self.fault("too many values (aliases that multiply?): write them out", node)
        if self.nodes > MAX_NODES:
            return None
        if depth > MAX_DEPTH or id(node) in self.open:
            self.fault("nested too deep", node)
            return None
        self.lines.setdefault(place, node.start_mark.line + 1)
        if node.tag not in _KNOWN_TAGS:
            self.fault(f"tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not allowed", node)
            return None
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self.mapping(node, place, depth)
            if isinstance(node, yaml.SequenceNode):
                items = enumerate(node.value)
                return [self.value(item, (*place, at), depth + 1) for at, item in items]
            return self.scalar(str(node.value), node, place)
        finally:
            self.open.discard(id(node))

    def mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.fault("a key must be a word", key_node)
                continue
            key = str(key_node.value)
            if key in values:
                first = self.lines[(*place, key)]
                self.fault(f"key '{key}' is given twice (first in line {first})", key_node)
                continue
            self.lines[(*place, key)] = key_node.start_mark.line + 1
            values[key] = self.value(value_node, (*place, key), depth + 1)
        return values

    def scalar(self, text: str, node: yaml.Node, place: Place) -> Any:
        kind = node.tag.rsplit(":", 1)[-1]
        if kind in ("int", "float") and (padded := _LEADING_ZEROS.match(text)):
            # eight to some programs, ten to others, and a name to who numbers patients
            meant = padded["sign"] + padded["rest"]
            told = f"'{text[:40]}' begins with 0: write {meant[:40]}, or in quotes if it is a name"
            self.unusable(told, node, place)
            return None
        try:
            if kind == "bool":
                return text.lower() == "true"
            if kind == "int":
                return int(text)
            # no setting takes infinity or nan, and an identity cannot hold them
            if kind == "float" and math.isfinite(float(text)):
                return float(text)
            if kind == "float":
                raise ValueError
        except ValueError:
            self.unusable(f"'{text[:40]}' is not a number that can be used", node, place)
            return None
        if kind == "null":
            return None
        if _UNPRINTABLE.search(text):
            self.fault("control characters are not allowed", node)
        return text


class _Writer(yaml.SafeDumper):
    """Quotes words that would be read as something else: 1e-4, 010."""

    yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def yaml_text(values: Any) -> str:
    """Plain values as YAML that `read_with_faults` reads as the same values."""
    return yaml.dump(values, Dumper=_Writer, sort_keys=False)


NOT_REGULAR = "not a regular file; put a copy of the file in its place"


def read_regular(path: Path, *, at_most: int = -1) -> bytes:
    """The bytes of a file, the first `at_most` of them if that is given.

    Raises:
        OSError: It cannot be read, or is a pipe or device, which is then not opened.
    """
    with open_regular(path) as file:
        return file.read(at_most)


def open_regular(path: Path) -> io.BufferedReader:
    """A file, opened. Raises OSError as `read_regular`."""
    mode = os.stat(path).st_mode  # noqa: PTH116 - one call for a file and for a folder
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # to a folder, open says no
        raise OSError(errno.EINVAL, NOT_REGULAR)
    return path.open("rb")


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
