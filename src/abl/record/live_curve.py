"""Epochs of a training that runs, as it writes them beside its checkpoint: for who watches.

A line an epoch, of JSON. They decide nothing: what is finished keeps its history in its stage.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from abl.kept_files import MUCH, json_kept, read_kept
from abl.record.patient import ABSENT
from abl.record.work import CHECKPOINTS

_FILE = "epochs.jsonl"


def write_epoch(checkpoints: Path, row: Mapping[str, float]) -> None:
    """Adds an epoch's row; a disk that does not take it ends no training."""
    with suppress(OSError), (checkpoints / _FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dict(row)) + "\n")


def epochs_of(root: Path, digest: str) -> list[dict[str, Any]]:
    """The rows of a stage's attempt, by epoch; [] if there are none.

    Args:
        root: Of the store.
    """
    rows: dict[int, dict[str, Any]] = {}
    for folder in sorted((root / "work" / digest).glob(f"*{CHECKPOINTS}")):
        with suppress(*ABSENT):
            lines = read_kept(folder / _FILE, MUCH).decode(errors="replace").splitlines()
            for line in lines:
                with suppress(ValueError, KeyError, TypeError):
                    row = json_kept(line)
                    # gone on from a checkpoint, epochs come again; the last is the one that counts
                    rows[int(row["epoch"])] = row
    return [rows[epoch] for epoch in sorted(rows)]
