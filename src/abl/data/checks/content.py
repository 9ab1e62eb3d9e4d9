"""What the images of a data set are like: sizes, grey levels, brightness, files.

Measured on decoded images, once, and kept beside them.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from abl.data.arrays import ImageArray
from abl.data.bit_depth import is_sixteen_bits, largest_value
from abl.data.cache_folders import folder_key, folder_once
from abl.data.crops import areas_of
from abl.data.dataset import BOX, PAIR, Dataset, ImageSource, SomeImages
from abl.data.image_decoding import KINDS
from abl.data.images import FileSource
from abl.data.medical.kinds import HEAD, addressed_file, medical_kind
from abl.data.pixels import RaggedImages
from abl.data.workers import mapped_over

LOOKS = ("low", "high", "mean", "sd", "levels", "border", "text", "colour")
VERSION = 1
CHUNK, WORTH = 64, 400  # images a job; images worth the start of a process
BORDER = 1 / 16  # of the longer side: where frames and text are
BRIGHT = 160  # grey level of text
FAINT, SIXTEENTH = 16, 4096  # of 255 and of 65536: where a sixteenth of the range ends
_FILE = "looks.npy"


def looks_of(array: ImageArray) -> pd.DataFrame:
    """LOOKS of each image, float64: least, largest, mean grey level and its standard deviation,
    number of distinct ones, mean at the border, share of bright pixels there, mean difference of
    channels. Found once, and kept beside the array's folder.
    """
    key = folder_key("looks", VERSION, array.folder.name)
    write = partial(_write_looks, array.folder)
    folder = folder_once(array.folder.parent, f"looks-{key}", write)
    return pd.DataFrame(np.load(folder / _FILE), columns=list(LOOKS))


def _write_looks(images: Path, folder: Path) -> None:
    count, measure = len(RaggedImages(images)), partial(_looks_of_chunk, images)
    parts = list(mapped_over(count, CHUNK, measure, worth=WORTH))
    np.save(folder / _FILE, np.concatenate([np.empty((0, len(LOOKS))), *parts]))


def _looks_of_chunk(images: Path, positions: range) -> np.ndarray:
    source = RaggedImages(images)
    return np.array([_looks(source.image(position)) for position in positions])


def _looks(image: np.ndarray) -> tuple[float, ...]:
    """Of uint8 (H, W, C)."""
    colour = 0.0
    if image.shape[2] == 3:
        picture = Image.fromarray(np.ascontiguousarray(image))
        grey = np.asarray(picture.convert("L"))
        spread = image.max(axis=2).astype(np.int16) - image.min(axis=2)
        colour = float(spread.mean())
    else:
        grey = image[..., 0]
    histogram = np.bincount(grey.ravel(), minlength=256)
    levels = np.flatnonzero(histogram)
    share = histogram / grey.size
    mean = float(share @ np.arange(256))
    sd = float(np.sqrt(share @ (np.arange(256) - mean) ** 2))
    wide = max(1, round(BORDER * max(grey.shape)))
    inner = grey[wide:-wide, wide:-wide]
    outer = histogram - np.bincount(inner.ravel(), minlength=256)
    edge = max(1, int(outer.sum()))
    border = float(outer @ np.arange(256)) / edge
    text = float(outer[BRIGHT:].sum()) / edge
    return float(levels[0]), float(levels[-1]), mean, sd, float(len(levels)), border, text, colour


def file_of(source: ImageSource, position: int) -> Path | None:
    """The file of an image; None of one that is drawn."""
    while isinstance(source, SomeImages):
        position = source.positions[position]
        source = source.source
    if not isinstance(source, FileSource):
        return None
    return addressed_file(source.folder, source.paths[position])[0]


def files_of(dataset: Dataset) -> pd.DataFrame:
    """bytes (float64), format, is_deep (more than 8 bits) of each image's file; empty if there are
    none.
    """
    rows = []
    for position in range(len(dataset)):
        path = file_of(dataset.source, position)
        if path is None:
            return pd.DataFrame()
        with path.open("rb") as file:
            head = file.read(HEAD)
        known = head[:8] == b"\x89PNG\r\n\x1a\n" or head[:2] == b"\xff\xd8"
        kind = medical_kind(head, path.name)  # these say how many bits they use
        deep = not kind and is_sixteen_bits(head if known else path.read_bytes())
        size = float(os.path.getsize(path))  # noqa: PTH202
        rows.append((size, kind or _format(path, head), deep))
    return pd.DataFrame(rows, columns=["bytes", "format", "is_deep"])


def _format(path: Path, head: bytes) -> str:
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if head[:2] == b"\xff\xd8":
        return "JPEG"
    try:
        with Image.open(path, formats=KINDS) as image:
            return str(image.format)
    except OSError:
        return path.suffix.lower().removeprefix(".")


def faint_words(dataset: Dataset, files: pd.DataFrame, looks: pd.DataFrame) -> str:
    """A sentence on files of 16 bits whose largest value of all is under a sixteenth of the range;
    "" if it is not.
    """
    if not len(files):
        return ""
    deep = files["is_deep"].to_numpy(bool)
    # reducing an image overshoots at edges
    if not deep.any() or looks["high"].to_numpy()[deep].max() > 2 * FAINT:
        return ""
    rows = np.flatnonzero(deep)
    most = 0
    for row in rows[np.argsort(-looks["high"].to_numpy()[rows], kind="stable")]:
        path = file_of(dataset.source, int(row))
        most = max(most, 0 if path is None else largest_value(path.read_bytes()))
        if most >= SIXTEENTH:
            return ""
    return (
        f"{len(rows)} files of 16 bits use less than a sixteenth of their range, with values up to "
        f"{most}: nearly black as they are read; write data: {{bits: {max(9, most.bit_length())}}}"
    )


def shares_of_areas(dataset: Dataset, heights: np.ndarray, widths: np.ndarray) -> pd.DataFrame:
    """Share of its image that a nodule fills, by column: box area; nan where it is not known."""
    found = pd.DataFrame(index=range(len(dataset)))
    if set(BOX) <= set(dataset.frame.columns) and PAIR not in dataset.frame:
        boxes = dataset.frame[list(BOX)].to_numpy(dtype=np.float64)
        found["box area"] = areas_of(boxes) / (heights * widths)
    return found


def facts_for_shortcuts(
    dataset: Dataset, array: ImageArray, looks: pd.DataFrame, files: pd.DataFrame
) -> dict[str, np.ndarray]:
    """What of an image should not tell its label, by name, see `shortcuts`."""
    frame = array.frame
    height, width = (frame[f"source_{side}"].to_numpy(float) for side in ("height", "width"))
    facts: dict[str, np.ndarray] = {
        "image size": height * width,
        "aspect ratio": width / height,
        "brightness": looks["mean"].to_numpy(),
        "border brightness": looks["border"].to_numpy(),
        "border text": looks["text"].to_numpy(),
        "colour": looks["colour"].to_numpy(),
        "number in the file name": file_numbers(dataset.frame["image"]),
    }
    if len(files):
        facts["file size"] = files["bytes"].to_numpy()
        facts["file format"] = files["format"].to_numpy(object)
        facts["bit depth"] = np.where(files["is_deep"], "16", "8").astype(object)
    if "centre" in dataset.frame:
        facts["centre"] = dataset.frame["centre"].fillna("").astype(str).to_numpy(object)
    return facts


def file_numbers(images: pd.Series) -> np.ndarray:
    """float64 (N,): the last number in each file's name, nan where there is none."""
    found = [re.findall(r"\d{1,12}", Path(str(name)).stem) for name in images]
    return np.array([float(each[-1]) if each else np.nan for each in found])
