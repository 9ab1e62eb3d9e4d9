"""Decisions as points of the unit cube, and their scores: what a search moves in and by.

A coordinate is the rank of a value among those that can matter on the validation images, so that
equal steps change the answers of about as many images, wherever the confidences crowd.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import Bools, Floats, checked_labels, largest_class, margin
from abl.decide.decision import MIXED, OWN_WEIGHT, TIE_RULE, Decision, DecisionInputs, checked_costs
from abl.decide.metric_names import metric_named
from abl.decide.rules import FALSE_THRESHOLD
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.search.samplers import Direction

PARAMETERS = ("threshold", "class_thresholds", "weight", "cutoff", "false_threshold")
PAPERS_THRESHOLD = 0.9
RESOLUTION = 1024


class Objectives:
    """One or two numbers that a decision is judged by on labelled images.

    Args:
        labels: (N,) int.
        names: Metrics, "cost" (expected cost, needs `costs`) or "share" (of images sent on).
        costs: (K, K), true class by final class.

    Raises:
        InputError: Unknown names, a metric that is best between its ends, none or more than two.
    """

    def __init__(
        self, labels: ArrayLike, names: Sequence[str], classes: int, costs: ArrayLike | None = None
    ):
        self.names = tuple(names)
        self._labels = checked_labels(labels, classes)
        problems = []
        if not 1 <= len(self.names) <= 2 or len(set(self.names)) != len(self.names):
            problems.append("objectives: give one, or two different ones")
        if "cost" in self.names and costs is None:
            problems.append("objective 'cost' needs costs, true class by final class")
        raise_if_any([Problem(each) for each in problems])
        self._costs = None if costs is None else checked_costs(costs, classes)
        self._metrics = {
            name: metric_named(name) for name in self.names if name not in ("cost", "share")
        }
        for name, metric in self._metrics.items():
            if metric.higher_is_better is None:
                raise InputError(f"'{name}' is best between its ends: choose another objective")
        self.directions: tuple[Direction, ...] = tuple(
            "maximize" if name in self._metrics and self._metrics[name].higher_is_better
            else "minimize"
            for name in self.names
        )  # fmt: skip

    @property
    def of_class_alone(self) -> bool:
        """Whether all are the same for images with the same final classes."""
        return all(metric.of_confusion is not None for metric in self._metrics.values())

    def values(self, p: Floats, sent: Bools) -> tuple[float, ...] | None:
        """(objectives,), or None if one is undefined."""
        found = tuple(self._value(name, p, sent) for name in self.names)
        return None if any(math.isnan(value) for value in found) else found

    def _value(self, name: str, p: Floats, sent: Bools) -> float:
        if name == "share":
            return float(sent.mean()) if sent.size else math.nan
        if name == "cost" and self._costs is not None:
            return float(self._costs[self._labels, largest_class(p)].mean())
        return float(self._metrics[name](self._labels, p))


@dataclass(frozen=True, eq=False)
class _Scale:
    """Values that matter, in order; position j holds for all values in (edges[j-1], edges[j]]."""

    values: Floats
    edges: Floats

    def value(self, coordinate: float) -> float:
        return float(self.values[min(int(coordinate * len(self.values)), len(self.values) - 1)])

    def coordinate(self, value: float) -> float:
        return (int(np.searchsorted(self.edges, value, side="left")) + 0.5) / len(self.values)


class DecisionSpace:
    """Which decisions a search may try on these validation images.

    Args:
        inputs: Predictions on them.
        parameters: Which of PARAMETERS are searched.
        fixed: The others; its rule.
        of_class_alone: Whether only final classes are scored: thresholds between which none
            changes are then one.

    Attributes:
        coordinates: Names; a point has a number in [0, 1] for each.

    Raises:
        InputError: Parameters that do not exist, contradict each other or the rule.
    """

    def __init__(
        self,
        inputs: DecisionInputs,
        parameters: Sequence[str],
        fixed: Decision,
        *,
        of_class_alone: bool,
    ):
        self._parameters = tuple(parameters)
        raise_if_any(_problems(inputs, self._parameters))
        self._inputs, self._fixed = inputs, fixed
        self._scales = self._made_scales(of_class_alone)
        self.coordinates = tuple(self._scales)

    def decision(self, point: Mapping[str, float]) -> Decision:
        """The decision at a point."""
        at: dict[str, Any] = {
            name: scale.value(point[name]) for name, scale in self._scales.items()
        }
        if "threshold_0" in at:
            every = range(self._inputs.classes)
            at["threshold"] = tuple(at.pop(f"threshold_{each}") for each in every)
        return replace(self._fixed, **at)

    def known_points(self) -> list[dict[str, float]]:
        """Where a search starts: T* = 0, 0.9 and always; weight 1 and 0.5; cut-off 0.5; no False.

        With the False threshold also the paper's 0.1.
        """
        points = []
        for weight in (1.0, 0.5):
            for threshold in (0.0, PAPERS_THRESHOLD, math.inf):
                for false in (0.0, FALSE_THRESHOLD):
                    known = {"weight": weight, "cutoff": TIE_RULE, "false_threshold": false}
                    point = {
                        name: scale.coordinate(known.get(name, threshold))
                        for name, scale in self._scales.items()
                    }
                    if point not in points:
                        points.append(point)
        return points

    def point(self, decision: Decision) -> dict[str, float]:
        """The point nearest to a decision, as far as its values matter here."""
        own = OWN_WEIGHT.get(decision.rule, 1.0)
        settings = {"weight": own, "cutoff": TIE_RULE, "false_threshold": 0.0}
        settings |= decision.settings()
        return {
            name: scale.coordinate(settings.get(name, settings.get("threshold", 0.0)))
            for name, scale in self._scales.items()
        }

    def _made_scales(self, of_class_alone: bool) -> dict[str, _Scale]:
        inputs, searched = self._inputs, self._parameters
        scales = {}
        if "threshold" in searched or "class_thresholds" in searched:
            every = not of_class_alone or set(searched) - {"threshold", "class_thresholds"}
            matters = np.full(inputs.images, True) if every else self._changing()
            if "threshold" in searched:
                scales["threshold"] = _threshold_scale(inputs.confidence, matters)
            else:
                for each in range(inputs.classes):
                    chosen = inputs.original_class == each
                    scales[f"threshold_{each}"] = _threshold_scale(
                        inputs.confidence[chosen], matters[chosen]
                    )
        if "weight" in searched:
            steps = np.linspace(0, 1, RESOLUTION + 1)
            scales["weight"] = _Scale(steps, steps[:-1])
        if "cutoff" in searched:
            malignant = np.concatenate([p[:, 1] for p in (inputs.kept, inputs.sent)])
            scales["cutoff"] = _value_scale(malignant, [TIE_RULE], 1e-6)
        if "false_threshold" in searched:
            margins = np.concatenate([margin(p) for p in (inputs.kept, inputs.sent)])
            scales["false_threshold"] = _value_scale(margins, [0.0, FALSE_THRESHOLD], 0.0)
        return scales

    def _changing(self) -> Bools:
        """(N,) whether T* changes the image's final class."""
        ends = [
            largest_class(self._inputs.final(replace(self._fixed, threshold=threshold))[0])
            for threshold in (0.0, math.inf)
        ]
        return ends[0] != ends[1]


