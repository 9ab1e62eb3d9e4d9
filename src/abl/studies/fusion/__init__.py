"""Study fusion: one modality or two, where they meet, and which head answers.

Source: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020. Controls: late fusion of the first modality with
itself, and with second images exchanged between patients of one class.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field, field_validator

from abl.errors import nearest
from abl.nets.registry import FUSIONS
from abl.plan.graph import Arm, Replicate
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.network import MODALITIES
from abl.stages.predict import lacking_stage
from abl.stages.train import Trainings
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.frozen import FROZEN_CHOSEN_ON_TEST
from abl.studies.shared.checks import (
    FROZEN,
    HEAD,
    NETWORK,
    WEIGHTS,
    design_faults,
    weights_faults,
)
from abl.studies.shared.departure import NO_VALIDATION, Departure
from abl.studies.shared.single_network import SingleNetwork, TrainedBy

if TYPE_CHECKING:
    from abl.report.page.report_facts import ReportFacts
    from abl.report.page.weaknesses import OwnWeaknesses
    from abl.report.tables.stated_tables import StatedTables

# Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020, Tables V and VI
DEPARTURES = (
    NO_VALIDATION,
    Departure(
        FROZEN_CHOSEN_ON_TEST,
        "train: {frozen: 6}",
        "The number of frozen layers that arms share was read off results on the images that are "
        "scored here.",
        lambda arm, sweep: sweep.train.frozen != 0,
        by_test="the number of frozen layers",
        declared=True,
    ),
)
GAP_UNTRAINED = (
    "With head: gap a new linear layer follows convolutions that were trained on ImageNet with "
    "another head; the publication trains the network with this head on ImageNet first."
)
MIXED = "mixed"
SECOND = ("own", "first", "shuffled")
BOTH = "both"
WITHOUT = {f"without_{name}": name for name in MODALITIES}
AT_TEST = (BOTH, *WITHOUT)


class Options(Part):
    """Settings of the fusion study."""

    modalities: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] = Field(
        ("bmode", "elasticity"),
        description="What the two modalities are called: image, and image2. Both are modes.",
    )
    own_shape: bool = Field(
        False,
        description="head: spp sees images of their own size and aspect ratio, up to image.size.",
    )

    @field_validator("modalities")
    @classmethod
    def _names_differ(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        taken = set(names) & {MIXED, *FUSIONS}
        if taken or names[0] == names[1]:
            raise ValueError(f"modalities: two names that are no fusion modes, not {list(names)}")
        return names


@study
class FusionStudy(SingleNetwork):
    """Arms are (mode, second, network, head, frozen n, weights)."""

    name: ClassVar[str] = "fusion"
    description: ClassVar[str] = "Two modalities: alone, mixed or fused (Qin 2020)."
    options: ClassVar[type[Part]] = Options
    departures: ClassVar[tuple[Departure, ...]] = DEPARTURES
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis(
            "mode",
            "A modality alone (options.modalities), mixed (both as separate samples), early (a 1x1 "
            "convolution over both), late (two extractors, concatenated), late_shared, gated, "
            "cross_attention.",
            "late",
            words=True,
        ),
        StudyAxis(
            "second",
            "What is fused: own (the image's second modality), or a control: first (the first "
            "modality again), shuffled (exchanged between patients of one class).",
            "own",
            words=True,
        ),
        StudyAxis(
            "at_test",
            "What a fused network, trained with both modalities, has when it predicts: both, or "
            "without_first, without_second: the missing image is the mean of the normalisation.",
            words=True,
        ),
        NETWORK,
        HEAD,
        FROZEN,
        WEIGHTS,
    )

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        drop = set() if str(own.get("mode")) in FUSIONS else {"second", "at_test"}
        if own.get("head", "spp") != "spp":
            drop.add("options.own_shape")
        return super().relevant(own, axes) - drop

    def meaning(self, params: dict[str, Any], file: SweepFile) -> dict[str, Any]:
        options = options_of(file, Options)
        mode = str(params.get("mode"))
        changes = super().meaning(params, file)
        if mode in options.modalities:
            which = ("first", "second")[options.modalities.index(mode)]
            changes |= {"data.modality": which, "train.fusion": "none"}
        elif mode == MIXED:
            changes |= {"data.modality": "mixed", "train.fusion": "none"}
        elif mode in FUSIONS:
            second = str(params.get("second", "own"))
            changes |= {"data.modality": "both", "train.fusion": mode}
            changes["data.pairing"] = second if second in SECOND else "own"
        head = str(params.get("head", file.sweep.train.head))
        own_shape = params.get("options.own_shape", options.own_shape)
        if head == "spp" and own_shape:
            changes["image.fit"] = "own"
        return changes

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        modes = [*options_of(file, Options).modalities, MIXED, *FUSIONS]
        faults = []
        mode, second = str(arm.params.get("mode")), str(arm.params.get("second", "own"))
        if mode not in modes:
            faults.append(("mode", f"mode '{mode}' is not known: {nearest(mode, modes)}"))
        if second not in SECOND:
            text = f"second: '{second}' is not known: {nearest(second, SECOND)}"
            faults.append(("second", text))
        at_test = str(arm.params.get("at_test", BOTH))
        if at_test not in AT_TEST:
            text = f"at_test: '{at_test}' is not known: {nearest(at_test, AT_TEST)}"
            faults.append(("at_test", text))
        if file.sweep.data.modality != "first" or file.sweep.train.fusion != "none":
            text = "data.modality and train.fusion are what the axis mode decides: leave them out"
            faults.append(("mode", text))
        faults += weights_faults(arm, file)
        return faults or design_faults(sweep)

    def trained_by(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ) -> TrainedBy:
        """As of one network, which predicts anew where a modality is missing."""
        own = [trainings(sweep) for sweep in sweeps]

        def trained(at: int, replicate: Replicate) -> str:
            digest = own[at].train(replicate)
            lacking = WITHOUT.get(str(arms[at].params.get("at_test", BOTH)))
            if lacking is None:
                return digest
            plan = own[at].plan
            return plan.add(lacking_stage(plan.stages[digest], lacking))

        return trained

    def facts(self, file: SweepFile) -> dict[str, Any]:
        return {"modalities": list(options_of(file, Options).modalities), **super().facts(file)}

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        """What a pooled head begins with, which the publication gave a training of its own."""
        from abl.report.page.arm_settings import blocks_of
        from abl.report.page.weaknesses import OwnWeaknesses

        blocks = blocks_of(facts.settings, "train")
        pooled = [each for each in blocks if (each["head"], each["weights"]) == ("gap", "imagenet")]
        return OwnWeaknesses((GAP_UNTRAINED,) if pooled else ())

    def stated(self) -> StatedTables:
        from abl.studies.frozen.stated import OF_FUSION

        return OF_FUSION

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        from abl.studies.fusion.figures import (
            modes_figure,
            modes_of,
            operating_figure,
            roc_modes_figure,
        )
        from abl.studies.fusion.only_one import only_one_figure

        modes, classes = modes_of(outcome, frames.predictions), frames.classes(outcome)
        return {
            "modes": lambda: modes_figure(outcome, modes),
            "roc_modes": lambda: roc_modes_figure(modes),
            "operating": lambda: operating_figure(modes),
            "only_one": lambda: only_one_figure(modes, classes),
        }
