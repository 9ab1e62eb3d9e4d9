"""Where the tissue of an ultrasound image lies, and how many millimetres a pixel is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from abl.data.medical.dicom_display import group_item
from abl.data.medical.dicom_format import PixelFormat
from abl.data.medical.elements import integer, items, numbers
from abl.data.medical.kinds import MedicalFileError

TISSUE = 1  # RegionDataType
CENTIMETRES = 3  # PhysicalUnitsXDirection
EDGES = ("RegionLocationMinX0", "RegionLocationMinY0", "RegionLocationMaxX1", "RegionLocationMaxY1")
UNITS = ("PhysicalUnitsXDirection", "PhysicalUnitsYDirection")
DELTAS = ("PhysicalDeltaX", "PhysicalDeltaY")
SAME = 1e-3  # relative difference of spacings that are taken as one


@dataclass(frozen=True)
class Geometry:
    """What a DICOM header says of places and sizes.

    Attributes:
        region: x0, y0 (inclusive), x1, y1 (exclusive) around the tissue, or None.
        regions: Number of tissue regions that it is the union of.
        spacing: Millimetres from one pixel to the next, along x and along y, or None.
        spacing_of: What says so: ultrasound region, PixelSpacing, ImagerPixelSpacing.
        fault: Why neither is taken from the regions, "" if there is no reason.
    """

    region: tuple[int, int, int, int] | None = None
    regions: int = 0
    spacing: tuple[float, float] | None = None
    spacing_of: str = ""
    fault: str = ""


def geometry_of(header: Any, stored: PixelFormat, frame: int) -> Geometry:
    """Regions (PS3.3 C.8.5.5) and spacing of a frame (counted from 1).

    Regions of tissue that are measured in centimetres count. One past the right or lower edge is
    clipped, as some scanners count so; one that lies further out says nothing that can be
    trusted, neither place nor spacing. It never raises: a header that says nonsense says nothing.
    """
    try:
        tissue = [item for item in items(header, "SequenceOfUltrasoundRegions") if _is_tissue(item)]
        if tissue:
            return _of_regions(tissue, stored)
    except MedicalFileError:
        return Geometry(fault="ultrasound regions that cannot be read")
    for keyword, source in (
        ("PixelSpacing", group_item(header, "PixelMeasuresSequence", frame)),
        ("PixelSpacing", header),
        ("ImagerPixelSpacing", header),
    ):
        try:
            found = numbers(source, keyword)
        except MedicalFileError:
            continue
        if len(found) == 2 and min(found) > 0:
            return Geometry(spacing=(found[1], found[0]), spacing_of=keyword)  # rows come first
    return Geometry()


def _is_tissue(item: Any) -> bool:
    return integer(item, "RegionDataType") == TISSUE and all(
        integer(item, unit) == CENTIMETRES for unit in UNITS
    )


def _of_regions(tissue: list[Any], stored: PixelFormat) -> Geometry:
    boxes = []
    for item in tissue:
        edges = [integer(item, edge) for edge in EDGES]
        if None in edges:
            return Geometry(regions=len(tissue), fault="ultrasound regions without an edge")
        x0, y0, x1, y1 = (int(edge or 0) for edge in edges)
        if not (0 <= x0 <= x1 <= stored.width and 0 <= y0 <= y1 <= stored.height) or (
            x0 >= stored.width or y0 >= stored.height
        ):
            return Geometry(
                regions=len(tissue),
                fault=f"an ultrasound region outside its image of {stored.width} x {stored.height}",
            )
        # both ends are pixels of the region
        boxes.append((x0, y0, min(x1 + 1, stored.width), min(y1 + 1, stored.height)))
    lows, highs = [box[:2] for box in boxes], [box[2:] for box in boxes]
    region = (*map(min, zip(*lows, strict=True)), *map(max, zip(*highs, strict=True)))
    spacing = _spacing(tissue)
    return Geometry(
        region=region,  # type: ignore[arg-type]
        regions=len(tissue),
        spacing=spacing,
        spacing_of="ultrasound region" if spacing else "",
    )


def _spacing(tissue: list[Any]) -> tuple[float, float] | None:
    """In mm, if all regions agree."""
    found = []
    for item in tissue:
        values = [abs(number) * 10 for delta in DELTAS for number in numbers(item, delta)[:1]]
        if len(values) < 2 or min(values) <= 0:
            return None
        found.append(values)
    first = found[0]
    same = all(
        abs(value - other) <= SAME * other
        for each in found
        for value, other in zip(each, first, strict=True)
    )
    return (first[0], first[1]) if same else None
