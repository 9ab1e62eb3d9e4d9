"""`abl data tissue`: the tissue region of each image of a data set, and what it keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.arrays import image_array, tissue_boxes
from abl.data.checks.image_checks import check_images
from abl.data.crops import areas_of, nothing_found
from abl.data.dataset import BOX, ROI, Dataset, ImageSource
from abl.data.files_of_set import files_in_set
from abl.data.manifest import load_manifest
from abl.data.masks.masks_read import has_mask, masks_read
from abl.data.masks.rule import AS_THEY_ARE, MaskRule
from abl.data.masks.source import mask_source
from abl.data.tables.folder_rows import folder_rows
from abl.data.tables.rows import CLASSES_OPTION, class_name_problems, read_rows, with_our_names
from abl.data.tissue.tissue_files import write_cut
from abl.data.tissue.tissue_regions import tissue_region
from abl.data.tissue.tissue_sheet import write_sheet
from abl.data.workers import mapped_over
from abl.errors import Problem, raise_if_any
from abl.outputs import refuse_folder, refuse_outputs, sheet_output

CHUNK = 32  # images a job
WORTH = 100  # images worth the start of a process
NAMED = 5  # images named in a line of the report


@dataclass(frozen=True)
class TissueFound:
    """The regions of a data set's images.

    Attributes:
        regions: int64 (N, 4): x0, y0, x1, y1 (exclusive), in pixels of the images.
        sizes: int64 (N, 2): height, width of the images.
        masks_kept: float64 (N,): share of the mask's pixels within the region; nan without a mask,
            or with one that is black.
        boxes_kept: float64 (N,): share of the box's area; nan without a box.
    """

    regions: np.ndarray
    sizes: np.ndarray
    masks_kept: np.ndarray
    boxes_kept: np.ndarray

    @property
    def nodules_kept(self) -> np.ndarray:
        """float64 (N,): by the mask where there is one, else by the box."""
        return np.where(np.isnan(self.masks_kept), self.boxes_kept, self.masks_kept)

    @property
    def areas(self) -> np.ndarray:
        """float64 (N,): share of the image that is kept."""
        return areas_of(self.regions) / self.sizes.prod(axis=1)

    def worst(self) -> np.ndarray:
        """Rows from the worst: least of the nodule kept, then a region far from the usual size."""
        lost = 1 - np.nan_to_num(self.nodules_kept, nan=1.0)
        unusual = np.abs(self.areas - np.median(self.areas))
        return np.lexsort([-unusual, -lost])


def tissue_report(
    manifest: Path,
    classes: tuple[str, ...],
    *,
    sheet: Path | None = None,
    out: Path | None = None,
    rule: MaskRule = AS_THEY_ARE,
    local: bool = False,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
) -> str:
    """What the tissue crop keeps of a data set, in lines; draws a sheet and writes the cut set.

    Args:
        manifest: CSV, Parquet, or a folder with a folder for each class.
        sheet: A PNG file to draw the worst cases to.
        out: A new folder for the images cut to their regions.
        rule: How masks are read.
        local: See `tissue_region`.
        columns: Our name -> the manifest's; the set that is cut has ours.
        force: Whether a sheet is written over what is there; never over what is read.

    Raises:
        InputError: Faults of the data set, or images in which nothing is found: all of them; a
            sheet or folder that cannot be written. Nothing is written then.
    """
    raise_if_any([Problem(each) for each in class_name_problems(classes)])
    if out is not None:
        refuse_folder(out, f"--out {out}")
    sheets = [] if sheet is None else [sheet_output(sheet)]
    refuse_outputs(sheets, [manifest], force=True)  # their names, before images are read
    dataset = load_manifest(manifest, classes=classes, named_by=CLASSES_OPTION, columns=columns)
    refuse_outputs(sheets, files_in_set(dataset, manifest), force=force)
    dataset = replace(dataset, mask_rule=rule)
    raise_if_any(check_images(dataset))
    found = found_tissue(dataset, local=local)
    lines = _summary(dataset, found)
    if out is not None:
        is_folder = manifest.is_dir()
        rows = folder_rows(manifest, classes)[0] if is_folder else read_rows(manifest)
        folder = manifest if is_folder else manifest.parent
        write_cut(with_our_names(rows, columns or {}), folder, dataset, found.regions, out)
        lines.append(f"cut images written to {out}")
    if sheet is not None:
        said = [_said(found, row) for row in range(len(dataset))]
        drawn = write_sheet(sheet, dataset, found.regions, found.worst(), said)
        lines.append(f"the {drawn} worst drawn to {sheet}")
    return f"{manifest}: " + "\n".join(lines) + "\n"


def found_tissue(dataset: Dataset, *, local: bool = False) -> TissueFound:
    """The regions of all images, decoded once, and what they keep of masks and boxes.

    Raises:
        InputError: Images in which nothing is found, each named.
        StageError: A process died.
    """
    frame, rows = dataset.frame, np.flatnonzero(has_mask(dataset))
    masks, places = None, {}
    if len(rows):
        readings = masks_read(dataset)
        masks = mask_source(dataset, rows, readings.marks, readings.grounds)
        places = {int(row): at for at, row in enumerate(rows)}
    find = partial(_found_in_chunk, dataset.source, masks, places, local)
    chunks = mapped_over(len(dataset), CHUNK, find, worth=WORTH)
    parts = [each for part in chunks for each in part]
    regions = np.array([region for region, _, _ in parts], dtype=np.int64).reshape(-1, 4)
    raise_if_any(nothing_found(frame["image"], regions))
    return TissueFound(
        regions,
        np.array([size for _, size, _ in parts], dtype=np.int64).reshape(-1, 2),
        np.array([kept for _, _, kept in parts], dtype=np.float64),
        shares_of_boxes(frame, regions),
    )


def shares_of_boxes(frame: pd.DataFrame, regions: np.ndarray) -> np.ndarray:
    """float64 (N,): share of each nodule's box inside its region; nan where there is no box."""
    if not set(BOX) <= set(frame.columns):
        return np.full(len(frame), np.nan)
    boxes = frame[list(BOX)].to_numpy(dtype=np.float64)
    return areas_of(_common(boxes, regions)) / areas_of(boxes)


