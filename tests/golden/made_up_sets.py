"""Made-up sets under the names that shipped sweeps read: each can be planned anywhere."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

SIDE = 48
_BOX = {"box_x0": 12, "box_y0": 10, "box_x1": 36, "box_y1": 34}
_COLUMNS: dict[str, tuple[str, ...]] = {
    "pairs.csv": ("image2",),
    "nodules.csv": ("centre", "mask", "split", *_BOX),
    "dermoscopy.csv": (),
    "thyroid.csv": ("split",),
    "ddti/manifest.csv": ("mask", "centre", *_BOX),
    "bus_uclm/manifest.csv": ("mask", *_BOX),
}
PATIENTS = 60


def write_made_up_sets(folder: Path) -> Path:
    """Every manifest, its images, and a weights file of another network; returns the folder."""
    for name, columns in _COLUMNS.items():
        _write_set(folder / name, columns)
    weights = folder / "weights"
    weights.mkdir()
    _write_squeezenet(weights / "squeezenet1_0_imagenet.safetensors")
    return folder


def _write_set(manifest: Path, columns: tuple[str, ...]) -> None:
    pictures = manifest.parent / f"{manifest.stem}_bmp"
    pictures.mkdir(parents=True)
    names = ("nevus", "melanoma") if manifest.stem == "dermoscopy" else ("0", "1")
    scored = "validation" if manifest.stem == "nodules" else "test"
    rows = []
    for at in range(2 * PATIENTS):
        patient, label = at // 2, at // 2 % 2
        row: dict[str, object] = {
            "image": _picture(pictures / f"{at}.bmp", at, label),
            "label": names[label],
            "patient": f"p{patient}",
        }
        given = {
            "image2": f"{pictures.name}/{at}b.bmp",
            "mask": f"{pictures.name}/{at}m.bmp",
            "centre": "ABC"[patient // 2 % 3],
            "split": scored if patient % 5 < 2 and patient >= 20 else "train",
            **_BOX,
        }
        if "image2" in columns:
            _picture(pictures / f"{at}b.bmp", at + 1000, label)
        if "mask" in columns:
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[12:32, 14:34] = 255
            Image.fromarray(mask).save(pictures / f"{at}m.bmp")
        rows.append(row | {name: given[name] for name in columns})
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _picture(path: Path, at: int, label: int) -> str:
    # BMP: its bytes, which enter digests, depend on no library's compression
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = 60 + (x * (at + 3) + y * (2 * at + 5) + x * y * (at % 7)) % 140
    pixels[14:30, 14:30] = 40 + 60 * label
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return f"{path.parent.name}/{path.name}"


def _write_squeezenet(path: Path) -> None:
    """Weights of the shapes of SqueezeNet 1.0, all of them zero."""
    import torchvision

    state = torchvision.models.squeezenet1_0(weights=None).state_dict()
    save_file({name: np.zeros(value.shape, np.float32) for name, value in state.items()}, path)
