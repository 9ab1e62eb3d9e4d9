"""How data are divided, and how often trainings are repeated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from abl.spec.base import Part


class Splits(Part):
    """How patients are divided into train, validation and test."""

    kind: Literal["holdout", "kfold", "monte_carlo", "column"] = Field(
        "holdout",
        description="One hold-out a repeat; k folds a repeat; independent draws (each repeat one); "
        "or the manifest's own column.",
    )
    folds: Annotated[int, Field(ge=2, le=100)] = Field(5, description="Folds of kfold.")
    test: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.25, description="Share of patients in the test set (not for kfold)."
    )
    validation: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.2,
        description="Share of the patients outside the test set; 0 leaves none to choose by, which "
        "needs published: [no_validation].",
    )
    by: Literal["patient", "nodule", "image"] = Field(
        "patient", description="What never lies on two sides of a split."
    )
    column: str = Field("split", description="The column of kind: column.")
    scored: Literal["test", "validation"] = Field(
        "test",
        description="Of kind: column, which rows are scored. validation: of a column of training "
        "and validation rows alone, which needs published: [scored_on_validation].",
    )
    pool: Annotated[int, Field(ge=1)] | Literal["smallest"] | None = Field(
        None,
        description="Images of each class, drawn at random, that the training part keeps before "
        "anything else, selection too, happens: a number, or smallest: as many as its smallest "
        "class has.",
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of the draws.")
    draw: Literal[1, 2] = Field(
        2,
        description="How patients are drawn. 2: a corrected label or a new patient moves few "
        "others, and patients of several classes count for each; 1: as version 0.1 did.",
    )

    # a stage that says nothing of the draw is of the time when there was one
    IDENTITY_DEFAULTS: ClassVar[Mapping[str, Any]] = {"draw": 1}

    @model_validator(mode="after")
    def _column_says_what_is_scored(self) -> Splits:
        if self.scored == "validation" and self.kind != "column":
            raise ValueError(
                f"scored: validation is of kind: column; kind: {self.kind} draws test sets: leave "
                "scored out"
            )
        return self


class SharedSplits(Splits):
    """The splits block of one arm, with its `train.share`: no block of a file."""

    share: Annotated[float, Field(gt=0, le=1)] = 1.0


class Replicates(Part):
    """On how many splits and seeds every arm is run."""

    repeats: Annotated[int, Field(ge=1, le=10000)] = Field(1, description="Draws of the split.")
    seeds: tuple[Annotated[int, Field(ge=0, le=2**63 - 1)], ...] = Field(
        (0,), min_length=1, description="Initialisation, order and augmentation."
    )

    @model_validator(mode="after")
    def _seeds_differ(self) -> Replicates:
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("seeds: each may be given once")
        return self
