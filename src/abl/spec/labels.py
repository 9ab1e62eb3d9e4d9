"""What a sweep file calls its axes, values and metrics: words for people, in every format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, field_validator, model_validator

from abl.spec.base import Part

LONGEST_LABEL = 80


class Labels(Part):
    """What tables, figures and pages call axes, values and metrics. Changes no result."""

    axes: dict[str, str] = Field(
        default_factory=dict, description="Axis -> its label: {train.augment.rotate_deg: rotation}."
    )
    values: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Axis -> value -> its label: {weights: {random: from scratch}}.",
    )
    metrics: dict[str, str] = Field(
        default_factory=dict, description="Metric -> its label: {sen: Sensitivity}."
    )

    @field_validator("values", mode="before")
    @classmethod
    def _written_as_shown(cls, given: Any) -> Any:
        # YAML reads the keys `yes` and `0.5` as a truth and a number
        if not isinstance(given, dict):
            return given
        return {
            axis: {written_value(value): label for value, label in block.items()}
            if isinstance(block, dict)
            else block
            for axis, block in given.items()
        }

    @model_validator(mode="after")
    def _words_to_show(self) -> Labels:
        blocks = [("axes", self.axes), ("metrics", self.metrics)]
        blocks += [(f"values.{axis}", block) for axis, block in self.values.items()]
        for where, block in blocks:
            taken: dict[str, str] = {}
            for name, label in block.items():
                shown = " ".join(label.split())
                if not shown or len(shown) > LONGEST_LABEL:
                    wanted = f"write 1 to {LONGEST_LABEL} characters"
                    raise ValueError(f"{where}.{name}: {wanted}")
                if (other := taken.setdefault(shown, name)) != name:
                    raise ValueError(f"{where}: {other} and {name} have one label, '{shown}'")
        return self


def written_value(value: Any) -> str:
    """A value of an axis as one writes it: `true`, `0.5`, `pretrained`, items of lists in a row,
    blocks as `name sgd, momentum 0.5`.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_within(each)}" for name, each in value.items()) or "default"
    return ", ".join(map(written_value, value)) if isinstance(value, list | tuple) else str(value)


def _within(value: Any) -> str:
    text = written_value(value)
    return f"({text})" if isinstance(value, Mapping | list | tuple) else text
