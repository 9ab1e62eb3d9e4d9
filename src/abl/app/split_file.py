"""`abl splits`: how a sweep divides its images, as a file on which others train."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from abl.app.loaded import LoadedSweep
from abl.data.dataset import PAIR
from abl.data.files_of_set import files_in_set
from abl.data.load import images_of, manifest_of
from abl.data.predictions.prediction_rows import checked_output, same_file, write_prediction_table
from abl.data.splits.splits import Split
from abl.errors import InputError
from abl.outputs import TABLES, Output, refuse_outputs, table_columns
from abl.report.labels import counted
from abl.stages.inputs import OpenData, Workspace

COLUMNS = ("repeat", "fold", "role", "image", "patient", "label")


def write_splits(loaded: LoadedSweep, out: Path, *, force: bool = False) -> str:
    """Writes every split of a sweep, a row an image of a split; returns what is to be said.

    Args:
        out: .csv or .parquet: repeat, fold, role (train, validation, test), image, patient, label.
        force: Whether a file that is there is written over; one of `abl splits` always is, one that
            the sweep reads never.

    Raises:
        InputError: A file that cannot be written, or that the sweep reads; arms that are split in
            several ways.
    """
    checked_output(out)
    _refuse_output(loaded, out, force=True)  # before planning, which may take long
    frame = splits_frame(loaded)
    _refuse_output(loaded, out, force=force)  # planning has opened the data
    write_prediction_table(out, frame)
    splits = len(frame[["repeat", "fold"]].drop_duplicates())
    images = frame["image"].nunique()
    return (
        f"{counted(splits, 'split')} of {counted(images, 'image')} written to {out}; predictions "
        "for `abl import` are of the rows of role test, with their repeat and fold\n"
    )


def splits_frame(loaded: LoadedSweep) -> pd.DataFrame:
    """Every split of a sweep: the columns of COLUMNS, in this order.

    Raises:
        InputError: Arms that are split in several ways, as an axis changes data or splits.
    """
    arms = len(loaded.plan.arms)  # planning divides the images
    ways: dict[tuple[int, int], list[pd.DataFrame]] = {}
    for opened in loaded.workspace.opened():
        for (_, repeat, fold), split in sorted(opened.splits.items(), key=lambda each: each[0][1:]):
            part = _rows(opened.dataset.frame, split).assign(repeat=repeat, fold=fold)
            known = ways.setdefault((repeat, fold), [])
            if not any(part.equals(other) for other in known):
                known.append(part)
    most = max((len(parts) for parts in ways.values()), default=0)
    if most != 1:
        raise InputError(
            f"{loaded.name}: its {arms} arms divide the images in {most} ways, as an axis changes "
            "data or splits; write a sweep file with one of its values for `abl splits`"
        )
    frames = [ways[key][0] for key in sorted(ways)]
    return pd.concat(frames, ignore_index=True)[list(COLUMNS)]


def _refuse_output(loaded: LoadedSweep, out: Path, *, force: bool) -> None:
    """Raises InputError if the file is one that the sweep reads, or lies there with its data, or is
    none that `abl splits` wrote.
    """
    written = [Output("--out", out, TABLES, _is_ours)]
    refuse_outputs(written, _files_read(loaded), force=True)
    if not out.exists():
        return
    if same_file(out, _beside_data(loaded, out)):
        why = "is a file of the data set"
    elif out.resolve().is_relative_to((loaded.root / "store").resolve()):
        why = "is a file of the store"
    else:
        refuse_outputs(written, force=force)
        return
    raise InputError(f"--out {out}: {why}, and would be overwritten: give another name")


def _files_read(loaded: LoadedSweep) -> Iterator[Path]:
    """The sweep file, what it names, the manifests, and every image and mask of these."""
    sweep, workspace = loaded.file.sweep, loaded.workspace
    yield loaded.file.places.path
    for name in (sweep.module, sweep.train.weights_file):
        if name:
            yield workspace.file(name, "file")
    for opened in workspace.opened():
        if opened.data.phantom is not None:
            continue
        manifest = manifest_of(opened.data, base=workspace.base, roots=workspace.roots)
        yield from files_in_set(opened.dataset, manifest, _folder(opened, workspace))


def _beside_data(loaded: LoadedSweep, out: Path) -> Iterator[Path]:
    """The file, if it lies in the folder of a data set and is none that `abl splits` wrote."""
    workspace = loaded.workspace
    for opened in workspace.opened():
        if opened.data.phantom is None:
            folder = _folder(opened, workspace)
            if out.resolve().is_relative_to(folder.resolve()) and not _is_ours(out):
                yield out


def _folder(opened: OpenData, workspace: Workspace) -> Path:
    """What the paths of a data set are relative to."""
    base, roots = workspace.base, workspace.roots
    manifest = manifest_of(opened.data, base=base, roots=roots)
    own = manifest if manifest.is_dir() else manifest.parent
    return images_of(opened.data, base=base, roots=roots) or own


def _is_ours(path: Path) -> bool:
    """Whether a file has the columns that `abl splits` writes, so that it may be written anew."""
    return table_columns(path) == COLUMNS


def _rows(frame: pd.DataFrame, split: Split) -> pd.DataFrame:
    name = PAIR if PAIR in frame else "image"
    rows = frame[[name, "patient", "label"]].rename(columns={name: "image"})
    parts = [rows.iloc[positions].assign(role=role) for role, positions in split.items()]
    return pd.concat(parts).drop_duplicates(ignore_index=True)
