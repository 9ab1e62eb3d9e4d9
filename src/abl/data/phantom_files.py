"""A generated set as files, and a sheet of examples."""

from __future__ import annotations

import os
import shutil
import struct
import uuid
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from abl.data.phantom_draws import drawn
from abl.data.phantom_render import bmode_image, elasticity_image, mask_image
from abl.data.phantom_table import phantom_table, phantom_truth
from abl.data.workers import chunks, mapped, processes_for
from abl.errors import InputError
from abl.spec.data import Phantom

TRUTH = "truth/truth.csv"
CHUNK = 16  # images a job
WORTH = 40  # images that take as long as the start of a process
BLOCK = 65535  # bytes of a stored block of a zlib stream, at most

README = """A generated thyroid ultrasound set. No patient is behind it.

manifest.csv       one row an image; paths are relative to it; label 0 benign, 1 malignant
                   (source task: 0 solid, 1 with fluid); noisy_label is the label with some
                   flipped on purpose: for training, with `columns: {label: noisy_label}`
images/            B-mode frames, 8-bit grey
elasticity/        elasticity of the same plane, bright is stiff
masks/             the nodule is 255
truth/truth.csv    P(malignant) and the features it follows from: not for training or selection

Boxes and tissue regions: x0, y0 inclusive, x1, y1 exclusive, in pixels.

Settings:
"""


def write_phantom(settings: Phantom, out: Path, *, workers: int | None = None) -> None:
    """Writes a set: images, elasticity, masks, manifest.csv, truth/truth.csv, README.txt.

    The same settings give the same bytes. The folder appears when it is whole.

    Args:
        out: A folder that is empty or not there yet.
        workers: Processes; None is one a CPU.

    Raises:
        InputError: The folder holds something, or is a file.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"'{out.name}' is not an empty folder; give a new folder's name")
    fresh = out.absolute().parent / f".{out.name}.{uuid.uuid4().hex}"
    try:
        for folder in ("images", "elasticity", "masks", "truth"):
            (fresh / folder).mkdir(parents=True)
        table = phantom_table(settings)
        write = partial(_write_images, settings, fresh)
        names = list(zip(table["image"], table["elasticity"], table["mask"], strict=True))
        jobs = [(run, names[run.start : run.stop]) for run in chunks(len(table), CHUNK)]
        for _ in mapped(write, jobs, processes_for(workers, len(table), worth=WORTH)):
            pass
        # a manifest's data set has a train_label of its own, equal to its label
        _write_csv(table.rename(columns={"train_label": "noisy_label"}), fresh / "manifest.csv")
        _write_csv(phantom_truth(settings), fresh / TRUTH)
        text = README + settings.model_dump_json(indent=2) + "\n"
        (fresh / "README.txt").write_text(text, encoding="utf-8", newline="\n")
        os.replace(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def sample_sheet(settings: Phantom, path: Path, *, pairs: int = 6) -> None:
    """Draws examples as a PNG: rows benign and malignant B-mode, their elasticity and masks.

    Args:
        pairs: Nodules of each class, the first of the set, one plane each.
    """
    columns = drawn(settings)
    rows = []
    for label in (0, 1):
        chosen = np.flatnonzero((columns["label"] == label) & (columns["plane"] == 0))[:pairs]
        for image in (bmode_image, elasticity_image, _mask_grey):
            cells = [image(settings, int(position)) for position in chosen]
            blank = np.full((settings.size, settings.size), 255, dtype=np.uint8)
            cells += [blank] * (pairs - len(cells))
            rows.append(np.concatenate([np.pad(cell, 1, constant_values=255) for cell in cells], 1))
    fresh = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    fresh.write_bytes(png_bytes(np.concatenate(rows), compress=True))
    os.replace(fresh, path)


def png_bytes(image: np.ndarray, *, compress: bool = False) -> bytes:
    """A uint8 (H, W) image as a PNG file.

    Without compression the bytes depend on no version of zlib; speckle would hardly shrink.
    """
    height, width = image.shape
    lines = np.zeros((height, width + 1), dtype=np.uint8)  # each begins with filter 0: none
    lines[:, 1:] = image
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    content = zlib.compress(lines.tobytes(), 9) if compress else _stored(lines.tobytes())
    parts = ((b"IHDR", header), (b"IDAT", content), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    )


def _stored(data: bytes) -> bytes:
    """A zlib stream (RFC 1950, 1951) of stored blocks."""
    blocks = []
    for start in range(0, len(data), BLOCK):
        block = data[start : start + BLOCK]
        is_last = start + BLOCK >= len(data)
        blocks.append(struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF) + block)
    return b"\x78\x01" + b"".join(blocks) + struct.pack(">I", zlib.adler32(data))


def _write_images(
    settings: Phantom, folder: Path, job: tuple[range, list[tuple[str, str, str]]]
) -> None:
    for position, names in zip(*job, strict=True):
        for name, image in zip(names, (bmode_image, elasticity_image, _mask_grey), strict=True):
            (folder / name).write_bytes(png_bytes(image(settings, position)))


def _mask_grey(settings: Phantom, position: int) -> np.ndarray:
    return np.where(mask_image(settings, position), 255, 0).astype(np.uint8)


def _write_csv(table: pd.DataFrame, path: Path) -> None:
    table.to_csv(path, index=False, lineterminator="\n")
