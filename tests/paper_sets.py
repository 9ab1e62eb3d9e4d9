"""Generated sets shaped as those of the papers: patients, images, classes, parts; small pixels.

Their sweeps are shrunk to match: small networks in the place of large ones, all else as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

import tiny_sweeps  # registers pooled3, pooled6, pooled_hidden
from abl.nets.registry import network

if TYPE_CHECKING:
    from torch import nn

SIDE = 16
Row = dict[str, Any]


def _pooled(side: int) -> Callable[[int, int, int], nn.Module]:
    return lambda classes, channels, image_size: tiny_sweeps._pooled(side, channels, classes)


@network("pooled2")
def pooled2(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(2)(classes, channels, image_size)


@network("pooled4")
def pooled4(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(4)(classes, channels, image_size)


@network("thin13")
def thin13(classes: int, channels: int, image_size: int) -> nn.Module:
    """Thirteen convolutions, as VGG16 has, of four channels."""
    from torch import nn

    layers: list[nn.Module] = []
    for at in range(13):
        layers += [nn.Conv2d(channels if at == 0 else 4, 4, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if at in (1, 3) else []
    tail = [nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(16, 8), nn.ReLU()]
    return nn.Sequential(*layers, *tail, nn.Linear(8, classes))


def patients_of(prefix: str, label: int, patients: int, images: int, **facts: Any) -> list[Row]:
    """So many images of so many patients of one class, spread evenly."""
    return [
        {"label": label, "patient": f"{prefix}{label}_{at % patients}", **facts}
        for at in range(images)
    ]


def thyroid() -> list[Row]:
    """Lee 2025: patients are not mentioned; here two images of each."""
    counts = {("train", 0): 10447, ("train", 1): 7160, ("test", 0): 123, ("test", 1): 539}
    return [
        row
        for (part, label), n in counts.items()
        for row in patients_of(part, label, (n + 1) // 2, n, split=part)
    ]


def dermoscopy() -> list[Row]:
    rows = [*patients_of("d", 0, 12875, 12875), *patients_of("d", 1, 4522, 4522)]
    return [{**row, "label": ("nevus", "melanoma")[row["label"]]} for row in rows]


def pairs() -> list[Row]:
    """Qin 2020: 1156 pairs of 233 patients; the division of patients by class is ours."""
    return [*patients_of("q", 0, 109, 539), *patients_of("q", 1, 124, 617)]


def nodules() -> list[Row]:
    """Liu 2026: two hospitals for training and internal validation, a third outside."""
    rows = []
    for label, (train, validation, outside) in enumerate(
        (((403, 659), (193, 296), (47, 52)), ((285, 609), (102, 225), (102, 102)))
    ):
        rows += patients_of("a", label, *train, centre="A")
        rows += patients_of("b", label, *validation, centre="B")
        rows += patients_of("c", label, *outside, centre="C")
    return [{**row, "box_x0": 4, "box_y0": 4, "box_x1": 12, "box_y1": 12} for row in rows]


def persistent() -> list[Row]:
    """Rafalo 2025: 242 nodules in two planes; the classes' shares are ours."""
    return [*patients_of("r", 0, 121, 242), *patients_of("r", 1, 121, 242)]


def readers() -> list[Row]:
    """Lee 2019: 439 training and 150 test images, one of each nodule."""
    counts = {("train", 0): 142, ("train", 1): 297, ("test", 0): 50, ("test", 1): 100}
    return [
        row
        for (part, label), n in counts.items()
        for row in patients_of(part, label, n, n, split=part)
    ]


def write_set(folder: Path, name: str, rows: list[Row], *, paired: bool = False) -> None:
    """A manifest of this name and its images: speckle, darker in the middle in class 1."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    positive = {1, "melanoma"}
    table = []
    for at, row in enumerate(rows):
        speckle = np.clip(110 * draw.gamma(8, 1 / 8, (2, SIDE, SIDE)), 1, 255)
        if row["label"] in positive:
            speckle[:, 4:12, 4:12] *= draw.uniform(0.5, 1)
        names = {"image": f"{at}.bmp", "image2": f"{at}e.bmp"}
        for place, file in enumerate(names.values() if paired else [names["image"]]):
            Image.fromarray(speckle[place].astype(np.uint8)).save(folder / file)
        table.append({**(names if paired else {"image": names["image"]}), **row})
    pd.DataFrame(table).to_csv(folder / name, index=False)


def shrunk(values: Mapping[str, Any], networks: Mapping[str, str]) -> dict[str, Any]:
    """A sweep file's values with small networks and images, no weights of hubs, and one network
    instead of a list of further ones.
    """

    def changed(value: Any, key: str = "") -> Any:
        if key in ("network", "panel") and isinstance(value, list):
            return list(dict.fromkeys(networks[each] for each in value if each in networks))
        if key == "network" and isinstance(value, str):
            return networks.get(value, "")
        if key == "sizes":
            return {networks[name]: SIDE + 8 for name in value}
        if isinstance(value, dict):
            return {name: changed(each, str(name)) for name, each in value.items()}
        return [changed(each) for each in value] if isinstance(value, list) else value

    made: dict[str, Any] = changed(dict(values))
    made["image"] |= {"size": SIDE}
    source = {"pretrain": {"task": "source", "patients": 12, "size": 32}, "epochs": 1}
    made["train"]["weights"] = source if made["study"] in ("frozen", "fusion") else "none"
    made["data"]["duplicates"] = "ignore"
    made.get("stated", {}).clear()
    kept = []
    for block in made.get("arms", []):
        if block.get("network") in ("", []):  # one of those that have no small one
            continue
        block.pop("image.size", None)
        kept.append(block)
    if kept:
        made["arms"] = kept
    return made
