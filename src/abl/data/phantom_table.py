"""A generated set as tables: what a manifest may say of each image, and the truth apart from it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from abl.data import phantom_model as model
from abl.data.dataset import BOX, ROI
from abl.data.phantom_draws import CENTRES, PLANES, drawn
from abl.data.phantom_outline import ANGLES
from abl.data.phantom_render import tissue_columns
from abl.spec.data import Phantom

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
    for names, corners in ((BOX, _boxes(settings)), (ROI, _tissue(settings))):
        for name, values in zip(names, corners.T, strict=True):
            table[name] = values.astype(np.float64)
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
    full = np.zeros(len(across)), np.full(len(across), size)
    return np.column_stack([across[:, 0], full[0], across[:, 1], full[1]])


def _histology(columns: dict[str, np.ndarray]) -> list[str]:
    names = []
    rows = zip(columns["label"], columns["rare"], columns["kind"].tolist(), strict=True)
    for label, rare, kind in rows:
        choices = HISTOLOGY[int(label), bool(rare)]
        names.append(next(name for name, share in choices if kind < share))
    return names


def _report(columns: dict[str, np.ndarray]) -> dict[str, list[str] | np.ndarray]:
    """What a radiologist notes: categories of noisy readings of the features."""
    echogenicity, margin, taller, calcification, halo, stiffness = columns["readings"].T
    echoes = ("hyperechoic", "isoechoic", "hypoechoic", "markedly hypoechoic")
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
        "size_mm": _shown_size_mm(columns).round(1),
        "depth_mm": columns["depth_mm"],
    }


def _shown_size_mm(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Largest diameter of the outline in this plane."""
    radii = columns["radii"]
    diameters = radii[:, : ANGLES // 2] + radii[:, ANGLES // 2 :]
    size: np.ndarray = diameters.max(axis=1) * columns["depth_mm"]
    return size


def _named(values: np.ndarray, cuts: list[float], names: tuple[str, ...]) -> list[str]:
    return [names[place] for place in np.searchsorted(cuts, values).tolist()]
