"""The data blocks of a sweep file: where images come from, how they are cut and split."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, WithJsonSchema, field_validator, model_validator

from abl.spec.base import Part

Fraction = Annotated[float, Field(ge=0, le=1)]
BoxFormatName = Literal[
    "pixels", "inclusive", "one_based", "xywh", "cxcywh", "shares", "shares_xywh", "yolo"
]
_VALUE = {"type": ["integer", "string"]}
MaskValue = Annotated[
    tuple[int | str, ...],
    WithJsonSchema({"anyOf": [{"type": "array", "items": _VALUE}, _VALUE]}),
]
MaskCut = Annotated[float, Field(ge=0, lt=1)] | None
COLOUR = re.compile(r"#[0-9a-f]{6}")


class Phantom(Part):
    """The generated ultrasound set (docs/phantom.md). Same settings, same bytes, on any machine."""

    patients: Annotated[int, Field(ge=4, le=1_000_000)] = Field(
        200, description="Number of patients."
    )
    size: Annotated[int, Field(ge=32, le=1024)] = Field(
        128, description="Side of the square images, in pixels."
    )
    seed: Annotated[int, Field(ge=0)] = Field(0, description="Seed of everything that is drawn.")
    planes: Literal[1, 2] = Field(2, description="Images of each nodule (two orthogonal planes).")
    prevalence: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.45, description="Share of malignant nodules at centre A (expected)."
    )
    centre_b: Fraction = Field(0.0, description="Share of patients from centre B.")
    prevalence_b: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.6, description="Share of malignant nodules at centre B (expected)."
    )
    further_nodule: Fraction = Field(
        0.2, description="Chance of a second nodule, and then of a third; three at most."
    )
    ambiguous: Annotated[float, Field(ge=0, le=0.5)] = Field(
        0.06, description="Share of nodules whose B-mode look speaks for neither class."
    )
    rare: Annotated[float, Field(ge=0, le=0.2)] = Field(
        0.04, description="Share of each class that is a rare subtype, with the look of the other."
    )
    distractors: bool = Field(True, description="Structures outside the nodule; see docs.")
    text: Fraction = Field(0.3, description="Share of frames with scanner text at the border.")
    flip: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0, description="Share of nodules (of flip_side) whose training label is flipped."
    )
    flip_side: Literal["both", "benign", "malignant"] = Field(
        "both", description="Which true class may be flipped."
    )
    task: Literal["diagnosis", "source"] = Field(
        "diagnosis",
        description="source: the label is whether the nodule holds fluid, and the class features "
        "say nothing; a task to pre-train on.",
    )


class Crop(Part):
    """What part of each image a network sees."""

    to: Literal["frame", "box", "roi", "tissue"] = Field(
        "frame",
        description="Whole frame, the nodule's box, the tissue region of the roi columns (where "
        "they are empty, that of a DICOM ultrasound file), or the tissue region found in each "
        "image (see `abl data tissue`).",
    )
    threshold: Literal["global", "local"] = Field(
        "global",
        description="How tissue is told from its background: global, brighter than a share of the "
        "frame's bright level; local, than a share of the mean around it (adaptive, as published).",
    )
    margin: Annotated[float, Field(ge=0, le=4)] = Field(
        0.0, description="Added on each side, as a share of the longer side of the box."
    )
    square: bool = Field(True, description="Widen the shorter side so that nothing is stretched.")


def only_one_of(block: Part, *sources: str) -> None:
    """Raises ValueError unless exactly one of these keys of a block is given."""
    given = [name for name in sources if getattr(block, name) not in (None, ())]
    if len(given) != 1:
        found = f" (given: {', '.join(given)})" if given else ""
        raise ValueError(f"give exactly one of {', '.join(sources)}{found}")


def mask_values_listed(given: Any) -> Any:
    """`mask_value` as a tuple of whole numbers, colours in small letters and `transparent`.

    Raises:
        ValueError: Something else; what YAML took for a comment.
    """
    if given is None:
        raise ValueError("is empty; a colour stands in quotes: '#ff0000'")
    found: list[int | str] = []
    for each in given if isinstance(given, list | tuple) else (given,):
        word = str(each).strip().lower()
        if word.removesuffix(".0").isdecimal():
            found.append(int(word.removesuffix(".0")))
        elif word == "transparent" or COLOUR.fullmatch(word):
            found.append(word)
        else:
            raise ValueError(f"'{each}' is no whole number, colour ('#ff0000') or transparent")
    return tuple(found)


def masks_told_once(
    values: tuple[int | str, ...], cut: float | None, inverted: bool | None
) -> None:
    """Raises ValueError where values of the nodule are given beside how to find them."""
    others = {"mask_cut": cut, "mask_inverted": inverted}
    given = [name for name, value in others.items() if value is not None]
    if values and given:
        raise ValueError(f"mask_value says which values are nodule: leave {given[0]} out")


class Data(Part):
    """Where images, labels and patients come from: exactly one of phantom, manifest, set."""

    phantom: Phantom | None = Field(None, description="Generated ultrasound images.")
    manifest: str | None = Field(
        None, description="CSV or Parquet file, or a folder with a folder for each class."
    )
    set: str | None = Field(
        None,
        description="A set by name: NAME/manifest.csv below a folder given by --data.",
    )
    images: str | None = Field(
        None,
        description="Folder that the manifest's paths are relative to, below the sweep's folder or "
        "one given by --data; default: the manifest's own.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Where a manifest names a column differently: {label: diagnosis, ...}.",
    )
    classes: tuple[str, ...] = Field(
        ("benign", "malignant"), description="Names of the classes 0, 1, ..."
    )
    box_format: BoxFormatName = Field(
        "pixels",
        description="What box_x0, box_y0, box_x1, box_y1 (and roi_...) hold: pixels, ends "
        "exclusive; inclusive: ends inside the box; one_based: so, counted from 1 (Pascal VOC); "
        "xywh: corner and size (COCO); cxcywh: centre and size; shares and shares_xywh: these as "
        "shares of the image; yolo: centre and size as shares.",
    )
    bits: Annotated[int, Field(ge=0, le=16)] = Field(
        0,
        description="How many bits files of 16 bits use, where they do not say it themselves: 12 "
        "reads 4095 as white. 0: what the file says, else all 16.",
    )
    where: dict[str, list[str]] = Field(
        default_factory=dict, description="Keep only rows with one of these values in a column."
    )
    without: dict[str, list[str]] = Field(
        default_factory=dict,
        description="Leave out rows with one of these values in a column, counted under the table.",
    )
    drop_missing: tuple[Literal["box", "roi", "mask", "image2"], ...] = Field(
        (), description="Leave out rows without these, counted under the table, not refused."
    )
    modality: Literal["first", "second", "both", "mixed"] = Field(
        "first",
        description="Of rows with two images (image2, the phantom's elasticity): the image, the "
        "second one, both as a pair, or both as separate samples of one set.",
    )
    pairing: Literal["own", "first", "shuffled"] = Field(
        "own",
        description="With modality both, what is second in a pair: the image's own second one; the "
        "first again, or that of another patient of the same class (controls).",
    )
    unit: Literal["image", "nodule", "patient"] = Field(
        "image", description="What is scored: each image, or the mean over a nodule or a patient."
    )
    patient_label: Literal["refuse", "highest", "majority"] = Field(
        "refuse",
        description="Class of a scored patient (or nodule) with images of several: the highest of "
        "them, that of most images (a tie goes to the higher), or such a set is refused.",
    )
    patient_names: Literal["written", "alike"] = Field(
        "written",
        description="alike: patients whose names differ only in leading zeros, upper case, '.0', "
        "blanks or the form of letters are one person; else such names are told and kept apart.",
    )
    duplicates: Literal["refuse", "report", "ignore"] = Field(
        "refuse", description="Near-duplicate images on two sides of a split."
    )
    longest_side: Annotated[int, Field(ge=16, le=8192)] = Field(
        1024, description="Larger images are reduced to this many pixels when decoded."
    )
    mask_value: MaskValue = Field(
        (),
        description="Of label maps, which values are nodule: one or a list of grey values, indices "
        "into the palette, colours ('#ff0000') or transparent. Masks of two values need none.",
    )
    mask_cut: MaskCut = Field(
        None,
        description="Share of the range above which a soft mask (shades, JPEG) is nodule; default: "
        "half, and files of a few flat values are asked about.",
    )
    mask_inverted: bool | None = Field(
        None,
        description="Whether black (0, transparent) is the nodule; default: masks whose nodule "
        "covers the border or most of the image are asked about.",
    )

    @field_validator("mask_value", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        return mask_values_listed(given)

    @model_validator(mode="after")
    def _fits_together(self) -> Data:
        if len(self.classes) < 2 or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes: two or more different names, not {list(self.classes)}")
        if wrong := [name for name in self.classes if not name.strip() or not name.isprintable()]:
            raise ValueError(f"classes: {wrong[0]!a} is no name: write letters or digits")
        if self.phantom is not None and len(self.classes) != 2:
            raise ValueError(f"classes: the phantom has two, not {len(self.classes)}")
        if 0 < self.bits <= 8:
            raise ValueError(f"bits: {self.bits} fit into 8 bits; write 9 to 16, or leave it out")
        if self.phantom is not None and (self.bits or self.box_format != "pixels"):
            raise ValueError("box_format, bits: of manifests; the phantom has pixels of 8 bits")
        if self.pairing != "own" and self.modality != "both":
            raise ValueError(
                f"pairing: {self.pairing} needs modality: both (given: modality: {self.modality})"
            )
        masks_told_once(self.mask_value, self.mask_cut, self.mask_inverted)
        only_one_of(self, "phantom", "manifest", "set")
        if self.images is not None and self.manifest is None:
            raise ValueError("images: only beside manifest")
        return self


class Image(Part):
    """How an image enters a network."""

    size: Annotated[int, Field(ge=8, le=2048)] = Field(
        64, description="Side in pixels; with fit: own the longest side, at most."
    )
    fit: Literal["square", "own"] = Field(
        "square",
        description="own: images keep their aspect ratio and, up to size, their own size; for "
        "networks that take any shape (spatial pyramid pooling).",
    )
    multiple: Annotated[int, Field(ge=1, le=512)] = Field(
        16,
        description="fit own: sides are rounded to a multiple of this, so that images of about one "
        "shape share a batch.",
    )
    channels: Literal[1, 3] = Field(3, description="Grey images are repeated to three channels.")
    normalize: Literal["imagenet", "half", "none"] = Field(
        "imagenet", description="Mean and sd of ImageNet, 0.5 and 0.5, or values left in [0, 1]."
    )
    crop: Crop = Field(Crop(), description="What part of the image is used.")

    @model_validator(mode="after")
    def _room_for_a_multiple(self) -> Image:
        if self.fit == "own" and self.size < self.multiple:
            raise ValueError(
                f"fit: own needs a size of at least one multiple ({self.multiple}), not {self.size}"
            )
        return self
