"""Study frozen: how many layers of a pretrained network stay as they are.

Source: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020: the first n of VGG16's 13 convolutions are fixed,
the rest is fine-tuned. The control is the same n with random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.spec.base import Part
from abl.studies.contract import StudyAxis, study
from abl.studies.shared.checks import FROZEN, HEAD, NETWORK, WEIGHTS
from abl.studies.shared.departure import NO_VALIDATION, Departure
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
    """The frozen study has no settings of its own."""


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

    def stated(self) -> StatedTables:
        from abl.studies.frozen.stated import STATED

        return STATED

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        from abl.studies.frozen.figures import frozen_figure

        return {"frozen": lambda: frozen_figure(outcome, frames.predictions)}
