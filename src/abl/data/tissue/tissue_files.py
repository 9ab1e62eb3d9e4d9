"""What `abl data tissue --out` writes: a data set cut to the tissue."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from abl.data.dataset import BOX, ROI, Dataset, ImageSource, SomeImages
from abl.data.images import decoded_file, is_image_name
from abl.data.manifest import ALIASES, PATHS
from abl.data.masks.columns import further_columns, mask_paths
from abl.data.masks.masks_read import has_mask, masks_read
from abl.data.masks.source import mask_source
from abl.data.tables.rows import Rows
from abl.data.tissue.tissue_regions import TISSUE_VERSION
from abl.data.workers import mapped_over
from abl.errors import Problem, raise_if_any
from abl.outputs import folder_whole, refuse_folder

CHUNK = 16  # images a job
WORTH = 100  # images that take as long as the start of a process

FROM_FILES = ("patient", "spacing_x", "spacing_y", "spacing_of")  # that DICOM and NIfTI may say

README = """Images cut to the tissue by `abl data tissue` (method version {version}) from {name}.

Every image is the rectangle x0, y0 (inclusive), x1, y1 (exclusive) of its source that
tissue_x0 ... tissue_y1 of manifest.csv name. Masks and second images are cut along; boxes and
regions are in pixels of the cut images, clipped to them, and empty where nothing of them is left.
"""


def write_cut(rows: Rows, folder: Path, dataset: Dataset, regions: np.ndarray, out: Path) -> None:
    """Writes images, masks and second images cut to their regions, and manifest.csv.

    Files are PNG, named as `png_names` says; masks are written as they are read, nodule 255, and
    several of a row as one. Columns of the manifest stay as they are, but for paths, boxes (see
    `moved_boxes`), and tissue_x0, ..., which say where the cut was; patient and spacing are added
    where they were known from the files alone. The folder appears when it is
    whole.

    Args:
        rows: The manifest as it was written; its paths are relative to `folder`.
        dataset: Of the same rows, in the same order.
        regions: int64 (N, 4): x0, y0, x1, y1, in pixels of the images.

    Raises:
        InputError: The folder holds something; two rows name one file, which would be cut twice.
    """
    refuse_folder(out, f"--out {out}")
    frame, masks = dataset.frame, None
    named: dict[str, list[tuple[str, ...]]] = {}
    for name in _path_columns(rows):
        # as the frame has them: with the frames of files that have several
        named[name] = [
            (text,) if text else () for text in frame[ALIASES.get(name, name)].astype(str)
        ]
    if "mask" in named:
        named["mask"] = [mask_paths(folder, text) for text in frame["mask"].astype(str)]
        has, readings = has_mask(dataset), masks_read(dataset)
        source = mask_source(dataset, np.flatnonzero(has), readings.marks, readings.grounds)
        masks = SomeImages(source, tuple((np.cumsum(has) - 1).tolist()))
    _refuse_shared(rows, named)
    # several masks of a row become one file, which is called as the first of them
    paths = {name: [next(iter(each), "") for each in texts] for name, texts in named.items()}
    files = png_names(text for texts in paths.values() for text in texts if text)
    table = rows.frame.drop(columns=further_columns(rows))
    for name, texts in paths.items():
        table[name] = [files[text] if text else "" for text in texts]
    for name in FROM_FILES:  # PNG files do not know it any more
        unknown = rows.text("image")  # what stands for patients that nobody names
        if name in frame and name not in table and frame[name].tolist() != unknown:
            table[name] = frame[name]
    moved = moved_boxes(frame, regions)
    for name in map(str, moved.columns):
        table[name] = [_number(value) for value in moved[name].to_numpy()]
    for name, edges in zip(("x0", "y0", "x1", "y1"), regions.T, strict=True):
        table[f"tissue_{name}"] = edges
    with folder_whole(out, f"--out {out}") as fresh:
        write = partial(_write_chunk, folder, fresh, paths, files, masks, regions)
        for _ in mapped_over(len(frame), CHUNK, write, worth=WORTH):
            pass
        table.to_csv(fresh / "manifest.csv", index=False, lineterminator="\n")
        text = README.format(version=TISSUE_VERSION, name=Path(rows.file).name)
        (fresh / "README.txt").write_text(text, encoding="utf-8", newline="\n")


def moved_boxes(frame: pd.DataFrame, regions: np.ndarray) -> pd.DataFrame:
    """Boxes and rois, if there are any, in pixels of images cut to regions int64 (N, 4); float64,
    nan where none is left.
    """
    moved = pd.DataFrame(index=frame.index)
    corner, size = regions[:, :2], regions[:, 2:] - regions[:, :2]
    for names in (BOX, ROI):
        if not set(names) <= set(frame.columns):
            continue
        edges = frame[list(names)].to_numpy(dtype=np.float64)
        low = np.clip(edges[:, :2] - corner, 0, size)
        high = np.clip(edges[:, 2:] - corner, 0, size)
        is_left = (high > low).all(axis=1, keepdims=True)  # nan compares as False
        moved[list(names)] = np.where(is_left, np.concatenate([low, high], axis=1), np.nan)
    return moved


def _path_columns(rows: Rows) -> list[str]:
    """Columns of the manifest, by its own names, that hold paths of images."""
    columns = ["image", *(name for name in PATHS if name in rows.frame)]
    aliases = [alias for alias, ours in ALIASES.items() if ours not in rows.frame]
    return columns + [alias for alias in aliases if alias in rows.frame]


def _refuse_shared(rows: Rows, named: Mapping[str, Sequence[tuple[str, ...]]]) -> None:
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for name, texts in named.items():
        of_rows = ((at, text) for at, row in enumerate(texts) for text in row)
        for position, text in of_rows:
            file = Path(text).as_posix()
            if file in first:
                message = (
                    f"{name} '{text}' is also named in row {rows.numbers[first[file]]}, "
                    "and would be cut in two ways; give each row a file of its own"
                )
                problems.append(rows.problem(position, message))
            first.setdefault(file, position)
    raise_if_any(problems)


def png_names(paths: Iterable[str]) -> dict[str, str]:
    """Path of an image -> that of the PNG file it is written to, below the new folder.

    x.jpg becomes x.png; if that is the name of another image, x_jpg.png. No two share a name, nor
    would where upper and lower case are one.
    """
    given = dict.fromkeys(paths)
    # PNG files keep their names, wherever they stand in the manifest
    named = {path: path for path in given if path.lower().endswith(".png")}
    taken = {_folded(path) for path in named}
    for path in given:
        if path in named:
            continue
        stem, suffix = os.path.splitext(path) if is_image_name(path) else (path, "")  # noqa: PTH122
        name, number = f"{stem}.png", 1
        while _folded(name) in taken:
            parts = [stem, suffix[1:], "" if number == 1 else str(number)]
            name = "_".join(part for part in parts if part) + ".png"
            number += 1
        taken.add(_folded(name))
        named[path] = name
    return named


def _folded(path: str) -> str:
    return Path(path).as_posix().casefold()


def _number(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.10g}"


def _write_chunk(
    folder: Path,
    out: Path,
    paths: Mapping[str, list[str]],
    files: Mapping[str, str],
    masks: ImageSource | None,
    regions: np.ndarray,
    positions: range,
) -> None:
    for position in positions:
        first: np.ndarray | None = None  # (width, height) of the image, the first of the columns
        for name, texts in paths.items():
            if not texts[position]:
                continue
            if name == "mask" and masks is not None:
                image = masks.decode(position)
            else:
                image = decoded_file(str(folder), texts[position])
            size = np.array(image.shape[1::-1])
            first = size if first is None else first
            # in pixels of an image of another size, widened to whole ones
            corners = regions[position].reshape(2, 2) * (size / first)
            x0, y0 = np.floor(corners[0] + 1e-6).astype(np.int64)
            x1, y1 = np.ceil(corners[1] - 1e-6).astype(np.int64)
            file = out / files[texts[position]]
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[y0:y1, x0:x1]).save(file, format="PNG")
