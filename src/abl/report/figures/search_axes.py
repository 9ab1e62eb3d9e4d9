"""What a search may set, and where its values lie on an axis."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.decide.check import Floats
from abl.plan.searches import PARAM
from abl.report.setting_words import setting_text, short_names

_MOST_LETTERS = 18


@dataclass(frozen=True)
class Parameter:
    """One searched setting, and where its values lie on an axis from 0 to 1.

    Attributes:
        name: Dotted path, as in the frames; `label` is what of it is enough to know it.
        low, high: Ends of a numeric axis; 0 and number of choices - 1 otherwise.
        log: Whether a numeric axis is logarithmic.
        whole: Whether its numbers are whole ones.
        choices: In their order; empty if numeric.
    """

    name: str
    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether values are numbers on a scale."""
        return not self.choices

    def values(self, column: pd.Series) -> Floats:
        """(P,) numbers, or places among the choices; nan where a condition leaves it out."""
        if self.numeric:
            return pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        places = {_key(choice): float(at) for at, choice in enumerate(self.choices)}
        return np.array([places.get(_key(value), math.nan) for value in column], np.float64)

    def positions(self, values: Floats) -> Floats:
        """Values on the axis from 0 to 1; all in its middle if it has one value alone."""
        low, high = self._on_scale(np.array([self.low, self.high]))
        if high <= low:
            return np.where(np.isnan(values), math.nan, 0.5)
        return (self._on_scale(values) - low) / (high - low)

    def at(self, positions: Floats) -> Floats:
        """The values at positions of the axis."""
        low, high = self._on_scale(np.array([self.low, self.high]))
        scaled = low + positions * (high - low)
        return 10**scaled if self.log else scaled

    def ticks(self) -> list[tuple[float, str]]:
        """(position, text) of a few values: ends and middle, or every choice."""
        if not self.numeric:
            names = [_shortened(setting_text(choice)) for choice in self.choices]
            places = self.positions(np.arange(len(names), dtype=np.float64))
            return list(zip(places.tolist(), names, strict=True))
        if self.high <= self.low:
            return [(0.5, setting_text(self.low))]
        values = self.at(np.array([0.0, 0.5, 1.0]))
        values = np.unique(values.round()) if self.whole else values
        texts = [setting_text(value) for value in values.tolist()]
        return list(zip(self.positions(values).tolist(), texts, strict=True))

    def _on_scale(self, values: Floats) -> Floats:
        if not self.log:
            return values
        return np.log10(np.where(values > 0, values, math.nan))


def parameters_of(
    given: Sequence[Mapping[str, Any]], points: pd.DataFrame
) -> tuple[Parameter, ...]:
    """Those of the frame, as the facts describe them; the rest is read off the values."""
    known = {str(each["name"]): each for each in given}
    names = [str(column).removeprefix(PARAM) for column in points if str(column).startswith(PARAM)]
    # the order of the sweep file, not that of the frame
    names.sort(key=lambda name: list(known).index(name) if name in known else len(known))
    labels = short_names(names)
    return tuple(
        _parameter(name, labels[name], known.get(name, {}), points[PARAM + name]) for name in names
    )


def _parameter(name: str, label: str, given: Mapping[str, Any], column: pd.Series) -> Parameter:
    seen = [value for value in column if not _absent(value)]
    words = any(isinstance(value, bool | np.bool_ | str) for value in seen)
    if given.get("kind") == "choices" or given.get("choices") or words:
        choices = {_key(value): value for value in (*(given.get("choices") or ()), *seen)}
        return Parameter(name, label, 0.0, len(choices) - 1.0, choices=tuple(choices.values()))
    ends = [number_of(given.get("low")), number_of(given.get("high")), *map(float, seen)]
    finite = [value for value in ends if math.isfinite(value)] or [0.0]
    log = bool(given.get("log", False)) and min(finite) > 0
    return Parameter(name, label, min(finite), max(finite), log, given.get("kind") == "int")


def number_of(value: Any) -> float:
    """A number of the facts, nan if it is not known."""
    return math.nan if value is None else float(value)


def _shortened(text: str) -> str:
    """Long words without their middle: names of variants differ at the end."""
    if len(text) <= _MOST_LETTERS:
        return text
    half = (_MOST_LETTERS - 1) // 2
    return f"{text[:half]}…{text[-half:]}"


def _absent(value: Any) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))


def _key(value: Any) -> Hashable:
    """The same for a choice in the facts and in a frame, which may have made it a float."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        return float(value)
    return str(value)
