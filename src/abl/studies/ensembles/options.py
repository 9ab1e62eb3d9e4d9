"""Options of the ensembles study: the panel of networks, and how its classifiers are fitted."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from abl.decide.classifiers.balance import BalanceName
from abl.decide.classifiers.names import PARAMETERS
from abl.spec.base import Part

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1, le=100_000)]
Share = Annotated[float, Field(gt=0, le=1)] | Literal["sqrt"]


class Member(Part):
    """A network of the panel, and which of its layers gives features."""

    network: str = Field(description="As train.network.")
    layer: str = Field(
        "last",
        description="fc1, fc2, ... (fully connected layers in front of the classes), avg (the last "
        "map averaged), last (the last fully connected one, else avg), or a module of the network; "
        "with :before or :after its activation, which is after where nothing is said.",
    )
    fine_tuned: bool = Field(
        False, description="Trained on the training part first, as the train block says."
    )
    weights: str | None = Field(None, description="As train.weights, whose value is the default.")
    in_all: bool = Field(
        True, description="Whether the words all and size take it; otherwise it is in named sets."
    )


class SvmOptions(Part):
    """Support vector machine with a linear kernel. Several values are searched inside."""

    c: Positive | tuple[Positive, ...] = Field(1.0, description="Cost of errors.")


class RbfOptions(Part):
    """Support vector machine with an RBF kernel."""

    c: Positive | tuple[Positive, ...] = Field(1.0, description="Cost of errors.")
    gamma: Positive | Literal["scale"] | tuple[Positive | Literal["scale"], ...] = Field(
        "scale", description="exp(-gamma d^2); scale: 1 over the mean squared norm."
    )


class LogisticOptions(Part):
    """Logistic regression with an L2 penalty."""

    c: Positive | tuple[Positive, ...] = Field(1.0, description="One over the penalty.")


class ForestOptions(Part):
    """Random forest."""

    trees: Count = Field(200, description="Trees.")
    leaf: Count | tuple[Count, ...] = Field(1, description="Fewest rows in a leaf.")
    features: Share | tuple[Share, ...] = Field(
        "sqrt",
        description="Share of the columns that a split may use, or the root of their number.",
    )


class BoostingOptions(Part):
    """Gradient boosting of trees on histograms."""

    trees: Count | tuple[Count, ...] = Field(100, description="Trees.")
    rate: Positive | tuple[Positive, ...] = Field(0.1, description="Learning rate.")
    leaves: Annotated[int, Field(ge=2, le=1000)] = Field(15, description="Most leaves of a tree.")
    features: Share | tuple[Share, ...] = Field(
        "sqrt",
        description="Share of the columns that a split may use, or the root of their number.",
    )


class Candidates(Part):
    """Among what `chosen` chooses on validation."""

    networks: str = Field("all", description="As a value of the axis networks: all, size 1-3.")
    classifiers: tuple[str, ...] = Field(
        ("svm", "rf"), min_length=1, description="Of `classifier: chosen`."
    )


class Options(Part):
    """Settings of the ensembles study."""

    panel: dict[str, Member] = Field(
        min_length=1,
        description="Short name -> network and layer: {A: {network: alexnet, layer: fc2}, ...}.",
    )
    balance: BalanceName = Field(
        "none",
        description="Classes of the training part: as they are; weighted; the smaller ones filled "
        "up with copies, or with left-right and up-down reflected copies. Probabilities, weights "
        "and stacking follow.",
    )
    scale: Literal["network", "columns"] = Field(
        "network",
        description="columns: each has mean 0 and variance 1 on training rows. network: then over "
        "the root of their number, so that each network has the same weight.",
    )
    inner_folds: Annotated[int, Field(ge=2, le=20)] = Field(
        5,
        description="Folds inside the training part, by patient: for probabilities of svm, "
        "parameters that are searched, and stacking.",
    )
    svm: SvmOptions = Field(SvmOptions())
    svm_rbf: RbfOptions = Field(RbfOptions())
    logistic: LogisticOptions = Field(LogisticOptions())
    rf: ForestOptions = Field(ForestOptions())
    boosting: BoostingOptions = Field(BoostingOptions())
    candidates: Candidates = Field(Candidates())

    @field_validator("panel")
    @classmethod
    def _names_are_words(cls, panel: dict[str, Member]) -> dict[str, Member]:
        for name in panel:
            if not name or any(sign in name for sign in "+|[], ") or name in RESERVED:
                raise ValueError(f"'{name}' is no short name: letters and digits, as A or Vv")
        return panel

    def parameters(self, classifier: str) -> dict[str, list[Any]]:
        """Parameter -> values to try."""
        block = getattr(self, classifier)
        given = {name: getattr(block, name) for name in PARAMETERS[classifier]}
        return {
            name: list(value) if isinstance(value, tuple) else [value]
            for name, value in given.items()
        }


RESERVED = ("all", "size", "chosen")
