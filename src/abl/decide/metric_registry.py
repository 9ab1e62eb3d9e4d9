"""What a metric is, and the registry that `@metric` puts one into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from abl.decide.check import Floats, Ints
from abl.decide.confusion import OfConfusion
from abl.errors import InputError
from abl.registry import Registry
from abl.signatures import check_signature

SHARE = (0.0, 1.0)  # bounds of a share

# labels (N,), p (N, K) -> (N,) terms whose sum is the metric
Terms = Callable[[Ints, Floats], Floats]


class MetricFunction(Protocol):
    """labels (N,) int64, p (N, K) float64, optional weights (N,) -> float, nan if undefined."""

    def __call__(self, labels: Ints, p: Floats, weights: Floats | None = None) -> float: ...


@dataclass(frozen=True)
class Metric:
    """One column of a table.

    Attributes:
        name, label: Its name in YAML, and in tables.
        additive: Whether it is a sum over images of terms that depend, given all labels, on that
            image's prediction alone; `terms` gives them.
        higher_is_better: None if the best value lies between (calibration slope: 1).
        of_confusion: The same metric from confusion matrices (..., K, K), where it is one.
        by_class: Whether it is of one class: for K > 2 the macro mean over the classes, each
            against the rest, and NAME@CLASS gives that of one.
        several: What it is for K > 2, a few words; "" if its description says it.
        bounds: The smallest and largest value it can have, where both are known: ends of intervals
            lie between them.
        bounds_of_two: The same for K = 2, where they are others.
    """

    name: str
    label: str
    function: MetricFunction
    additive: bool
    higher_is_better: bool | None
    description: str
    of_confusion: OfConfusion | None = None
    terms: Terms | None = None
    by_class: bool = False
    several: str = ""
    bounds: tuple[float, float] | None = None
    bounds_of_two: tuple[float, float] | None = None

    def bounds_for(self, classes: int) -> tuple[float, float] | None:
        """Its bounds for so many classes."""
        return self.bounds_of_two if classes == 2 and self.bounds_of_two else self.bounds

    def __call__(self, labels: Ints, p: Floats, weights: Floats | None = None) -> float:
        try:
            return self.function(labels, p, weights)
        except InputError:
            raise
        except Exception as error:  # a user's own metric: its sweep goes on without it
            text = f"metric '{self.name}' fails with {type(error).__name__}: {error}"
            raise InputError(text) from error


# abl.decide.metrics registers as it is imported, what else there is is read off that one
METRICS: Registry[Metric] = Registry("metric", declared="abl.decide.selective")
MACRO = "macro mean over the classes, each against the rest"


def metric(
    name: str,
    *,
    label: str,
    higher_is_better: bool | None = True,
    of_confusion: OfConfusion | None = None,
    terms: Terms | None = None,
    by_class: bool = False,
    several: str = "",
    bounds: tuple[float, float] | None = None,
    bounds_of_two: tuple[float, float] | None = None,
    version: int = 1,
) -> Callable[[MetricFunction], MetricFunction]:
    """Registers a metric. The first line of its documentation describes it.

    Args:
        by_class: Whether it is of one class, and its function gives for K > 2 the macro mean over
            the classes; tables then say so.
        several: What it is for K > 2, where that is something else.

    Raises:
        InputError: The name is taken.
    """

    def register(function: MetricFunction) -> MetricFunction:
        description = (function.__doc__ or "").strip().split("\n")[0]
        made = Metric(
            name, label, function, terms is not None, higher_is_better, description,
            of_confusion, terms, by_class, several or (MACRO if by_class else ""), bounds,
            bounds_of_two,
        )  # fmt: skip
        METRICS.add(name, made, function, version=version)
        check_signature(f"metric '{name}'", function, ("labels", "p", "weights"))
        return function

    return register