def _problems(inputs: DecisionInputs, parameters: tuple[str, ...]) -> list[Problem]:
    rule = inputs.rule
    problems = [
        f"search: no parameter '{name}': {nearest(name, PARAMETERS)}"
        for name in parameters
        if name not in PARAMETERS
    ]
    if not parameters:
        problems.append(f"search: over nothing; name one of {', '.join(PARAMETERS)}")
    thresholds = {"threshold", "class_thresholds"} & set(parameters)
    if len(thresholds) == 2:
        problems.append("search: one threshold or one a class, not both")
    if thresholds and not rule.has_threshold:
        problems.append(f"search: rule '{rule.name}' has no threshold")
    if "weight" in parameters and rule.uses != MIXED:
        problems.append(f"search: rule '{rule.name}' mixes no two networks")
    if "cutoff" in parameters and inputs.classes != 2:
        problems.append(f"search: a cut-off is for two classes, and these have {inputs.classes}")
    if "false_threshold" in parameters and "false" not in inputs.networks:
        problems.append("search: a False threshold needs the predictions of the network 'false'")
    if not inputs.images:
        problems.append("search: no image to choose on")
    return [Problem(each) for each in problems]


def _threshold_scale(certain: Floats, matters: Bools) -> _Scale:
    """The T* that send different sets of the images that matter, each the smallest to do so."""
    distinct = np.append(np.unique(certain), math.inf)
    edges = np.unique(certain[matters])
    above = distinct[np.searchsorted(distinct, edges, side="right")]
    return _Scale(np.concatenate([[0.0], above]), edges)


def _value_scale(found: Floats, always_there: Sequence[float], least: float) -> _Scale:
    """Values spread as those found are, and those that must be there."""
    levels = np.linspace(0, 1, RESOLUTION + 1)
    spread = np.clip(np.quantile(found, levels, method="inverted_cdf"), least, 1 - least)
    values = np.unique(np.concatenate([spread, always_there]))
    return _Scale(values, values[:-1])
