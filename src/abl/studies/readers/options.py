"""Options of the readers study."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from abl.spec.base import Part
from abl.spec.data import Fraction

Share = Annotated[float, Field(gt=0, lt=1)]
UNAIDED, AIDED = "unaided", "aided"


class Skill(Part):
    """How often a simulated reader is right in each class."""

    sensitivity: Share = Field(description="Share of positive images called positive (expected).")
    specificity: Share = Field(description="Share of negative images called negative (expected).")


class SimulatedReader(Skill):
    """A reader of known skill."""

    name: str = Field(min_length=1, description="Of the reader.")
    experience: str = Field("", description="A group, or years: readers of one are put together.")
    missing: Fraction = Field(0.0, description="Share of the images without an answer (expected).")
    aided: Skill | None = Field(
        None, description="The same reader with an aid: a second treatment, `aided`."
    )


class Options(Part):
    """Settings of the readers study."""

    answers: tuple[str, ...] = Field(
        (), description="A file of readers' answers (CSV or Parquet), or several (docs/readers.md)."
    )
    simulated: tuple[SimulatedReader, ...] = Field(
        (), description="Readers of known skill in the place of answers: planted truths."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Of the simulated readers.")
    alike: Fraction = Field(
        0.3,
        description="Of simulated readers: correlation of two readers' impressions of one image.",
    )
    covariance: Literal["delong", "jackknife", "unbiased"] = Field(
        "delong", description="Of readers' AUCs over samples of cases."
    )
    first_treatment: str | None = Field(
        None, description="With and without an aid: the treatment that was read first."
    )
    washout_days: Annotated[float, Field(ge=0)] | None = Field(
        None, description="Days between a reader's two treatments."
    )

    @field_validator("answers", mode="before")
    @classmethod
    def _one_is_several(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_source(self) -> Options:
        if self.answers and self.simulated:
            raise ValueError("answers and simulated: give one of them")
        names = [reader.name for reader in self.simulated]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"simulated: '{twice[0]}' is there twice")
        return self
