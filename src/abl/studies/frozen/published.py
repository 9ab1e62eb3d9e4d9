"""What Qin 2020 states, and what is weak in how it came to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class PublishedCurve:
    """Accuracy over the number of frozen convolutions, as stated.

    Attributes:
        source: As a legend names it.
        network: Whose convolutions are counted.
        accuracy: Modality -> accuracy as a fraction for n = 0, 1, ....
        caveat: What the values are not.
    """

    source: str
    network: str
    accuracy: Mapping[str, tuple[float, ...]]
    caveat: str


# Qin, Wu, Hu, Zeng, Chai, IEEE JBHI 2020. The paper prints mean and sd, but each mean is the
# quotient of one confusion matrix of 174 images, so that its sd is not drawn.
QIN_2020 = PublishedCurve(
    source="Qin 2020",
    network="vgg16",
    accuracy={
        "B-mode": (
            0.7505, 0.7621, 0.7885, 0.7874, 0.8057, 0.8195, 0.8276,
            0.8172, 0.8126, 0.8023, 0.7988, 0.7954, 0.7805, 0.7644,
        ),
        "elasticity": (
            0.7689, 0.7747, 0.7816, 0.7934, 0.8057, 0.8229, 0.8506,
            0.8310, 0.8356, 0.8252, 0.8103, 0.8115, 0.8023, 0.7977,
        ),
    },
    caveat=(
        "The published values (Qin et al. 2020) are single confusion matrices of other images, "
        "not means over folds: orientation only."
    ),
)  # fmt: skip

WEAKNESSES = (
    "The paper states 10-fold cross-validation and prints mean and standard deviation, but its "
    "values are those of single confusion matrices, whose class counts differ from row to row.",
    "One row (late fusion, GAP) cannot come from any confusion matrix of its size.",
    "The number of frozen layers was read off the accuracy that is reported: the optimum is "
    "chosen and judged on the same images.",
    "Mixed mode is scored on single images, the other modes on pairs.",
    "No control separates fusion from two extractors, or pretraining from a narrower fine-tuning.",
    "Optimizer, learning rate, epochs, batch size and augmentation are not in the text at hand.",
)
