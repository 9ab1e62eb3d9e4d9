"""Generated sets shaped as those of the papers: patients, images, classes, parts; small pixels.

Their sweeps are shrunk to match: small images, and small networks in the place of large ones under
their names, so that arms are called what they are in the paper; all else as it is.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import tiny_sweeps  # registers pooled3, pooled6, pooled_hidden
from abl.nets import build
from abl.nets.registry import forget_remembered, library_of, network

if TYPE_CHECKING:
    from torch import nn

SIDE = 16
FRAME, BORDER = 40, 4  # pixels of a nodule's frame, and of the black around its tissue
Row = dict[str, Any]


def _pooled(side: int) -> Callable[[int, int, int], nn.Module]:
    return lambda classes, channels, image_size: tiny_sweeps._pooled(side, channels, classes)


@network("pooled2")
def pooled2(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(2)(classes, channels, image_size)


@network("pooled4")
def pooled4(classes: int, channels: int, image_size: int) -> nn.Module:
    return _pooled(4)(classes, channels, image_size)


@network("thin3")
def thin3(classes: int, channels: int, image_size: int) -> nn.Module:
    """Three convolutions, for maps; in a fraction of a millisecond an image."""
    from torch import nn

    widths = [channels, 4, 8, 8]
    layers: list[nn.Module] = []
    for wide, wider in pairwise(widths):
        layers += [nn.Conv2d(wide, wider, 3, stride=2, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))


@network("two_layers")
def two_layers(classes: int, channels: int, image_size: int) -> nn.Module:
    """Two fully connected layers in front of the classes, as AlexNet and VGG19 have: fc1, fc2."""
    from torch import nn

    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, stride=2, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(4),
        nn.Flatten(), nn.Linear(128, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(),
        nn.Linear(16, classes),
    )  # fmt: skip


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
    """Liu 2026: two hospitals train and validate, a third is outside; who is where is ours."""
    rows = []
    for label, (train, validation, outside) in enumerate(
        (((403, 659), (193, 296), (47, 52)), ((285, 609), (102, 225), (102, 102)))
    ):
        rows += patients_of("a", label, *train, split="train")
        rows += patients_of("b", label, *validation, split="validation")
        rows += patients_of("c", label, *outside, split="", centre="C")
    hospital = {row["patient"]: "AB"[at % 2] for at, row in enumerate(rows)}
    quarter = FRAME // 4
    box = {"box_x0": quarter, "box_y0": quarter, "box_x1": 3 * quarter, "box_y1": 3 * quarter}
    return [{"centre": hospital[row["patient"]], **row, **box} for row in rows]


# Rafalo 2025, Table 2: feature -> its share of the set, in per cent
CANCERS = {"FTC": 5, "FTUMP": 6, "nodular overgrowth": 15, "Hurthle": 3, "MTC": 5}
LOOKS = {
    "isoechoic": 18, "smooth margins": 40, "halo": 5, "round shape": 2, "isthmus": 5,
    "capsular invasion": 2, "pathological lymph nodes": 8, "macrocalcifications": 13,
    "thyroid disorder": 26,
}  # fmt: skip


def persistent() -> list[Row]:
    """Rafalo 2025: 242 nodules in two planes with features; the classes' shares are ours."""
    rows = [*patients_of("r", 0, 121, 242), *patients_of("r", 1, 121, 242)]
    draw, patients = np.random.default_rng(5), {row["patient"]: {} for row in rows}
    for features in patients.values():
        shares = [each / 100 for each in CANCERS.values()]
        kind = draw.choice([*CANCERS, "PTC"], p=[*shares, 1 - sum(shares)])
        looks = {n: n if draw.random() < each / 100 else f"no {n}" for n, each in LOOKS.items()}
        features |= {"histology": str(kind), **looks}
    return [{**row, **patients[row["patient"]]} for row in rows]


def readers() -> list[Row]:
    """Lee 2019: 439 training and 150 test images, one of each nodule."""
    counts = {("train", 0): 142, ("train", 1): 297, ("test", 0): 50, ("test", 1): 100}
    return [
        row
        for (part, label), n in counts.items()
        for row in patients_of(part, label, n, n, split=part)
    ]


def write_set(
    folder: Path, name: str, rows: list[Row], *, paired: bool = False, border: int = 0
) -> None:
    """A manifest of this name and its images: speckle, darker in the middle in class 1.

    Args:
        border: Pixels of black around it, on each side.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(0)
    positive = {1, "melanoma"}
    side = FRAME if border else SIDE
    middle, inside = slice(side // 4, 3 * side // 4), slice(border, side - border)
    table = []
    for at, row in enumerate(rows):
        speckle = np.clip(110 * draw.gamma(8, 1 / 8, (2, side, side)), 1, 255)
        if row["label"] in positive:
            speckle[:, middle, middle] *= draw.uniform(0.5, 1)
        frames = np.zeros((2, side, side), dtype=np.uint8)
        frames[:, inside, inside] = speckle[:, inside, inside]
        names = {"image": f"{at}.bmp", "image2": f"{at}e.bmp"}
        for place, file in enumerate(names.values() if paired else [names["image"]]):
            Image.fromarray(frames[place]).save(folder / file)
        table.append({**(names if paired else {"image": names["image"]}), **row})
    pd.DataFrame(table).to_csv(folder / name, index=False)


def stand_in(patch: pytest.MonkeyPatch, networks: Mapping[str, str]) -> None:
    """Makes small networks of this process's large ones, by their plain names in their library."""
    makers = {
        "abl": build._own_network,
        "torchvision": build._torchvision_network,
        "timm": build._timm_network,
    }

    def small(name: str, *given: Any) -> nn.Module:
        library, plain = library_of(networks.get(name, name))
        if plain == name and name not in SMALL_ALREADY:
            raise AssertionError(f"no small network stands in the place of {name}")
        return makers[library](plain, *given)

    patch.setattr(build, "_torchvision_network", small)
    patch.setattr(build, "_timm_network", small)
    forget_remembered()


SMALL_ALREADY = ("test_resnet", "test_byobnet")  # of timm's


def shrunk(
    values: Mapping[str, Any], side: int = SIDE, *, further: Collection[str] = ()
) -> dict[str, Any]:
    """A sweep file's values with small images, no weights of hubs, and without some networks.

    Args:
        side: Of the images; those of arms and selectors are smaller by as much.
        further: Networks of arms that are left out.
    """
    whole = int(values["image"]["size"])

    def smaller(size: int) -> int:
        return round(size * side / whole)

    made: dict[str, Any] = copy.deepcopy(dict(values))
    made["image"]["size"] = side
    source = {"pretrain": {"task": "source", "patients": 12, "size": 32}, "epochs": 1}
    made["train"]["weights"] = source if made["study"] in ("frozen", "fusion") else "none"
    if attention := made["train"].get("attention"):
        branch = {"encoder": "test_byobnet", "depth": 4, "width": 4, "weights": "none"}
        attention["segmentation"] |= branch
    made["data"]["duplicates"] = "ignore"
    if sizes := made.get("options", {}).get("sizes"):
        made["options"]["sizes"] = {name: smaller(size) for name, size in sizes.items()}
    kept = []
    for block in made.get("arms", []):
        if "image.size" in block:
            block["image.size"] = smaller(block["image.size"])
        if "network" in block:
            given = block["network"]
            names = [given] if isinstance(given, str) else given
            names = [each for each in names if each not in further]
            if not names:
                continue
            block["network"] = names
        kept.append(block)
    if kept:
        made["arms"] = kept
    return made
