"""A generated set as tables (what a manifest may say of each image, and the truth apart from it),
as files, and as a sheet of examples.
"""

from __future__ import annotations

import os
import struct
import uuid
import zlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from abl.data.dataset import BOX, ROI
from abl.data.phantom import model
from abl.data.phantom.draws import ANGLES, CENTRES, PLANES, drawn
from abl.data.phantom.rendering import IMAGES, tissue_columns
from abl.data.workers import mapped_over
from abl.errors import InputError
from abl.outputs import folder_whole
from abl.spec.data import Phantom

if TYPE_CHECKING:  # processes that only render need not import pandas
    import pandas as pd

HISTOLOGY = {  # (label, rare) -> names with their cumulative shares
    (0, False): (("colloid nodule", 0.6), ("follicular adenoma", 1.0)),
    (0, True): (("focal thyroiditis", 1.0),),
    (1, False): (("papillary carcinoma", 1.0),),
    (1, True): (("follicular variant", 0.6), ("medullary carcinoma", 1.0)),
}
DECIMALS = 6  # of the truth: printed alike everywhere


def phantom_table(settings: Phantom) -> pd.DataFrame:
    """The manifest of a generated set; nothing is rendered.

    Returns:
        One row an image, sorted by patient, nodule, plane: image, label, train_label, patient,
        nodule, plane, centre, box_x0 .. box_y1 (loose, whole pixels), roi_x0 .. roi_y1 (tissue),
        elasticity, mask, and what a report would say: histology, noisy readings of the features,
        age, sex, size_mm, depth_mm. It holds no P(malignant), no latent feature, and of flipped
        labels only that label and train_label differ.
    """
    import pandas as pd

    columns = drawn(settings)
    label = columns["label"]
    patients = [f"p{number:05d}" for number in columns["patient"].tolist()]
    nodules = [
        f"{patient}-n{number + 1}"
        for patient, number in zip(patients, columns["nodule"].tolist(), strict=True)
    ]
    planes = [PLANES[plane] for plane in columns["plane"].tolist()]
    files = [f"{nodule}-{plane[0]}.png" for nodule, plane in zip(nodules, planes, strict=True)]
    table = pd.DataFrame(
        {
            "image": [f"images/{file}" for file in files],
            "label": label,
            "train_label": np.where(columns["flipped"], 1 - label, label),
            "patient": patients,
            "nodule": nodules,
            "plane": planes,
            "centre": np.take(CENTRES, columns["at_b"].astype(np.int64)).tolist(),
        }
    )
    table[list(BOX)] = _boxes(settings)
    table[list(ROI)] = _tissue(settings)
    table["elasticity"] = [f"elasticity/{file}" for file in files]
    table["mask"] = [f"masks/{file}" for file in files]
    table["histology"] = _histology(columns)
    for name, values in _report(columns).items():
        table[name] = values
    return table


def phantom_truth(settings: Phantom) -> pd.DataFrame:
    """What no training may see.

    Returns:
        One row an image, as in phantom_table: image; p_malignant, from which the label was drawn,
        and what is left of it given B-mode features alone (p_bmode), stiffness alone
        (p_elasticity), or B-mode features and the lymph node (p_frame); latent_* scores
        (high = suspicious); look (-1 benign, 0 ambiguous, 1 malignant); ambiguous, rare, flipped,
        lymph_node. With `task: source`, p_malignant is the probability of label 1.
    """
    import pandas as pd

    columns = drawn(settings)
    truth = pd.DataFrame({"image": phantom_table(settings)["image"]})
    truth["p_malignant"] = columns["p_both"].round(DECIMALS)
    for name in ("bmode", "elasticity", "frame"):
        truth[f"p_{name}"] = columns[f"p_{name}"].round(DECIMALS)
    for place, name in enumerate(model.FEATURES):
        truth[f"latent_{name}"] = columns["scores"][:, place].round(DECIMALS)
    truth["latent_stiffness"] = columns["stiffness"].round(DECIMALS)
    truth["look"] = columns["look"]
    truth["ambiguous"] = columns["look"] == 0
    for name, column in (("rare", "rare"), ("flipped", "flipped"), ("lymph_node", "node")):
        truth[name] = columns[column]
    return truth


def _boxes(settings: Phantom) -> np.ndarray:
    """Loose boxes, whole pixels, at least one pixel, (N, 4)."""
    scaled = drawn(settings)["loose_box"] * settings.size
    low, high = np.floor(scaled[:, :2]), np.ceil(scaled[:, 2:])
    return np.concatenate([low, high], axis=1)


