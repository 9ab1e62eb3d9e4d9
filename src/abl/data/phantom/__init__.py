"""Generated thyroid ultrasound: the public door. What it is and what it assumes: docs/phantom.md.

dataset = phantom_dataset(Phantom(patients=200, size=64))
frame = dataset.source.decode(0)
ceiling = bayes_ceiling(Phantom())["bmode"]["auc"]
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

import numpy as np

from abl.data.dataset import Dataset
from abl.data.phantom.draws import VERSION, drawn
from abl.data.phantom.files import phantom_table, phantom_truth, sample_sheet, write_phantom
from abl.data.phantom.model import bayes_ceiling
from abl.data.phantom.rendering import IMAGES
from abl.spec.data import Phantom

__all__ = [
    "PhantomSource", "Rendered", "bayes_ceiling", "phantom_dataset", "phantom_table",
    "phantom_truth", "render", "sample_sheet", "write_phantom",
]  # fmt: skip

Modality = Literal["bmode", "elasticity", "mask"]

CLASSES = ("benign", "malignant")
SOURCE_CLASSES = ("solid", "fluid")


@dataclass(frozen=True)
class Rendered:
    """One frame: bmode and elasticity uint8 (S, S), mask bool (S, S)."""

    bmode: np.ndarray
    elasticity: np.ndarray
    mask: np.ndarray


def render(settings: Phantom, position: int) -> Rendered:
    """The images of a row of phantom_table(settings).

    They depend on the settings that matter to them and on the row's patient, nodule and plane:
    more patients or flipped labels change no pixel.
    """
    bmode, elasticity, mask = (image(settings, position) for image in IMAGES.values())
    return Rendered(bmode, elasticity, mask > 0)


@dataclass(frozen=True)
class PhantomSource:
    """Renders images, uint8 (S, S), when they are asked for; an ImageSource. Of a mask the nodule
    is 255, the rest 0.
    """

    settings: Phantom
    modality: Modality = "bmode"

    def decode(self, position: int) -> np.ndarray:
        return IMAGES[self.modality](self.settings, position)

    def fingerprints(self) -> list[str]:
        """SHA-256 over all that decides an image's pixels; no label, no number of patients."""
        columns, settings = drawn(self.settings), self.settings
        shared = [VERSION, self.modality, settings.size, settings.seed, settings.task,
                  settings.ambiguous, settings.rare, settings.distractors]  # fmt: skip
        names = ("patient", "nodule", "plane", "has_text", "at_b")
        own = zip(*(columns[name].tolist() for name in names), strict=True)
        found = []
        for *name, at_b in own:
            prevalence = settings.prevalence_b if at_b else settings.prevalence
            parts = [*shared, *name, at_b, prevalence]
            found.append(hashlib.sha256(json.dumps(parts).encode()).hexdigest())
        return found


def phantom_dataset(settings: Phantom, modality: Modality = "bmode") -> Dataset:
    """A generated set, not yet rendered: images of one modality, with the same rows for each.

    The frame is phantom_table's, with the columns that a manifest's data set has beside it:
    fingerprint (of this modality), image2 (elasticity), image2_fingerprint, mask_fingerprint.
    """
    source = PhantomSource(settings, modality)
    frame = phantom_table(settings)
    frame["image2"] = frame["elasticity"]
    frame["fingerprint"] = source.fingerprints()
    frame["image2_fingerprint"] = PhantomSource(settings, "elasticity").fingerprints()
    frame["mask_fingerprint"] = PhantomSource(settings, "mask").fingerprints()
    classes = CLASSES if settings.task == "diagnosis" else SOURCE_CLASSES
    return Dataset("phantom", frame, source, classes)
