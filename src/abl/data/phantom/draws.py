"""Everything that is drawn about a generated set before rendering: patients, nodules, frames.

Each patient, nodule and frame has a random stream of its own, named by its number. So more
patients, other planes or flipped labels leave what is already there as it is. Outlines and the
places around them are in shares of the frame's side: no pixels, so that boxes are known before
anything is rendered.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from abl.data.phantom import model
from abl.spec.data import Phantom

ANGLES = 256  # samples of an outline
HARMONICS = np.arange(3, 10)  # 3 to 9 lobes: an ellipse has the first two
SLOTS = np.array(  # centres of structures beside the nodule: x, y
    [[0.15, 0.84], [0.85, 0.84], [0.15, 0.60], [0.85, 0.60], [0.15, 0.34], [0.85, 0.34]]
)
LOWER_SLOTS = 4  # the first ones: a shadow cast from here does not cross much of the nodule
SLOT_HALF = np.array([0.10, 0.09])  # room that a structure needs, half its width and height


def outline_radii(
    area: np.ndarray,
    aspect: np.ndarray,
    tilt: np.ndarray,
    irregularity: np.ndarray,
    amplitudes: np.ndarray,
    phases: np.ndarray,
) -> np.ndarray:
    """Radius of N outlines at ANGLES equally spaced angles from 0, (N, ANGLES).

    Args:
        area: Of the ellipse, (N,), share of the frame. aspect: Height over width, (N,).
        tilt: Radians, (N,). irregularity: Standard deviation of the radius as its share, (N,).
        amplitudes, phases: (N, 7) of the harmonics; amplitudes are scaled to that deviation.
    """
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    half_width = np.sqrt(area / (np.pi * aspect))
    half_height = half_width * aspect
    turned = angle - tilt[:, None]
    ellipse = 1.0 / np.hypot(
        np.cos(turned) / half_width[:, None], np.sin(turned) / half_height[:, None]
    )
    lobes = np.zeros((len(area), ANGLES))
    for column, count in enumerate(HARMONICS):
        wave = np.cos(count * angle + phases[:, column, None])
        lobes += amplitudes[:, column, None] * wave
    lobes /= np.sqrt((amplitudes**2).sum(axis=1) / 2)[:, None]
    return ellipse * np.maximum(1 + irregularity[:, None] * lobes, 0.4)


def extents(radii: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom of outlines (N, ANGLES) about their centres, (N, 4)."""
    angle = 2 * np.pi * np.arange(ANGLES) / ANGLES
    x, y = radii * np.cos(angle), radii * np.sin(angle)
    return np.stack([x.min(axis=1), y.min(axis=1), x.max(axis=1), y.max(axis=1)], axis=1)


def placed_within(low: np.ndarray, high: np.ndarray, share: np.ndarray) -> np.ndarray:
    """A point between low and high; their middle where a nodule leaves no room."""
    return np.where(low < high, low + share * (high - low), (low + high) / 2)