def _tissue(settings: Phantom) -> np.ndarray:
    columns, size = drawn(settings), settings.size
    edges = zip(columns["left"].tolist(), columns["right"].tolist(), strict=True)
    across = np.array([tissue_columns(size, left, right) for left, right in edges])
    top = np.zeros(len(across))
    return np.column_stack([across[:, 0], top, across[:, 1], top + size])


def _histology(columns: dict[str, np.ndarray]) -> list[str]:
    rows = zip(*(columns[name].tolist() for name in ("label", "rare", "kind")), strict=True)
    return [
        next(name for name, share in HISTOLOGY[label, rare] if kind < share)
        for label, rare, kind in rows
    ]


def _report(columns: dict[str, np.ndarray]) -> dict[str, list[str] | np.ndarray]:
    """What a radiologist notes: categories of noisy readings of the features."""
    echogenicity, margin, taller, calcification, halo, stiffness = columns["readings"].T
    echoes = ("hyperechoic", "isoechoic", "hypoechoic", "markedly hypoechoic")
    radii = columns["radii"]
    diameters = radii[:, : ANGLES // 2] + radii[:, ANGLES // 2 :]  # of the outline in this plane
    calcified = _named(calcification, [-0.4], ("none", "micro"))
    return {
        "echogenicity": _named(echogenicity, [-2.5, -0.3, 2.5], echoes),
        "margin": _named(margin, [-0.7, 0.7], ("smooth", "ill-defined", "irregular")),
        "shape": _named(taller, [0.55], ("wider than tall", "taller than wide")),
        "calcification": np.where(columns["coarse"], "macro", calcified).tolist(),
        "halo": _named(halo, [0.0], ("present", "absent")),
        "composition": np.where(columns["fluid"], "mixed", "solid").tolist(),
        "strain_score": 1 + np.searchsorted([-1.2, -0.3, 0.4, 1.3], stiffness),
        "age": columns["age"],
        "sex": np.where(columns["female"], "F", "M").tolist(),
        "size_mm": (diameters.max(axis=1) * columns["depth_mm"]).round(1),
        "depth_mm": columns["depth_mm"],
    }


def _named(values: np.ndarray, cuts: list[float], names: tuple[str, ...]) -> list[str]:
    return [names[place] for place in np.searchsorted(cuts, values).tolist()]


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


def write_phantom(settings: Phantom, out: Path) -> None:
    """Writes a set: images, elasticity, masks, manifest.csv, truth/truth.csv, README.txt.

    The same settings give the same bytes. The folder appears when it is whole.

    Raises:
        InputError: The folder holds something, or is a file.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"'{out.name}' is not an empty folder; give a new folder's name")
    with folder_whole(out, str(out)) as fresh:
        for folder in ("images", "elasticity", "masks", "truth"):
            (fresh / folder).mkdir(parents=True)
        table = phantom_table(settings)
        names = list(zip(table["image"], table["elasticity"], table["mask"], strict=True))
        write = partial(_write_images, settings, fresh, names)
        for _ in mapped_over(len(table), CHUNK, write, worth=WORTH):
            pass
        # a manifest's data set has a train_label of its own, equal to its label
        manifest = table.rename(columns={"train_label": "noisy_label"})
        for written, path in ((manifest, "manifest.csv"), (phantom_truth(settings), TRUTH)):
            written.to_csv(fresh / path, index=False, lineterminator="\n")
        text = README + settings.model_dump_json(indent=2) + "\n"
        (fresh / "README.txt").write_text(text, encoding="utf-8", newline="\n")


def sample_sheet(settings: Phantom, path: Path, *, pairs: int = 6) -> None:
    """Draws examples as a PNG: rows benign and malignant B-mode, their elasticity and masks, of
    the first nodules of each class in the set, one plane each.
    """
    columns = drawn(settings)
    rows = []
    for label in (0, 1):
        chosen = np.flatnonzero((columns["label"] == label) & (columns["plane"] == 0))[:pairs]
        for image in IMAGES.values():
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
    settings: Phantom, folder: Path, names: list[tuple[str, str, str]], positions: range
) -> None:
    for position in positions:
        for name, image in zip(names[position], IMAGES.values(), strict=True):
            (folder / name).write_bytes(png_bytes(image(settings, position)))
