"""`abl data split-frames`: composite frames as pairs of images, and a contact sheet of where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from abl.data.composites.composite_regions import Region, colour_region, twin_region
from abl.data.dataset import BOX, Dataset, ImageSource
from abl.data.files_of_set import files_in_set
from abl.data.manifest import load_manifest
from abl.data.tables.rows import CLASSES_OPTION, class_name_problems, read_rows, with_our_names
from abl.data.tissue.tissue_files import moved_boxes, png_names
from abl.data.tissue.tissue_sheet import write_sheet
from abl.data.workers import mapped_over
from abl.errors import InputError, Problem, raise_if_any
from abl.outputs import (
    folder_whole,
    refuse_folder,
    refuse_outputs,
    sheet_output,
)

CHUNK, WORTH = 16, 100  # images a job; images that take as long as the start of a process
MANIFEST = "pairs.csv"  # as the sweeps of pairs ask for
FIRST, SECOND = "conventional", "elasticity"  # folders, and columns that say where was cut
NOTHING: Region = (0, 0, 0, 0)
Offset = tuple[int, int]

README = """Composite frames split by `abl data split-frames` from {name}.

`image` is the conventional image, `image2` the elasticity image of the same place: rectangles of
one size, whose places in the frame are in the columns conventional_x0 ... y1 and elasticity_x0 ...
y1 of pairs.csv (x1, y1 exclusive). Boxes are in pixels of the conventional image, clipped to it.
"""


def split_composites(
    manifest: Path,
    classes: tuple[str, ...],
    *,
    out: Path,
    sheet: Path | None = None,
    offset: Offset | None = None,
    columns: Mapping[str, str] | None = None,
    force: bool = False,
) -> str:
    """Writes both images of every frame and a manifest of pairs; the report, in lines.

    Args:
        manifest: CSV or Parquet file of frames: image, label, ....
        out: A new folder.
        sheet: A PNG file to draw frames to: the elasticity image yellow, the other light blue.
        offset: From the elasticity image to the other, in pixels; None takes the frame's other
            half.
        columns: Our name -> the manifest's; the manifest of pairs has ours.
        force: Whether a sheet is written over what is there; never over what is read.

    Raises:
        InputError: Faults of the data set; frames in which no pair is found, or whose images would
            overlap, each named. Nothing is written then.
    """
    raise_if_any([Problem(each) for each in class_name_problems(classes)])
    refuse_folder(out, f"--out {out}")
    sheets = [] if sheet is None else [sheet_output(sheet)]
    refuse_outputs(sheets, [manifest], force=True)  # their names, before images are read
    rows = read_rows(manifest)
    known = {*map(str, rows.frame.columns), *(columns or {})}
    taken = [name for name in ("image2", "mask") if name in known]
    if taken:
        raise InputError(
            Problem(f"column {taken[0]}: frames have neither yet; leave it out", file=str(manifest))
        )
    dataset = load_manifest(manifest, classes=classes, named_by=CLASSES_OPTION, columns=columns)
    refuse_outputs(sheets, files_in_set(dataset, manifest), force=force)
    find = partial(_pairs_of_chunk, dataset.source, offset)
    parts = mapped_over(len(dataset), CHUNK, find, worth=WORTH)
    found = np.array([each for part in parts for each in part], np.int64).reshape(-1, 2, 4)
    conventional, elasticity = found[:, 0], found[:, 1]
    raise_if_any(_not_found(dataset, conventional, elasticity))
    table = with_our_names(rows, columns or {}).frame
    _write(manifest, table, dataset, conventional, elasticity, out)
    lines = [
        f"{manifest}: {len(dataset)} frames split, written to {out}",
        f"  elasticity images: {_sizes(elasticity)}",
    ]
    if sheet is not None:
        areas = (elasticity[:, 2:] - elasticity[:, :2]).prod(axis=1)
        order = np.argsort(-np.abs(areas - np.median(areas)), kind="stable")
        beside = dataset.frame.assign(**dict(zip(BOX, conventional.T.astype(float), strict=True)))
        said = [f"{e[2] - e[0]} x {e[3] - e[1]} at {e[0]}, {e[1]}" for e in elasticity.tolist()]
        drawn = write_sheet(sheet, replace(dataset, frame=beside), elasticity, order, said)
        lines.append(f"  {drawn} frames, those of unusual size first, drawn to {sheet}")
    return "\n".join(lines) + "\n"


def _pairs_of_chunk(
    source: ImageSource, offset: Offset | None, positions: range
) -> list[tuple[Region, Region]]:
    """Conventional and elasticity region of each frame; zeros for what is not found."""
    found = []
    for position in positions:
        frame = source.decode(position)
        coloured = colour_region(frame)
        height, width = frame.shape[:2]
        twin = None if coloured is None else twin_region(coloured, height, width, offset)
        found.append((twin or NOTHING, coloured or NOTHING))
    return found


def _not_found(dataset: Dataset, conventional: np.ndarray, elasticity: np.ndarray) -> list[Problem]:
    problems = []
    for at, name in enumerate(dataset.frame["image"].astype(str)):
        if not elasticity[at].any():
            text = "has no coloured image; leave its row out"
        elif not conventional[at].any():
            x0, y0, x1, y1 = elasticity[at].tolist()
            text = (
                f"has its coloured image at {x0}, {y0} to {x1}, {y1}, and no room for its twin; "
                "say where that is with --offset=ACROSS,DOWN, or leave the row out"
            )
        elif _overlap(conventional[at].tolist(), elasticity[at].tolist()):
            x0, y0, x1, y1 = elasticity[at].tolist()
            text = (
                f"has its coloured image at {x0}, {y0} to {x1}, {y1}, and its twin would overlap "
                f"it: --offset is at least {x1 - x0} across or {y1 - y0} down here"
            )
        else:
            continue
        problems.append(Problem(text, file=name))
    return problems


def _overlap(one: Sequence[int], other: Sequence[int]) -> bool:
    """Whether two rectangles (x0, y0, x1, y1; ends exclusive) share a pixel."""
    return all(max(one[at], other[at]) < min(one[at + 2], other[at + 2]) for at in (0, 1))


def _sizes(regions: np.ndarray) -> str:
    sides = regions[:, 2:] - regions[:, :2]
    low, middle, high = (np.quantile(sides, at, axis=0).round().astype(int) for at in (0, 0.5, 1))
    ends = f"from {low[0]} x {low[1]} to {high[0]} x {high[1]}"
    return f"median {middle[0]} x {middle[1]} pixels, {ends}"


def _write(
    manifest: Path,
    table: pd.DataFrame,
    dataset: Dataset,
    conventional: np.ndarray,
    elasticity: np.ndarray,
    out: Path,
) -> None:
    """Writes PNG files and pairs.csv; the folder appears when it is whole."""
    table = table.copy()
    texts = dataset.frame["image"].astype(str).tolist()
    files = png_names(texts)
    cut = {FIRST: conventional, SECOND: elasticity}
    for column, folder in (("image", FIRST), ("image2", SECOND)):
        table[column] = [f"{folder}/{files[text]}" for text in texts]
    moved = moved_boxes(dataset.frame, conventional)
    for name in map(str, moved.columns):
        table[name] = ["" if np.isnan(v) else f"{v:.10g}" for v in moved[name].to_numpy()]
    for folder, regions in cut.items():
        for name, edges in zip(("x0", "y0", "x1", "y1"), regions.T, strict=True):
            table[f"{folder}_{name}"] = edges
    with folder_whole(out, f"--out {out}") as fresh:
        names = [files[text] for text in texts]
        write = partial(_write_chunk, dataset.source, fresh, names, cut)
        for _ in mapped_over(len(texts), CHUNK, write, worth=WORTH):
            pass
        table.to_csv(fresh / MANIFEST, index=False, lineterminator="\n")
        text = README.format(name=manifest.name)
        (fresh / "README.txt").write_text(text, encoding="utf-8", newline="\n")


def _write_chunk(
    source: ImageSource,
    out: Path,
    names: list[str],
    cut: dict[str, np.ndarray],
    positions: range,
) -> None:
    for position in positions:
        frame = source.decode(position)
        for folder, regions in cut.items():
            x0, y0, x1, y1 = regions[position].tolist()
            file = out / folder / names[position]
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(frame[y0:y1, x0:x1]).save(file, format="PNG")
