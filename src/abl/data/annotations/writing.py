"""Writes a manifest and the folder of its masks: both whole, or nothing."""

from __future__ import annotations

import csv
import shutil
import uuid
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image

from abl.data.annotations.folder import WRITTEN
from abl.data.annotations.rows import Row
from abl.data.annotations.values import name_of
from abl.data.dataset import BOX, ROI
from abl.data.manifest import ALIASES, COMPUTED
from abl.errors import InputError, Problem
from abl.scratch import written_whole

RESERVED = {
    *("image", "label", "patient", "nodule", "mask", "image2", "regions"),
    *(BOX + ROI), *COMPUTED, *ALIASES,
}  # fmt: skip
SEVERAL = ";"  # between the masks of one image


class ManifestWriter:
    """A manifest and its masks, written beside their final names until `commit`.

    Use it as a context: what was not committed is taken away again.

    Args:
        out: The CSV file.
        masks: Name of the folder of masks beside it.
        prefix: Of the images' paths in the manifest: the way from its folder to theirs.
        names: Of all images that may come, which decide the names of masks.
    """

    def __init__(self, out: Path, masks: str, prefix: str, names: Iterable[str]):
        self.out, self.masks, self._prefix = out, out.parent / masks, prefix
        stems = Counter(PurePosixPath(name).with_suffix("").as_posix().lower() for name in names)
        self._is_one = {stem for stem, count in stems.items() if count == 1}
        self._fresh = out.parent / f".{masks}.{uuid.uuid4().hex}"
        self._rows: list[dict[str, str]] = []
        self.masks_written = 0

    def __enter__(self) -> ManifestWriter:
        return self

    def __exit__(self, *error: object) -> None:
        shutil.rmtree(self._fresh, ignore_errors=True)

    def add(self, row: Row) -> None:
        """Writes the mask of a row, and keeps the row."""
        image = row.image
        mask = SEVERAL.join(self._prefix + each for each in image.mask_files)
        if row.place.mask is not None:
            name = self._mask_name(image.image)
            self._write_mask(self._fresh / name, row.place.mask)
            mask = f"{self.masks.name}/{name}"
        box = row.place.box or ("",) * 4
        values = {
            "image": self._prefix + image.image,
            "label": row.label,
            "patient": row.patient,
            "mask": mask,
            **dict(zip(BOX, map(_decimal, box), strict=True)),
            # how many nodules masks of others show is not known
            "regions": "" if image.mask_files else str(row.regions),
        }
        for name, value in image.columns.items():
            key = name_of(name)
            values[f"annotated_{key}" if key in RESERVED else key or "annotated"] = value
        self._rows.append(values)

    def _mask_name(self, image: str) -> str:
        stem = PurePosixPath(image).with_suffix("").as_posix()
        return f"{stem}.png" if stem.lower() in self._is_one else f"{image}.png"

    def _write_mask(self, path: Path, mask: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * np.uint8(255)).save(path, format="PNG")
        self.masks_written += 1

    def commit(self) -> None:
        """Puts the masks and the manifest in their places."""
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        # a column that no row fills says nothing, and an empty `patient` would be a fault
        names = [name for name in names if any(row.get(name) for row in self._rows)]
        old = self._fresh.with_name(f"{self._fresh.name}.old")
        with written_whole(self.out) as fresh:
            with fresh.open("w", encoding="utf-8", newline="") as file:
                table = csv.DictWriter(file, names, restval="", extrasaction="ignore")
                table.writeheader()
                table.writerows(self._rows)
            if self.masks.exists():
                self.masks.rename(old)
            if self._fresh.exists():
                (self._fresh / WRITTEN).write_text("written by abl data import\n")
                self._fresh.rename(self.masks)
        shutil.rmtree(old, ignore_errors=True)


def refuse_to_overwrite(out: Path, masks: Path, force: bool) -> None:
    """Raises InputError unless a manifest and a folder of masks may be written here.

    Args:
        force: Whether those of an earlier import may be written anew.
    """
    problems = []
    if out.is_dir():
        problems.append(
            Problem(f"--out {out}: is a folder; name a file in it, such as manifest.csv")
        )
    elif out.suffix.lower() != ".csv":
        problems.append(Problem(f"--out {out}: has to end with .csv"))
    elif not out.absolute().parent.is_dir():
        problems.append(Problem(f"--out {out}: no folder {out.parent}"))
    elif out.exists() and not force:
        problems.append(Problem(f"--out {out}: is there; --force writes it anew"))
    if masks.exists() and not (masks / WRITTEN).is_file():
        problems.append(
            Problem("is there, and not from an import; --masks NAME names another", str(masks))
        )
    elif masks.exists() and not force and not out.exists():
        problems.append(Problem("is there from an import; --force writes it anew", str(masks)))
    if problems:
        raise InputError(problems)


def _decimal(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.6f}".rstrip("0").rstrip(".")