def free_slots(boxes: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """For N nodules (N, 4: x0, y0, x1, y1), slots in the order in which they are used, (N, 6).

    Slots clear of the nodule come first, in the order of the random keys (N, 6); then the others,
    the least covered first.
    """
    slot_low, slot_high = SLOTS - SLOT_HALF, SLOTS + SLOT_HALF
    wide = np.minimum(boxes[:, None, 2:], slot_high) - np.maximum(boxes[:, None, :2], slot_low)
    covered = np.maximum(wide, 0).prod(axis=2)
    return np.lexsort((keys, covered), axis=1)


VERSION = 1  # of what the draws and the rendering give: raise it when any pixel changes

PATIENT, NODULE, FRAME, SPECKLE, STRAIN = range(5)  # names of the random streams
CENTRES = ("A", "B")
PLANES = ("transverse", "longitudinal")
DEPTHS_MM = np.array([30.0, 35.0, 40.0, 45.0])
BAND = 0.14  # width of the black border that holds scanner text, share of the side
SURFACE_MM = 7.0  # skin, fat and strap muscle above the gland
AREA = (0.06, 0.22)  # of a nodule's ellipse, share of the frame


def stream(seed: int, *names: int) -> np.random.Generator:
    """The random stream with this name, independent of all others of the seed."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=names))


@lru_cache(maxsize=8)
def drawn(settings: Phantom) -> dict[str, np.ndarray]:
    """Columns of equal length, one value (or row) an image; not to be changed.

    Lengths are shares of the frame's side, so nothing here depends on the size in pixels.
    """
    return _frames(settings, _nodules(settings, _patients(settings)))


def _patients(settings: Phantom) -> dict[str, np.ndarray]:
    count = settings.patients
    u = np.stack([stream(settings.seed, PATIENT, each).random(8) for each in range(count)])
    second, third = u[:, 1] < settings.further_nodule, u[:, 2] < settings.further_nodule
    return {
        "patient": np.arange(count),
        "at_b": u[:, 0] < settings.centre_b,
        "nodules": 1 + second + (second & third),
        "age": 20 + np.floor(60 * u[:, 3]).astype(np.int64),
        "female": u[:, 4] < 0.75,
        "depth_mm": DEPTHS_MM[np.floor(len(DEPTHS_MM) * u[:, 5]).astype(np.int64)],
        "gain_db": 3 * u[:, 6] - 1.5,
    }


def _nodules(settings: Phantom, patients: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    rows = np.repeat(patients["patient"], patients["nodules"])
    columns = {name: values[rows] for name, values in patients.items()}
    first = np.cumsum(patients["nodules"]) - patients["nodules"]
    columns["nodule"] = np.arange(len(rows)) - first[rows]
    u, z = np.empty((len(rows), 12)), np.empty((len(rows), 16))
    for row, name in enumerate(zip(rows.tolist(), columns["nodule"].tolist(), strict=True)):
        draw = stream(settings.seed, NODULE, *name)
        u[row], z[row] = draw.random(12), draw.standard_normal(16)

    prevalence = model.prevalences(settings, columns["at_b"])
    scores, stiffness, look = model.features_of(settings, prevalence, u[:, :2], z[:, :6])
    arguments = settings, prevalence, scores, stiffness
    before = model.chances_of(*arguments, np.zeros(len(rows), dtype=bool), columns["at_b"])
    fluid = u[:, 5] < (prevalence if settings.task == "source" else 0.12)
    label = (u[:, 2] < before.both) if settings.task == "diagnosis" else fluid
    label = label.astype(np.int64)
    side = {"both": (0, 1), "benign": (0,), "malignant": (1,)}[settings.flip_side]
    is_rare = u[:, 3] < model.rare_chance(settings, scores, label)
    columns |= {
        "scores": scores,
        "stiffness": stiffness,
        "look": look,
        "label": label,
        "flipped": (u[:, 4] < settings.flip) & np.isin(label, side),
        "rare": is_rare & (settings.task == "diagnosis"),
        "fluid": fluid,
        "coarse": u[:, 6] < 0.1,
        "kind": u[:, 7],
        "readings": np.column_stack([scores, stiffness]) + 0.5 * z[:, 6:12],
        "size_mm": np.clip(17 * np.exp(0.25 * z[:, 12]), 7, 26),
    }
    chance = model.node_chance(columns["at_b"], label)
    if settings.task == "source":
        chance = np.full(len(label), 0.5)
    # a lymph node lies beside the nodule: the structure that goes with the label at A
    columns["node"] = (u[:, 8] < chance) & settings.distractors
    chances = model.chances_of(*arguments, columns["node"], columns["at_b"])
    if settings.task == "source":
        chances = model.source_chances(prevalence, label)
    columns |= {f"p_{name}": getattr(chances, name) for name in model.MODALITIES}
    return columns


def _frames(settings: Phantom, nodules: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    count, planes = len(nodules["label"]), settings.planes
    columns = {name: np.repeat(values, planes, axis=0) for name, values in nodules.items()}
    plane = np.tile(np.arange(planes), count)
    u, z = np.empty((len(plane), 40)), np.empty((len(plane), 8))
    names = zip(columns["patient"], columns["nodule"], plane, strict=True)
    for row, name in enumerate(names):
        draw = stream(settings.seed, FRAME, *map(int, name))
        u[row], z[row] = draw.random(40), draw.standard_normal(8)

    scores = np.clip(columns["scores"], -4, 4)
    # seen lengthwise a nodule is longer
    aspect = np.exp(-0.10 + 0.18 * scores[:, 2] - 0.10 * plane + 0.05 * z[:, 0])
    share = np.pi / 4 * (columns["size_mm"] / columns["depth_mm"]) ** 2
    area = np.clip(share * np.exp(0.1 * z[:, 1]), *AREA)
    irregularity = np.clip(0.08 + 0.05 * scores[:, 1], 0.01, 0.2)
    radii = outline_radii(
        area, aspect, 0.15 * z[:, 2], irregularity, 0.3 + u[:, 10:17], 2 * np.pi * u[:, 17:24]
    )
    around = extents(radii)

    has_text = u[:, 0] < settings.text
    left = np.where(has_text & (u[:, 1] < 0.5), BAND, 0.0)
    right = np.where(has_text & (u[:, 1] >= 0.5), 1 - BAND, 1.0)
    surface = SURFACE_MM / columns["depth_mm"]
    x = placed_within(left + 0.03 - around[:, 0], right - 0.03 - around[:, 2], u[:, 2])
    y = placed_within(surface + 0.03 - around[:, 1], 0.92 - around[:, 3], u[:, 3])
    nodule = around + np.column_stack([x, y, x, y])
    size = nodule[:, 2:] - nodule[:, :2]
    slack = 0.03 + 0.12 * u[:, 4:8]
    loose = nodule + np.concatenate([-size, size], axis=1) * slack
    columns |= {
        "plane": plane,
        "x": x,
        "y": y,
        "area": area,
        "radii": radii,
        "nodule_box": nodule,
        "loose_box": np.clip(loose, 0, 1),
        "left": left,
        "right": right,
        "has_text": has_text,
        "surface": surface,
        "slots": free_slots(nodule, u[:, 24:30]),
        "vessel": (u[:, 8] < 0.25) & settings.distractors,
        "stone": (u[:, 9] < 0.12) & settings.distractors,
        "frame_gain_db": columns["gain_db"] + 0.5 * z[:, 3] + 4.0 * columns["at_b"],
    }
    for values in columns.values():
        values.setflags(write=False)
    return columns
