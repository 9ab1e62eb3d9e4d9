"""The search block of a sweep file: what is searched, by what, for how long."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from abl.errors import nearest
from abl.registry import Registry
from abl.spec.base import Part

# what they are is in search/samplers.py
SAMPLERS: Registry[Any] = Registry("sampler", declared="abl.search")


def sampler_problem(key: str, name: str, valid: Iterable[str]) -> list[str]:
    """What is wrong with the name of a sampler in a key of the file, if anything is."""
    names = list(valid)
    return [] if name in names else [f"{key}: '{name}' is not known, {nearest(name, names)}"]


class Dimension(Part):
    """What may be tried of one setting.

    In the file a plain list is enough for choices.
    """

    start: float | None = Field(None, alias="from", description="Smallest value.")
    stop: float | None = Field(None, alias="to", description="Largest value.")
    log: bool = Field(False, description="Spaced by their logarithm.")
    integer: bool = Field(False, description="Whole numbers only.")
    steps: Annotated[int, Field(ge=2, le=10_000)] | None = Field(
        None, description="Values that `sampler: grid` takes of it, ends included."
    )
    choices: tuple[Any, ...] = Field((), description="Values without an order.")
    when: dict[str, dict[str, Dimension]] = Field(
        default_factory=dict,
        description="Choice -> what is searched besides where it is chosen: "
        "{sgd: {train.optimizer.momentum: {from: 0, to: 0.99}}}.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        return {"choices": tuple(given)} if isinstance(given, list | tuple) else given

    @field_validator("choices")
    @classmethod
    def _are_plain(cls, choices: tuple[Any, ...]) -> tuple[Any, ...]:
        for each in choices:
            if not isinstance(each, bool | int | float | str):
                shown = "null" if each is None else each
                raise ValueError(f"{shown} is neither a number, a word, true nor false")
        return choices

    @model_validator(mode="after")
    def _range_or_choices(self) -> Dimension:
        ranged = self.start is not None or self.stop is not None
        if ranged == bool(self.choices):
            raise ValueError("give from and to, or a list of choices")
        if self.choices:
            if len({str(each) for each in self.choices}) < len(self.choices):
                raise ValueError("a choice is given twice")
            if unknown := set(self.when) - {str(each) for each in self.choices}:
                raise ValueError(f"when: {sorted(unknown)[0]} is none of the choices")
            return self
        if self.start is None or self.stop is None:
            raise ValueError("give both from and to")
        if not self.start < self.stop:
            raise ValueError(f"from: {self.start:g} must be below to: {self.stop:g}")
        if self.log and self.start <= 0:
            raise ValueError("log: true needs values above 0")
        if self.integer and not (self.start.is_integer() and self.stop.is_integer()):
            raise ValueError("integer: true needs whole numbers")
        if self.when:
            raise ValueError("when: belongs to choices")
        return self


class Objective(Part):
    """A metric on validation images, averaged over replicates. In the file its name is enough."""

    metric: str = Field(description="A metric: see `abl list metrics`.")
    direction: Literal["maximize", "minimize"] | None = Field(
        None, description="Default: that in which the metric is better."
    )

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"metric": given} if isinstance(given, str) else given


class Constraint(Part):
    """A metric on validation images that a point must keep to be chosen."""

    metric: str = Field(description="A metric: see `abl list metrics`.")
    at_least: float | None = Field(None, description="E.g. {metric: sen, at_least: 0.95}.")
    at_most: float | None = Field(None, description="The other side.")

    @model_validator(mode="after")
    def _one_side(self) -> Constraint:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError("give at_least or at_most")
        return self

    def violation(self, value: float) -> float:
        """Above 0 if the metric's value breaks it."""
        if self.at_least is not None:
            return self.at_least - value
        return value - (self.at_most or 0.0)


class Prune(Part):
    """Gives a point up before its remaining replicates are trained (Optuna's WilcoxonPruner)."""

    p: Annotated[float, Field(gt=1e-300, lt=1)] = Field(
        0.2,
        description="Chance at which a point counts as worse than the best one: signed-rank test "
        "over the replicates of both. n replicates reach 1 / 2^n at best.",
    )
    after: Annotated[int, Field(ge=2)] = Field(2, description="Replicates in any case.")

    @property
    def earliest(self) -> int:
        """Replicates from which the test can reach p at all."""
        return next(count for count in range(1, 1100) if 0.5**count < self.p)


class StopEarly(Part):
    """Gives a training up that does worse than those of earlier points at the same epoch."""

    rule: Literal["median", "halving"] = Field(
        "median",
        description="median: worse than the median of earlier points on this replicate; halving: "
        "not in the best 1 / factor of them, at epochs that grow by the factor.",
    )
    metric: Literal["loss", "accuracy"] = Field("loss", description="Measured on validation.")
    after: Annotated[int, Field(ge=1)] = Field(1, description="Epochs in any case.")
    factor: Annotated[int, Field(ge=2, le=10)] = Field(3, description="halving: see rule.")
    least: Annotated[int, Field(ge=2)] = Field(
        4, description="Trainings that there must be to compare with."
    )


class Search(Part):
    """A search of settings on validation images; its points share the sweep's replicates."""

    space: dict[str, Dimension] = Field(
        min_length=1,
        description="Setting (train.optimizer.lr) or axis -> {from, to, log, integer}, or choices.",
    )
    sampler: str = Field(
        "tpe",
        json_schema_extra=lambda schema: schema.update(enum=list(SAMPLERS)),
        description="Optuna's; grid tries every point of the space once.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of the sampler.")
    trials: Annotated[int, Field(ge=1, le=100_000)] = Field(
        30, description="Points; of a grid at most so many."
    )
    generation: Annotated[int, Field(ge=1, le=1000)] = Field(
        4,
        description="Points asked at once, which run side by side; later ones know their values. "
        "At least as many as there are workers.",
    )
    objectives: tuple[Objective, ...] = Field(
        (), description="Default: the primary metric. Several: a Pareto front."
    )
    constraints: tuple[Constraint, ...] = Field((), description="What a point must keep.")
    start: tuple[dict[str, Any], ...] = Field(
        (), description="Points tried first, after the settings of the file themselves."
    )
    prune: Prune | None = Field(Prune(), description="null trains every point on all replicates.")
    stop_early: StopEarly | None = Field(None, description="Off unless given.")
    scope: Literal["shared", "by_split"] = Field(
        "shared",
        description="shared: one choice, by the mean over all replicates; by_split: every "
        "(repeat, fold) is searched and chosen for alone (nested), on its seeds.",
    )
    tune_each_arm: bool = Field(
        True,
        description="Every arm gets the same search. false: the base is searched for and all arms "
        "take its values, which is no fair comparison.",
    )
    retries: Annotated[int, Field(ge=0, le=10)] = Field(
        1, description="Times that a point is tried again whose process failed."
    )
    hours: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Wall time of a search, over all commands, after which no more is asked."
    )
    gpu_hours: Annotated[float, Field(gt=0)] | None = Field(
        None, description="Recorded seconds of a search's stages times their GPUs, the same way."
    )
    stagnation: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Stops when the best has not moved for so many points."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Search:
        several = len(self.objectives) > 1
        if several and self.stagnation is not None:
            raise ValueError("stagnation: needs one objective")
        if len({each.metric for each in self.objectives}) < len(self.objectives):
            raise ValueError("objectives: each metric may be given once")
        known = SAMPLERS.entry(self.sampler)
        if several and known is not None and not known.facts.get("several", True):
            raise ValueError(f"sampler: {known.name} has one objective; use tpe, nsga2 or gp")
        return self
