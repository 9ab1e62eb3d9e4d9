"""From stored grey values to 0 .. 255 as a screen shows them (PS3.3 C.11.1, C.11.2, C.11.6).

Padding is set aside, values are rescaled (modality), then windowed (VOI), then inverted once if
white is low. A file's first VOI table counts, without one its first window, without either the
whole range that its bits can have. Objects with functional groups (PS3.3 C.7.6.16) keep rescaling
and window there, by frame or shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from abl.data.medical.dicom_format import BIG_ENDIAN, PixelFormat
from abl.data.medical.elements import element, items, named, numbers, word
from abl.data.medical.kinds import MedicalFileError
from abl.data.medical.lookup import WORD, LookupTable, lookup_table

WINDOWS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")


@dataclass(frozen=True, eq=False)
class Display:
    """How grey values are shown.

    Attributes:
        modality: Rescales stored values.
        voi: Rescaled values to shares, 0 to 1.
        padding: Lowest and highest stored value that is no image, or None.
        inverted: White is low.
        words: What `voi` is, for people: `window 1 of 2`. Numbers and kinds alone.
    """

    modality: Callable[[np.ndarray], np.ndarray]
    voi: Callable[[np.ndarray], np.ndarray]
    padding: tuple[int, int] | None
    inverted: bool
    words: str

    def shown(self, stored: np.ndarray) -> np.ndarray:
        """uint8 of the shape of the stored values; padding is black, inverted or not."""
        share = np.clip(self.voi(self.modality(stored)), 0, 1)
        if self.inverted:
            share = 1 - share
        picture = np.floor(share * 255 + 0.5).astype(np.uint8)
        if self.padding is not None:
            low, high = self.padding
            picture[(stored >= low) & (stored <= high)] = 0
        return picture


def display_of(header: Any, stored: PixelFormat, frame: int) -> Display:
    """How a frame (counted from 1) of a grey file is shown.

    Args:
        header: A pydicom Dataset.

    Raises:
        MedicalFileError: An element that says it is lacking or contradicts others.
    """
    if items(header, "PresentationLUTSequence"):
        raise MedicalFileError(f"has a {named('PresentationLUTSequence')}, which is not applied")
    if word(header, "PixelPresentation") == "MIXED":
        raise MedicalFileError(
            "has a supplemental palette (PixelPresentation MIXED); save it as RGB"
        )
    little = stored.syntax != BIG_ENDIAN
    rescaling = group_item(header, "PixelValueTransformationSequence", frame)
    windowing = group_item(header, "FrameVOILUTSequence", frame)
    modality, ends = _modality(header, rescaling, stored, little)
    voi, words = _voi(windowing, ends, stored, little)
    white_is_low = word(header, "PhotometricInterpretation") == "MONOCHROME1"
    inverse = word(header, "PresentationLUTShape") == "INVERSE"
    return Display(modality, voi, _padding(header, stored), white_is_low or inverse, words)


def group_item(header: Any, sequence: str, frame: int) -> Any:
    """The item of a functional group: the frame's, else the shared one, else the header itself.

    Raises:
        MedicalFileError: There is no group of this frame.
    """
    by_frame = items(header, "PerFrameFunctionalGroupsSequence")
    if by_frame and frame > len(by_frame):
        raise MedicalFileError(
            f"has a {named('PerFrameFunctionalGroupsSequence')} without frame {frame}"
        )
    shared = items(header, "SharedFunctionalGroupsSequence")
    for group in (by_frame[frame - 1] if by_frame else None, shared[0] if shared else None):
        found = items(group, sequence) if group is not None else []
        if found:
            return found[0]
    return header


def _modality(
    header: Any, rescaling: Any, stored: PixelFormat, little: bool
) -> tuple[Callable[[np.ndarray], np.ndarray], tuple[float, float]]:
    """What rescales, and the least and greatest value that can come of it."""
    tables = items(header, "ModalityLUTSequence")
    if tables:
        table = lookup_table(
            tables[0], "LUTDescriptor", "LUTData", signed=stored.signed, little_endian=little
        )
        return table, (0.0, float(table.top))
    slope, intercept = numbers(rescaling, "RescaleSlope"), numbers(rescaling, "RescaleIntercept")
    factor, term = (slope or [1.0])[0], (intercept or [0.0])[0]
    if factor == 0:
        raise MedicalFileError(f"has a {named('RescaleSlope')} of 0, which makes every pixel equal")
    ends = sorted(factor * limit + term for limit in stored.limits)
    return lambda values: values * factor + term, (ends[0], ends[1])


def _voi(
    windowing: Any, ends: tuple[float, float], stored: PixelFormat, little: bool
) -> tuple[Callable[[np.ndarray], np.ndarray], str]:
    tables = items(windowing, "VOILUTSequence")
    if tables:
        table = lookup_table(
            tables[0], "LUTDescriptor", "LUTData", signed=ends[0] < 0, little_endian=little
        )
        return lambda values: table(values) / table.top, f"VOI table 1 of {len(tables)}"
    centres, widths = numbers(windowing, "WindowCenter"), numbers(windowing, "WindowWidth")
    if not centres and not widths:
        low, high = ends
        words = f"no window, the range of {stored.bits} bits"
        return lambda values: (values - low) / max(high - low, 1e-12), words
    if len(centres) != len(widths):
        raise MedicalFileError(f"has not as many {named('WindowCenter')} as {named('WindowWidth')}")
    function = word(windowing, "VOILUTFunction") or "LINEAR"
    if function not in WINDOWS:
        raise MedicalFileError(
            f"has a {named('VOILUTFunction')} that is none of {', '.join(WINDOWS)}"
        )
    words = f"window 1 of {len(centres)}"
    return _window(function, centres[0], widths[0]), words


def _window(function: str, centre: float, width: float) -> Callable[[np.ndarray], np.ndarray]:
    """PS3.3 C.11.2.1.2 (linear) and C.11.2.1.3 (others), to shares."""
    if width < 1 if function == "LINEAR" else width <= 0:
        raise MedicalFileError(
            f"has a {named('WindowWidth')} below {1 if function == 'LINEAR' else 'or at 0'}"
        )
    if function == "SIGMOID":
        return lambda values: 1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700)))
    if function == "LINEAR_EXACT":
        return lambda values: (values - centre) / width + 0.5
    if width == 1:  # a step
        return lambda values: (values > centre - 0.5).astype(np.float64)
    return lambda values: (values - (centre - 0.5)) / (width - 1) + 0.5


def _padding(header: Any, stored: PixelFormat) -> tuple[int, int] | None:
    """Stored values that are no image (PS3.3 C.7.5.1.1.2), their ends included."""
    found = [
        _as_stored(value, stored)
        for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit")
        for value in numbers(header, keyword)[:1]
    ]
    return (min(found), max(found)) if found else None


def _as_stored(value: float, stored: PixelFormat) -> int:
    # "US or SS": implicit VR does not say which, and some writers take the wrong one
    whole = int(value) % WORD
    return whole - WORD if stored.signed and whole >= WORD // 2 else whole


def palette_of(header: Any, stored: PixelFormat) -> tuple[LookupTable, LookupTable, LookupTable]:
    """Red, green and blue of a palette file. Raises MedicalFileError."""
    little = stored.syntax != BIG_ENDIAN
    colours = ("Red", "Green", "Blue")
    if element(header, "SegmentedRedPaletteColorLookupTableData") is not None:
        raise MedicalFileError("has a segmented palette, which is not read; save it as RGB")
    red, green, blue = (
        lookup_table(
            header,
            f"{colour}PaletteColorLookupTableDescriptor",
            f"{colour}PaletteColorLookupTableData",
            signed=stored.signed,
            little_endian=little,
        )
        for colour in colours
    )
    return red, green, blue
