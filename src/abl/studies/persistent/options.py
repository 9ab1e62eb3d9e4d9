"""Options of the persistent study, and what is wrong with them in an arm."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from abl.decide.audit.exclusion_path import ExclusionRule
from abl.decide.cutoffs import HALF
from abl.decide.metric_names import metric_named
from abl.errors import InputError
from abl.spec.base import Part
from abl.spec.data import Fraction
from abl.spec.sweep import Sweep
from abl.stages.flag import FLAGGED, MATCHED
from abl.stages.select import AT_RANDOM, FLIPPED
from abl.studies.shared.departure import SPLITS_BY_IMAGE, Departure

PLAIN = "none"
EXCLUDED = (PLAIN, FLAGGED, AT_RANDOM, MATCHED, FLIPPED)
BY_FLAGS = (FLAGGED, AT_RANDOM, MATCHED)
# options of the flags, which an arm without them does not use
OF_FLAGS = ("inner", "flag", "level", "theta", "kappa", "step", "floor", "cap", "counts",
            "training_and_test")  # fmt: skip
# of them what says which images of the table are flagged
OF_IMAGES = ("flag", "level", "theta", "kappa", "step", "floor", "cap", "counts")
G_MEAN = "g_mean"
# Rafalo, Zylka 2025, in the authors' code
CUTOFF_ON_TEST = Departure(
    "cutoff_on_test",
    "options: {cutoff_on: test}",
    "The cut-off of each training was chosen on the very test set it was scored on.",
    lambda arm, sweep: (
        sweep.options.get("cutoff_on") == "test" and sweep.options.get("cutoff") != "half"
    ),
    by_test="the cut-off of each training",
)


class Inner(Part):
    """The inner Monte Carlo by which training images are flagged."""

    splits: Annotated[int, Field(ge=1, le=1000)] = Field(
        10, description="Draws inside each training part; each trains every network once more."
    )
    test: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="Share of the training part's patients in an inner test set."
    )
    networks: Literal["panel", "own"] = Field(
        "panel",
        description="Whose errors count: those of all networks of the sweep that are trained on "
        "these data, so that arms share their flags, or of the arm's own network.",
    )


class Options(Part):
    """Settings of the persistent study."""

    cutoff: Literal["gmean", "metric", "half"] = Field(
        "gmean",
        description="Cut-off of each training, chosen on validation: the largest G-mean, the best "
        "select_by (or primary), or one half.",
    )
    cutoff_on: Literal["validation", "test"] = Field(
        "validation",
        description="test: chosen on the very test set, as the source's code does; needs "
        "published: [cutoff_on_test].",
    )
    flag: Literal["share", "posterior"] = Field(
        "share",
        description="share: wrong in more than theta of its test appearances, theta falling as "
        "kappa says. posterior: the error rate lies above theta with a probability over `level`.",
    )
    level: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="Of flag: posterior; theta stays as it is."
    )
    theta: Fraction = Field(
        0.9, description="An image is flagged if it is wrong in more than this share."
    )
    kappa: Annotated[float, Field(ge=-1, le=1)] = Field(
        0.05,
        description="theta falls until leaving flagged images out of the test sets raises the mean "
        "AUC by this much; 0 keeps theta.",
    )
    step: Annotated[float, Field(gt=0, le=1)] = Field(0.01, description="By which theta falls.")
    floor: Fraction = Field(0.5, description="The last theta that is tried.")
    cap: Fraction = Field(0.2, description="The largest share of the images that may be flagged.")
    counts: Literal["pooled", "network"] = Field(
        "pooled", description="Errors of all networks together, or of each network alone."
    )
    features: dict[str, tuple[str, ...]] | None = Field(
        None,
        description="Columns of the manifest by group, for the table of features, e.g. "
        "{histology: [histology], ultrasound: [margin, shape]}; by default every column with few "
        "values.",
    )
    maps: bool = Field(
        False,
        description="Class activation maps (Grad-CAM) of the arms that leave nothing out, on their "
        "test images: where networks look in flagged images and in as many that they get right.",
    )
    inner: Inner = Field(Inner(), description="How training images are flagged.")
    training_and_test: bool = Field(
        False,
        description="Also prints the AUC of `excluded: flagged` where flagged images leave the "
        "test sets too, which rises by construction.",
    )

    @model_validator(mode="after")
    def _the_floor_lies_below(self) -> Options:
        if self.floor > self.theta:
            raise ValueError(f"floor: {self.floor} is above theta, {self.theta}")
        return self

    @property
    def rule(self) -> ExclusionRule:
        """The loop over theta."""
        return ExclusionRule(
            theta=self.theta, kappa=self.kappa, step=self.step, floor=self.floor, cap=self.cap,
            pooled=self.counts == "pooled",
        )  # fmt: skip

    @property
    def posterior(self) -> float | None:
        """The level of flag: posterior; None for the share."""
        return self.level if self.flag == "posterior" else None

    def chosen_by(self, sweep: Sweep) -> str:
        """The metric that chooses the cut-off, or `half`."""
        if len(sweep.data.classes) != 2:
            return HALF
        best = {"gmean": G_MEAN, "half": HALF}
        return best.get(self.cutoff) or metric_named(sweep.select_by or sweep.primary).name


def option_faults(options: Options, sweep: Sweep) -> list[tuple[str, str]]:
    """(option or setting, what is wrong) with an arm's."""
    faults = []
    if sweep.data.unit != "image":
        text = f"data.unit: {sweep.data.unit}: this study counts images: write unit: image"
        faults.append(("data.unit", text))
    if options.cutoff_on == "test" and not sweep.allows(CUTOFF_ON_TEST.name):
        text = (
            "options.cutoff_on: test chooses the cut-off on the images that it is scored on: "
            "it needs published: [cutoff_on_test]"
        )
        faults.append(("options.cutoff_on", text))
    if sweep.splits.by == "image" and not sweep.allows(SPLITS_BY_IMAGE.name):
        text = (
            "splits.by: image lets images of one patient train and test: write by: patient; it "
            "needs published: [splits_by_image]"
        )
        faults.append(("splits.by", text))
    if options.cutoff == "metric":
        faults += [("options.cutoff", text) for text in _metric_faults(sweep)]
    return faults


def _metric_faults(sweep: Sweep) -> list[str]:
    name = sweep.select_by or sweep.primary
    try:
        metric = metric_named(name)
    except InputError:
        return []  # told where metrics are
    if metric.of_confusion is not None and metric.higher_is_better is not None:
        return []
    where = "select_by" if sweep.select_by else "primary"
    return [
        f"options.cutoff: metric: {where}: {name} does not depend on a cut-off: write select_by: "
        "balanced_acc, or cutoff: gmean"
    ]
