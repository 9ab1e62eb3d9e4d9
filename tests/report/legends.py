"""What a figure's legend names, held against what its panels show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import Collection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from abl.report.figures.style import is_seen, settle

# stands for marks of any colour and shape
FOR_ALL = {"chosen (mean)", "filled: the best arm"}


def named_but_not_drawn(figure: Figure) -> list[str]:
    """Entries of the legends of which no panel shows anything: no line or mark of that look."""
    settle(figure)
    places = [place for place in figure.axes if place.get_visible()]
    drawn = {look for place in places for look in _looks(place)}
    legends = [*figure.legends, *(p.get_legend() for p in places if p.get_legend())]
    return [
        handle.get_label()
        for legend in legends
        for handle in legend.legend_handles
        if handle is not None and handle.get_label() not in FOR_ALL and not (_of(handle) & drawn)
    ]


def _looks(place: Axes) -> Iterator[tuple[str, Any]]:
    for line in place.lines:
        if is_seen(place, line):
            yield from _of(line)
    for each in (*place.collections, *place.patches):
        if _has_size(each):
            yield from _of(each)


def _of(artist: Artist) -> set[tuple[str, Any]]:
    """(kind, colour) of the line and of the marks of an artist."""
    if isinstance(artist, Line2D):
        found = set()
        if artist.get_linestyle() not in ("None", "", " "):
            found.add((artist.get_linestyle(), to_hex(artist.get_color())))
        elif artist.get_marker() not in ("None", "", None):
            found.add(("mark", to_hex(artist.get_markeredgecolor())))
        return found
    if isinstance(artist, Patch):
        # some legends name bars by a thick line
        face = to_hex(artist.get_facecolor())
        return {("area", (face, artist.get_hatch())), ("-", face)}
    assert isinstance(artist, Collection)
    colours = {to_hex(each) for each in (*artist.get_edgecolor(), *artist.get_facecolor())}
    return {(kind, colour) for colour in colours for kind in ("-", "mark")} | {
        ("area", (colour, None)) for colour in colours
    }


def _has_size(artist: Artist) -> bool:
    if isinstance(artist, Collection):
        paths = [path.vertices for path in artist.get_paths()]
        return bool(len(artist.get_offsets())) and any(np.isfinite(v).any() for v in paths)
    return bool(np.isfinite(artist.get_window_extent().extents).all())
