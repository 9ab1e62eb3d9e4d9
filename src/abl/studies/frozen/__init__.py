"""Study frozen: how many layers of a pretrained network stay as they are.

Source: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020: the first n of VGG16's 13 convolutions are fixed,
the rest is fine-tuned. The control is the same n with random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.stages.inputs import Workspace
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.checks import FROZEN, HEAD, NETWORK, WEIGHTS
from abl.studies.shared.departure import NO_VALIDATION, Departure
from abl.studies.shared.external import internal_file
from abl.studies.shared.single_network import SingleNetwork

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables

# Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020
FROZEN_CHOSEN_ON_TEST = "frozen_chosen_on_test"
DEPARTURES = (
    NO_VALIDATION,
    Departure(
        FROZEN_CHOSEN_ON_TEST,
        "several numbers of frozen layers: axes: {frozen: [0, 6, 13]}",
        "The number of frozen layers is read off the results that are reported: the optimum is "
        "chosen and judged on the same images.",
        lambda arm, sweep: "frozen" in arm.named,
        by_test="the number of frozen layers",
        declared=True,
    ),
)


class Options(Part):
    """Settings of the frozen study."""

    feature_maps: bool = Field(
        False,
        description="A figure of what the convolutions of the first arm's network answer to in "
        "four test images, by layer (deconvolution).",
    )


@study
class Frozen(SingleNetwork):
    """Arms are (network, frozen n, weights, head, modality)."""

    name: ClassVar[str] = "frozen"
    description: ClassVar[str] = "Frozen layers of a pretrained network (Qin 2020)."
    options: ClassVar[type[Part]] = Options
    departures: ClassVar[tuple[Departure, ...]] = DEPARTURES
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        NETWORK,
        StudyAxis(
            "modality",
            "first: the image; second: its second modality (image2).",
            setting="data.modality",
            words=True,
        ),
        WEIGHTS,
        HEAD,
        FROZEN,
    )

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """As of one network, and what one of them answers to."""
        plan = super().expand(file, workspace)
        if options_of(file, Options).feature_maps:
            from abl.studies.frozen.feature_maps import add_feature_maps

            said = add_feature_maps(plan, workspace, self.settings(internal_file(file)))
            plan.notes += [said] if said else []
        return plan

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """As of one network; feature maps are read when the table is made."""
        analysis = super().analyse(file, plan, workspace)
        if not options_of(file, Options).feature_maps:
            return analysis
        from abl.studies.frozen.feature_maps import NAME, feature_maps_frame

        frame = feature_maps_frame(plan, workspace.store)
        return analysis if frame.empty else replace(analysis, own={NAME: frame})

    def stated(self) -> StatedTables:
        from abl.studies.frozen.stated import STATED

        return STATED

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        from abl.studies.frozen.figures import frozen_figure

        found: dict[str, Draw] = {"frozen": lambda: frozen_figure(outcome, frames.predictions)}
        if (maps := frames.own.get("feature_maps")) is not None:
            from abl.studies.frozen.feature_maps import feature_maps_figure

            found["feature_maps"] = lambda: feature_maps_figure(outcome, maps)
        return found
