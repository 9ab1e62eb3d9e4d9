"""External sets of a sweep file: scored when everything is decided, beside the internal results."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from abl.spec.base import Part
from abl.spec.data import (
    BoxFormatName,
    Data,
    MaskCut,
    MaskValue,
    Phantom,
    mask_values_listed,
    masks_told_once,
    only_one_of,
)

CENTRE = "centre"
INTERNAL = "internal"  # what the sweep's own test sets are called beside external ones
_WORD = {"type": ["string", "number"]}
_ONE_OR_SEVERAL = {"anyOf": [{"type": "array", "items": _WORD}, _WORD]}
# keys that say where a set of its own comes from; a centre is in the sweep's own data
_OF_A_SET = ("phantom", "manifest", "set", "images", "columns", "classes", "box_format",
             "bits", "where", "without", "drop_missing", "modality", "longest_side", "mask_value",
             "mask_cut", "mask_inverted")  # fmt: skip


class External(Part):
    """A set that decides nothing: a centre of the sweep's data, or a phantom, manifest or set."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_. -]{0,39}$",
        description="In tables, and in MLflow as external_NAME_METRIC.",
    )
    centre: Annotated[tuple[str, ...], WithJsonSchema(_ONE_OR_SEVERAL)] = Field(
        (),
        description="Rows of the sweep's own data with one of these values of column centre; they "
        "are then in no training, validation or test set.",
    )
    phantom: Phantom | None = Field(None, description="Generated ultrasound images.")
    manifest: str | None = Field(None, description="As in data.")
    images: str | None = Field(None, description="As in data.")
    set: str | None = Field(None, description="As in data.")
    columns: dict[str, str] = Field(default_factory=dict, description="As in data.")
    classes: tuple[str, ...] | None = Field(
        None, description="Must be those of data; default: these."
    )
    box_format: BoxFormatName = Field("pixels", description="As in data.")
    bits: Annotated[int, Field(ge=0, le=16)] = Field(0, description="As in data.")
    where: dict[str, list[str]] = Field(default_factory=dict, description="As in data.")
    without: dict[str, list[str]] = Field(default_factory=dict, description="As in data.")
    drop_missing: tuple[Literal["box", "roi", "mask", "image2"], ...] = Field(
        (), description="As in data."
    )
    modality: Literal["first", "second"] | None = Field(
        None, description="For arms that see one modality: which of the set's; default: theirs."
    )
    unit: Literal["image", "nodule", "patient"] | None = Field(
        None, description="What is scored; default: that of data."
    )
    longest_side: Annotated[int, Field(ge=16, le=8192)] | None = Field(
        None, description="As in data; default: that of data."
    )
    mask_value: MaskValue = Field((), description="As in data.")
    mask_cut: MaskCut = Field(None, description="As in data.")
    mask_inverted: bool | None = Field(None, description="As in data.")
    how: Literal["averaged", "ensemble"] = Field(
        "averaged",
        description="The metric of each replicate's network, averaged; or that of the mean of "
        "their probabilities, which is another, usually better predictor.",
    )

    @field_validator("centre", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return given if isinstance(given, list | tuple) else (given,)

    @field_validator("mask_value", mode="before")
    @classmethod
    def _values_listed(cls, given: Any) -> Any:
        return mask_values_listed(given)

    @model_validator(mode="after")
    def _one_source(self) -> External:
        masks_told_once(self.mask_value, self.mask_cut, self.mask_inverted)
        if self.name == INTERNAL:
            raise ValueError(f"name: {INTERNAL} is what the sweep's own test sets are called")
        only_one_of(self, CENTRE, "phantom", "manifest", "set")
        if self.centre:
            fields = type(self).model_fields
            wrong = [
                name
                for name in _OF_A_SET
                if getattr(self, name) != fields[name].get_default(call_default_factory=True)
            ]
            if wrong:
                raise ValueError(f"{', '.join(wrong)}: of a centre they are those of data")
        return self

    @property
    def source(self) -> str:
        """Where it comes from, in words."""
        if self.centre:
            return f"centre {', '.join(self.centre)} of the sweep's own data"
        if self.phantom is not None:
            return "generated images"
        return f"set {self.set}" if self.set else f"manifest {self.manifest}"

    def data_for(self, data: Data) -> Data:
        """The data block under which an arm sees this set.

        Args:
            data: Of the arm: what the external block leaves open is as there.

        Raises:
            ValueError: A modality, where the arm sees both.
        """
        unit = self.unit or data.unit
        if self.centre:
            own = {"where": {**data.where, CENTRE: list(self.centre)}, "unit": unit}
            # rows are left out for the sake of this very set
            without = {name: values for name, values in data.without.items() if name != CENTRE}
            return data.model_copy(update=own | {"without": without})
        if self.modality is not None and data.modality not in ("first", "second"):
            raise ValueError(
                f"modality: {self.modality} does not fit arms that see modality: {data.modality}"
            )
        return Data(
            phantom=self.phantom,
            manifest=self.manifest,
            images=self.images,
            set=self.set,
            columns=self.columns,
            classes=data.classes,
            box_format=self.box_format,
            bits=self.bits,
            where=self.where,
            without=self.without,
            drop_missing=self.drop_missing,
            modality=self.modality or data.modality,
            pairing=data.pairing,
            unit=unit,
            patient_label=data.patient_label,
            duplicates=data.duplicates,
            longest_side=self.longest_side or data.longest_side,
            mask_value=self.mask_value,
            mask_cut=self.mask_cut,
            mask_inverted=self.mask_inverted,
        )


def internal_data(data: Data, external: tuple[External, ...]) -> Data:
    """The data block without the centres that are external."""
    centres = dict.fromkeys(centre for block in external for centre in block.centre)
    if not centres:
        return data
    left_out = dict.fromkeys([*data.without.get(CENTRE, ()), *centres])
    return data.model_copy(update={"without": {**data.without, CENTRE: list(left_out)}})
