"""Study frozen: how many layers of a pretrained network stay as they are.

Source: Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020: the first n of VGG16's 13 convolutions are fixed,
the rest is fine-tuned. The control is the same n with random weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses
from abl.spec.base import Part
from abl.studies.contract import StudyAxis, study
from abl.studies.shared.checks import FROZEN, HEAD, NETWORK, WEIGHTS
from abl.studies.shared.single_network import SingleNetwork

# Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020
CHOSEN_ON_TEST = (
    "The number of frozen layers was read off the accuracy that is reported: the optimum is "
    "chosen and judged on the same images."
)
NOT_STATED = (
    "Optimizer, learning rate, epochs, batch size and augmentation are not in the text at hand."
)
WEAKNESSES = (
    "The paper states 10-fold cross-validation and prints mean and standard deviation, but its "
    "accuracies for n = 0 to 13 fit means of five evaluations of 174 images.",
    CHOSEN_ON_TEST,
    "No control separates pretraining from a narrower fine-tuning.",
    NOT_STATED,
)


class Options(Part):
    """The frozen study has no settings of its own."""


@study
class Frozen(SingleNetwork):
    """Arms are (network, frozen n, weights, head, modality)."""

    name: ClassVar[str] = "frozen"
    description: ClassVar[str] = "Frozen layers of a pretrained network (Qin 2020)."
    options: ClassVar[type[Part]] = Options
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

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        from abl.studies.frozen.figures import frozen_figure

        return {"frozen": lambda: frozen_figure(outcome, frames.predictions)}

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return OwnWeaknesses(WEAKNESSES)
