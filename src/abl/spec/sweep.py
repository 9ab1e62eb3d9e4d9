"""The sweep file as a whole: settings, axes, arms, what to report."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from abl.spec.base import Part
from abl.spec.class_metrics import positions_in, with_position
from abl.spec.data import Data, Image
from abl.spec.external import External
from abl.spec.labels import Labels
from abl.spec.search import Search
from abl.spec.splits import Replicates, SharedSplits, Splits
from abl.spec.table_style import TableStyle
from abl.spec.train import Train

Value = Annotated[bool | int | float | str, Field(union_mode="left_to_right")]


class Axis(Part):
    """A setting with several values.

    In the file a plain list is enough; `from`, `to`, `steps` make an even grid, ends included.
    """

    values: tuple[Any, ...] = Field((), description="The values, each once.")
    start: float | None = Field(None, alias="from", description="First value of an even grid.")
    stop: float | None = Field(None, alias="to", description="Last value of an even grid.")
    steps: int | None = Field(None, ge=2, le=100_000, description="Number of values of the grid.")
    curve: bool = Field(
        False,
        description="Adds no arms: an arm is scored at the value chosen on validation, and its "
        "curve over the values is recorded.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, given: Any) -> Any:
        if isinstance(given, list | tuple | range):
            return {"values": tuple(given)}
        return given if isinstance(given, dict) else {"values": (given,)}

    @model_validator(mode="after")
    def _grid_or_values(self) -> Axis:
        grid = (self.start, self.stop, self.steps)
        if self.values and any(part is not None for part in grid):
            raise ValueError("give values, or from, to and steps, not both")
        if not self.values and any(part is None for part in grid):
            raise ValueError("give a list of values, or from, to and steps")
        repeated = _first_repeated(self.listed())
        if repeated is not None:
            raise ValueError(f"{repeated} is given twice")
        return self

    def listed(self) -> tuple[Any, ...]:
        """The values, in the order of the file; those of a grid rounded to 12 digits."""
        if self.values:
            return self.values
        if self.start is None or self.stop is None or self.steps is None:
            return ()
        width = (self.stop - self.start) / (self.steps - 1)
        grid = [round(self.start + width * at, 12) for at in range(self.steps)]
        # counts are counts: 0 to 13 in 14 steps is 0, 1, 2, ...
        return tuple(map(int, grid) if all(each.is_integer() for each in grid) else grid)


def _first_repeated(values: tuple[Any, ...]) -> Any:
    """The first value that equals an earlier one, None if all differ."""
    first: dict[Any, int] = {}  # a grid may have a hundred thousand values; lists have no hash
    for at, value in enumerate(values):
        if isinstance(value, bool | int | float | str | None):
            if first.setdefault(value, at) < at:
                return value
        elif value in values[:at]:
            return value
    return None


class Resources(Part):
    """What one training asks for. Hardware is recorded, never part of a digest."""

    cpus: Annotated[float, Field(gt=0)] = Field(1, description="CPUs of one training.")
    gpus: Annotated[float, Field(ge=0)] = Field(
        0, description="GPUs of one training; below 1 a share of one, which it keeps to."
    )
    pack: bool = Field(
        True,
        description="With gpus: 1, pack several onto a GPU once a training of the same shape has "
        "shown what memory it takes.",
    )
    memory_gb: Annotated[float, Field(ge=0)] = Field(0, description="Memory; 0 asks for none.")
    features_gb: Annotated[float, Field(ge=0)] = Field(
        20, description="Disk for kept features of frozen layers; 0 keeps none. Changes no result."
    )


class ContrastBlock(Part):
    """One comparison beside those with the base."""

    arm: dict[str, Any] = Field(description="Axis values of the arms, e.g. {rule: model1}.")
    base: dict[str, Any] = Field(
        description="What differs in the arm each is compared with, e.g. {rule: average}."
    )


class Sweep(Part):
    """One sweep file."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$",
        description="Letters, digits, '_', '-', '.'; the MLflow experiment is named after it.",
    )
    study: str = Field(description="The question asked, with its analysis: see `abl list studies`.")
    title: str = Field("", description="One sentence for the table's head.")
    module: str | None = Field(
        None, description="A Python file beside the sweep with networks, rules, ... of your own."
    )
    data: Data
    external: tuple[External, ...] = Field(
        (),
        description="Sets that decide nothing and are scored at the end, beside the internal "
        "results: {name: B, centre: B}, {name: hospital C, manifest: c/manifest.csv}.",
    )
    image: Image = Field(Image())
    splits: Splits = Field(Splits())
    replicates: Replicates = Field(Replicates())
    train: Train = Field(Train())
    options: dict[str, Any] = Field(default_factory=dict, description="The study's own settings.")
    axes: dict[str, Axis] = Field(
        default_factory=dict,
        description="The study's axes, or any setting by its path (train.epochs); a block of "
        "settings replaces the file's whole block, and what it leaves out has its default.",
    )
    arms: tuple[dict[str, Any], ...] = Field(
        (),
        description="An ablation as a union: each block gives some axes one value or several; an "
        "axis it does not name runs over the values of `axes`. Without it: the full product.",
    )
    exclude: tuple[dict[str, Any], ...] = Field(
        (), description="Arms left out: each block matches arms that have all its values."
    )
    search: Search | None = Field(
        None, description="Searches settings on validation images, for every arm alike."
    )
    metrics: tuple[str, ...] = Field(
        ("acc", "spe", "sen", "f1", "auc"),
        min_length=1,
        description="Columns of the table; sen@benign is that of one class.",
    )
    primary: str = Field("f1", description="The one metric that decides and is tested.")
    select_by: str | None = Field(
        None, description="Validation metric that chooses a curve's value; default: primary."
    )
    base: dict[str, Any] | None = Field(
        None, description="The arm others are compared with, at equal other axes: {rule: original}."
    )
    contrasts: tuple[ContrastBlock, ...] = Field(
        (),
        description="Further comparisons at equal other axes, of one family with those of `base`: "
        "{arm: {rule: model1}, base: {second: retrained}}.",
    )
    stated: dict[str, str] = Field(
        default_factory=dict,
        description="Setting (train.epochs) -> where a source states it; the others are ours.",
    )
    protocol: Literal["own", "published"] = Field(
        "own",
        description="published allows what a source did and an honest sweep refuses; the report "
        "says what is weak in it.",
    )
    published: tuple[str, ...] = Field(
        (),
        description="What of the source's protocol the sweep follows, by name, such as "
        "[no_validation]: each is allowed only by its name here, and only in the study of that "
        "source. Without it, protocol: published allows all of the study's: see "
        "[published protocols](published-protocols.md).",
    )
    margin: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        None, description="Smallest difference of the primary metric that matters (fraction)."
    )
    resamples: Annotated[int, Field(ge=200, le=1_000_000)] = Field(
        10_000,
        description="Draws of a family's joint distribution; of bootstraps a fifth, at most 500.",
    )
    resources: Resources = Field(Resources())
    table: TableStyle = Field(TableStyle())
    labels: Labels = Field(Labels())
    pictures: bool = Field(
        True, description="Small pictures of test images in the report. Changes no result."
    )

    def __hash__(self) -> int:
        # axes and options are dicts, which have no hash
        return hash(self.model_dump_json())

    def curve(self, name: str) -> tuple[Any, ...] | None:
        """Values of an axis that is a curve, None if it is an ordinary one or not there."""
        axis = self.axes.get(name)
        return axis.listed() if axis is not None and axis.curve else None

    def allows(self, departure: str) -> bool:
        """Whether the file allows what a source did and an honest sweep refuses, by its name."""
        return self.protocol == "published" and (not self.published or departure in self.published)

    @model_validator(mode="after")
    def _published_is_a_protocol(self) -> Sweep:
        if (twice := _first_repeated(self.published)) is not None:
            raise ValueError(f"published: {twice} is given twice: take one out")
        if self.published and self.protocol == "own":
            if "protocol" in self.model_fields_set:
                raise ValueError(
                    "published: names what protocol: published allows (given: protocol: own): "
                    "take one of the two out"
                )
            self.__dict__["protocol"] = "published"
        return self

    @model_validator(mode="after")
    def _fusion_has_pairs(self) -> Sweep:
        if self.train.fusion != "none" and self.data.modality != "both":
            raise ValueError(
                f"train.fusion: {self.train.fusion} needs pairs of images: data: {{modality: both}}"
                " (in study fusion the axis mode sets both)"
            )
        if self.train.fusion == "none" and self.data.modality == "both":
            raise ValueError("data.modality: both needs train.fusion: early, late, ...")
        return self

    @model_validator(mode="after")
    def _half_precision_has_a_gpu(self) -> Sweep:
        if self.train.precision == "fp16" and not self.resources.gpus:
            raise ValueError(
                "train.precision: fp16 needs a GPU, and resources.gpus is 0: write resources: "
                "{gpus: 1}, or precision: bf16 or fp32"
            )
        return self

    @model_validator(mode="after")
    def _splits_know_the_share(self) -> Sweep:
        if self.train.share != 1:
            given = self.splits.model_dump() | {"share": self.train.share}
            self.__dict__["splits"] = SharedSplits.model_validate(given)
        elif isinstance(self.splits, SharedSplits):
            given = self.splits.model_dump(exclude={"share"})
            self.__dict__["splits"] = Splits.model_validate(given)
        return self

    @model_validator(mode="after")
    def _classes_have_positions(self) -> Sweep:
        classes, known = self.data.classes, self.__dict__
        for name in ("metrics", "primary", "select_by"):
            known[name] = positions_in(known[name], classes)
        if self.labels.metrics:
            labels = {with_position(name, classes): s for name, s in self.labels.metrics.items()}
            known["labels"] = self.labels.model_copy(update={"metrics": labels})
        if self.search is not None:
            changed = {
                name: tuple(
                    each.model_copy(update={"metric": with_position(each.metric, classes)})
                    for each in getattr(self.search, name)
                )
                for name in ("objectives", "constraints")
            }
            known["search"] = self.search.model_copy(update=changed)
        decisions = self.options.get("search")
        if isinstance(decisions, dict) and "objectives" in decisions:
            objectives = positions_in(decisions["objectives"], classes)
            known["options"] = self.options | {"search": decisions | {"objectives": objectives}}
        return self
