"""Values of files that anybody may have written: numbers, points, names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from abl.data.manifest import CONTROL

Box = tuple[float, float, float, float]
NOT_NUMBERS = "coordinates are not numbers"
FEW_POINTS = "fewer than three points"


def number_of(value: Any) -> float | None:
    """A finite number, also if it is written as text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def finite_numbers(values: Any, count: int | None = None) -> list[float] | None:
    """A list of finite numbers, of this length; None for anything else."""
    if not isinstance(values, list | tuple) or (count is not None and len(values) != count):
        return None
    numbers = [number_of(value) for value in values]
    return None if None in numbers else [number for number in numbers if number is not None]


def points_of(values: Any) -> np.ndarray | None:
    """Points [[x, y], ...] as float64 (P, 2); None if they are none."""
    if not isinstance(values, list | tuple):
        return None
    pairs = [finite_numbers(value, 2) for value in values]
    if None in pairs:
        return None
    return np.array(pairs, dtype=np.float64).reshape(-1, 2)


def size_of(height: Any, width: Any) -> tuple[int, int] | None:
    """Height and width in pixels, None unless both are whole numbers above 0."""
    sides = finite_numbers([height, width])
    if sides is None or any(side < 1 or side != int(side) for side in sides):
        return None
    return int(sides[0]), int(sides[1])


def name_of(value: Any) -> str:
    """A name as text on one line, "" if it is missing or no name; 3.0 is 3.

    Half characters, which no file can hold, become a question mark.
    """
    if isinstance(value, float):
        value = int(value) if value.is_integer() else value
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float):
        return ""
    try:
        text = CONTROL.sub(" ", str(value)).encode(errors="replace").decode()
    except ValueError:  # a number of more digits than Python converts
        return ""
    return "" if text.strip().lower() == "nan" else " ".join(text.split())


def file_name_of(value: Any) -> str:
    """The name of a file as it is written, with every space; "" if it is none."""
    return value if isinstance(value, str) else name_of(value)


def corners_box(xs: Sequence[float], ys: Sequence[float]) -> Box:
    """The box around points."""
    return min(xs), min(ys), max(xs), max(ys)


def dictionary(value: Any) -> dict[str, Any]:
    """The value if it is a dictionary, else an empty one."""
    return value if isinstance(value, dict) else {}
