"""`abl splits`: how a sweep divides its images, as a file on which others train."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from abl.app.loaded import LoadedSweep
from abl.data.dataset import PAIR
from abl.data.prediction_rows import checked_output, write_prediction_table
from abl.data.splits import Split
from abl.errors import InputError
from abl.report.labels import counted

COLUMNS = ("repeat", "fold", "role", "image", "patient", "label")


def write_splits(loaded: LoadedSweep, out: Path) -> str:
    """Writes every split of a sweep, a row an image of a split; returns what is to be said.

    Args:
        out: .csv or .parquet: repeat, fold, role (train, validation, test), image, patient, label.

    Raises:
        InputError: A file that cannot be written; arms that are split in several ways.
    """
    checked_output(out)
    frame = splits_frame(loaded)
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


def _rows(frame: pd.DataFrame, split: Split) -> pd.DataFrame:
    name = PAIR if PAIR in frame else "image"
    rows = frame[[name, "patient", "label"]].rename(columns={name: "image"})
    parts = [rows.iloc[positions].assign(role=role) for role, positions in split.items()]
    return pd.concat(parts).drop_duplicates(ignore_index=True)
