"""The two files that `abl init` writes: where they go, and both whole or neither."""

from __future__ import annotations

import csv
import io
import os
import uuid
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from abl.app.init.found import FoundSet
from abl.app.init.sweep_text import quoted
from abl.data.manifest import load_manifest
from abl.data.splits.splits import all_replicates, split_of
from abl.data.tables.folder_rows import mask_cell
from abl.errors import InputError, Problem, raise_if_any
from abl.spec.read import read_form
from abl.spec.yaml_file import read_with_faults

MANIFEST, SWEEP = "manifest.csv", "sweep.yaml"


@dataclass(frozen=True)
class Placed:
    """Where the two files go, and how the manifest names images.

    Attributes:
        folder: The images.
        out: The two files.
        before: What a path in the folder has before it in the manifest; "" or it ends in /.
        is_below: Whether the images lie below the files; if not, the sweep names their folder.
    """

    folder: Path
    out: Path
    before: str
    is_below: bool

    @classmethod
    def of(cls, folder: Path, out: Path) -> Placed:
        real, home = folder.resolve(), out.resolve()
        is_below = real.is_relative_to(home)
        inner = real.relative_to(home).as_posix() if is_below else "."
        return cls(folder, out, "" if inner == "." else f"{inner}/", is_below)

    @property
    def images(self) -> Path:
        """What the paths of the manifest are relative to."""
        return self.out if self.is_below else self.folder

    @property
    def root(self) -> Path | None:
        """The folder to give a sweep with --data; None if it needs none."""
        return None if self.is_below else self.folder.resolve().parent

    def data_lines(self) -> list[str]:
        """Lines of the data block that say where the manifest and the images are."""
        lines = [f"manifest: {MANIFEST}"]
        if self.root is not None:
            lines += [
                "# run it with --data and the folder that holds this one",
                f"images: {quoted(self.folder.resolve().name)}",
            ]
        return lines


def manifest_text(found: FoundSet, before: str) -> str:
    """The manifest as CSV; columns that would be empty in every row are left out."""
    rows = [
        {
            "image": before + each.image,
            "label": each.label,
            "patient": each.patient,
            "group": each.group,
            "split": each.split,
            "mask": mask_cell([before + name for name in each.masks]),
            **{
                name: before + text if name == "image2" and text else text
                for name, text in each.columns.items()
            },
        }
        for each in found.images
    ]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_both(found: FoundSet, place: Placed, sweep: str) -> None:
    """Writes both files, whole or not at all, after they were read as a sweep reads them."""
    word = uuid.uuid4().hex[:12]
    drafts = {
        place.out / f".{word}-{MANIFEST}": manifest_text(found, place.before),
        place.out / f".{word}-{SWEEP}": sweep,
    }
    made = [each for each in (place.out, *place.out.parents) if not os.path.lexists(each)]
    try:
        place.out.mkdir(parents=True, exist_ok=True)
        for path, text in drafts.items():
            path.write_text(text, encoding="utf-8")
        _check_drafts(found, place, *drafts)
        for path, name in zip(drafts, (MANIFEST, SWEEP), strict=True):
            os.replace(path, place.out / name)
    except OSError as error:
        raise InputError(
            f"--out {place.out}: cannot be written ({error.strerror}); name another with --out"
        ) from None
    finally:
        for path in drafts:
            with suppress(OSError):
                path.unlink()
        for each in made:
            with suppress(OSError):  # not empty: both files lie there
                each.rmdir()


def _check_drafts(found: FoundSet, place: Placed, manifest: Path, sweep: Path) -> None:
    """Raises InputError if a sweep would refuse them."""
    file, problems = read_form(read_with_faults(sweep))
    # the lines of a file that nobody sees
    raise_if_any([Problem(f"{SWEEP} would not be read: {each.message}") for each in problems])
    assert file is not None
    try:
        dataset = load_manifest(manifest, images=place.images, classes=found.classes)
    except InputError as error:
        # rows of a file that nobody sees
        raise InputError([Problem(each.message) for each in error.problems]) from None
    asked = file.sweep
    for replicate in all_replicates(asked.splits, asked.replicates):
        split_of(dataset.frame, asked.splits, replicate.repeat, replicate.fold)
