"""Folders as people have them, of small images that differ."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from abl.app.init.command import InitOptions, init_sweep
from abl.app.init.machine import Machine
from abl.errors import InputError

LAPTOP = Machine(cpus=2, gpu="", gpus=0, with_weights=())


def write_pictures(folder: Path, names: Iterable[str]) -> Path:
    """Noise, another for each name; the ending says of which kind a file is."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draw = np.random.default_rng(list(name.encode()))
        Image.fromarray(draw.integers(0, 255, (24, 28), dtype=np.uint8)).save(path)
    return folder


def of_classes(*classes: str, count: int = 5, ending: str = ".png") -> list[str]:
    return [f"{name}/{number}{ending}" for name in classes for number in range(count)]


def started(home: Path, folder: str = "set", **options: object) -> tuple[str, list[dict[str, str]]]:
    """What `abl init` says of a folder, and the rows of the manifest."""
    import csv

    said = init_sweep(home / folder, InitOptions(home, **options), machine=LAPTOP)  # type: ignore[arg-type]
    with (home / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return said, list(csv.DictReader(file))


def refusal(home: Path, folder: str = "set", **options: object) -> list[str]:
    """The lines with which a folder is refused; nothing is written then."""
    before = sorted(home.rglob("*"))
    try:
        init_sweep(home / folder, InitOptions(home, **options), machine=LAPTOP)  # type: ignore[arg-type]
    except InputError as error:
        assert sorted(home.rglob("*")) == before
        return [str(problem) for problem in error.problems]
    raise AssertionError("the folder was taken")
