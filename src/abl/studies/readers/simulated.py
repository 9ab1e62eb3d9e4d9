"""Simulated readers of known skill: an equal-variance binormal model with shared impressions."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.check import Floats
from abl.studies.readers.options import AIDED, UNAIDED, Options, SimulatedReader, Skill

_NORMAL = NormalDist()
_DECIMALS = 3  # of a rating


def planted_auc(skill: Skill) -> float:
    """AUC of the ratings of a reader of this skill: Phi((z(sen) + z(spe)) / sqrt 2)."""
    apart = _NORMAL.inv_cdf(skill.sensitivity) + _NORMAL.inv_cdf(skill.specificity)
    return _NORMAL.cdf(apart / 2**0.5)


def simulated_answers(
    images: pd.DataFrame, classes: Sequence[str], options: Options
) -> ReaderAnswers:
    """What simulated readers say of images.

    A reader's impression of an image is normal with variance 1, its mean is 0 for negative images
    and z(sensitivity) + z(specificity) for positive ones; above z(specificity) the answer is
    positive. Impressions of one image by two readers, or by one reader with and without aid,
    have the correlation `alike`. Each depends on the seed and the names of image and reader alone.

    Args:
        images: image, label (0 or 1), patient.
    """
    shared = _normal(options.seed, "image", images["image"])
    aids = any(reader.aided for reader in options.simulated)
    parts = []
    for reader in options.simulated:
        skills: dict[str, Skill] = {UNAIDED if aids else "": reader}
        if reader.aided is not None:
            skills[AIDED] = reader.aided
        for treatment, skill in skills.items():
            parts.append(_read(images, options, reader, treatment, skill, shared))
    named = (classes[0], classes[1])
    return ReaderAnswers(pd.concat(parts, ignore_index=True), named)


def _read(
    images: pd.DataFrame,
    options: Options,
    reader: SimulatedReader,
    treatment: str,
    skill: Skill,
    shared: Floats,
) -> pd.DataFrame:
    names, positive = images["image"], images["label"].to_numpy() == 1
    who = f"{reader.name}\n{treatment}"
    own = _normal(options.seed, f"reader\n{who}", names)
    cut = _NORMAL.inv_cdf(skill.specificity)
    apart = _NORMAL.inv_cdf(skill.sensitivity) + cut
    impression = np.sqrt(options.alike) * shared + np.sqrt(1 - options.alike) * own
    # answers are those of the ratings as they are written
    rating = np.round(impression + apart * positive - cut, _DECIMALS)
    given = _uniform(options.seed, f"missing\n{who}", names) >= reader.missing
    return pd.DataFrame(
        {
            "case": names.astype(str).to_numpy(),
            "reader": reader.name,
            "treatment": treatment,
            "patient": images["patient"].astype(str).to_numpy(),
            "experience": reader.experience,
            "session": "",
            "comment": "",
            "truth": positive.astype(np.float64),
            "answer": np.where(given, rating >= 0, np.nan),
            "rating": np.where(given, rating, np.nan),
            "confidence": np.nan,
        }
    )


def _uniform(seed: int, of: str, names: pd.Series) -> Floats:
    """(N,) in (0, 1), each of its name alone: other images change nothing."""
    found = []
    for name in names.astype(str):
        digest = hashlib.sha256(f"{seed}\n{of}\n{name}".encode()).digest()
        found.append((int.from_bytes(digest[:7], "big") + 0.5) / 2**56)
    return np.array(found)


def _normal(seed: int, of: str, names: pd.Series) -> Floats:
    return np.array([_NORMAL.inv_cdf(each) for each in _uniform(seed, of, names).tolist()])