def overlaps(frame: pd.DataFrame, regions: np.ndarray) -> np.ndarray:
    """float64 (N,): intersection over union with the roi columns; nan where there is none."""
    given = frame[list(ROI)].to_numpy(dtype=np.float64)
    common = areas_of(_common(given, regions))
    return common / (areas_of(given) + areas_of(regions) - common)


def _common(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    low = np.maximum(first[:, :2], second[:, :2])
    return np.concatenate([low, np.maximum(np.minimum(first[:, 2:], second[:, 2:]), low)], axis=1)


def _found_in_chunk(
    source: ImageSource,
    masks: ImageSource | None,
    places: Mapping[int, int],
    local: bool,
    positions: range,
) -> list[tuple[tuple[int, int, int, int], tuple[int, int], float]]:
    """Region, (height, width), and share of the mask kept, of each image."""
    found = []
    for position in positions:
        image = source.decode(position)
        region = tissue_region(image, local=local) or (0, 0, 0, 0)
        kept = np.nan
        if masks is not None and position in places:
            mask = masks.decode(places[position])
            pixels, (x0, y0, x1, y1) = np.count_nonzero(mask), region
            kept = np.count_nonzero(mask[y0:y1, x0:x1]) / pixels if pixels else np.nan
        found.append((region, (image.shape[0], image.shape[1]), kept))
    return found


def _summary(dataset: Dataset, found: TissueFound) -> list[str]:
    frame, areas = dataset.frame, found.areas
    lines = [f"{len(frame)} images, tissue is found in each", f"  area kept: {_spread(areas)}"]
    for what, kept in (("masks", found.masks_kept), ("boxes", found.boxes_kept)):
        known = int((~np.isnan(kept)).sum())
        if known:
            lines.append(f"  {what} kept whole: {int((kept == 1).sum())} of {known}")
    lost = [row for row in found.worst() if found.nodules_kept[row] < 1]
    lines += [
        f"    {frame['image'].iloc[row]}: {_share_of_nodule(found, row)}" for row in lost[:NAMED]
    ]
    if len(lost) > NAMED:
        lines.append(f"    and {len(lost) - NAMED} more")
    if set(ROI) <= set(frame.columns):
        agreement = overlaps(frame, found.regions)
        agreement = agreement[~np.isnan(agreement)]
        if len(agreement):
            lines.append(f"  overlap (IoU) with the given roi: {_spread(agreement)}")
    order = np.argsort(areas, kind="stable")
    for what, rows in (("smallest", order[:NAMED]), ("largest", order[::-1][:NAMED])):
        named = ", ".join(f"{frame['image'].iloc[row]} ({100 * areas[row]:.0f} %)" for row in rows)
        lines.append(f"  {what} regions: {named}")
    return lines


def _said(found: TissueFound, row: int) -> str:
    """What is wrong with a region, or how unusual it is, in few words."""
    if found.nodules_kept[row] < 1:
        return f"keeps {_share_of_nodule(found, row)}"
    share, usual = 100 * found.areas[row], 100 * np.median(found.areas)
    return f"keeps {share:.0f} % of the image (median {usual:.0f} %)"


def _share_of_nodule(found: TissueFound, row: int) -> str:
    what = "box" if np.isnan(found.masks_kept[row]) else "mask"
    share = np.floor(1000 * found.nodules_kept[row]) / 10  # never 100 % of what is not whole
    return f"{share:.1f} % of its {what}"


def _spread(shares: np.ndarray) -> str:
    low, middle, high = (100 * np.quantile(shares, at) for at in (0, 0.5, 1))
    return f"median {middle:.0f} %, from {low:.0f} to {high:.0f} %"


def cut_nodules_note(dataset: Dataset, cache: Path, longest_side: int, *, local: bool) -> str:
    """A sentence that counts and names boxes that stick out of their tissue; "" if none does."""
    array = image_array(dataset, cache, longest_side=longest_side)
    kept = shares_of_boxes(array.frame, tissue_boxes(array, local=local))
    # a pixel's worth is rounding
    rows = np.flatnonzero(kept < 0.995)
    if not len(rows):
        return ""
    worst = rows[np.argsort(kept[rows], kind="stable")][:NAMED]
    named = ", ".join(
        f"{dataset.frame['image'].iloc[row]} ({100 * kept[row]:.0f} %)" for row in worst
    )
    more = f" and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    boxes = "box is" if len(rows) == 1 else "boxes are"
    counted = f"{len(rows)} of {len(kept)} {boxes} cut"
    return f"crop to tissue: {counted}; share that is kept: {named}{more}."
