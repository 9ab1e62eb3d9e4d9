"""How often each image was in a test set, and how often it was classified wrongly there.

Source: Rafalo, Zylka, "Persistent Misclassification Analysis for Improving Thyroid Cancer
Classification from Ultrasound Images" (2025): O_j appearances, E_j of them wrong, F_j = E_j / O_j.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.decide.check import Floats, Ints, largest_class

PROBABILITY = r"^p_\d+$"


@dataclass(frozen=True, eq=False)
class Appearances:
    """N images in the test sets of M networks, whose trainings may be many.

    Attributes:
        images: (N,) names, sorted.
        labels: (N,) classes as given.
        patients: (N,) names, of what splits keep together; the image's own where none is known.
        networks: The M names, in the order in which they first appear.
        seen: (N, M) O_j by network: test sets of its trainings that hold the image.
        wrong: (N, M) E_j by network: how many of them got the image wrong.
        p: (N, M, K) mean probabilities over these trainings; nan where `seen` is 0.
    """

    images: np.ndarray
    labels: Ints
    patients: np.ndarray
    networks: tuple[str, ...]
    seen: Ints
    wrong: Ints
    p: Floats

    @property
    def times_seen(self) -> Ints:
        """(N,) O_j, over all networks."""
        total: Ints = self.seen.sum(axis=1)
        return total

    @property
    def times_wrong(self) -> Ints:
        """(N,) E_j, over all networks."""
        total: Ints = self.wrong.sum(axis=1)
        return total

    @property
    def share_wrong(self) -> Floats:
        """(N,) F_j, over all networks; nan for an image that was in no test set: not known."""
        return shares(self.times_wrong, self.times_seen)

    def of_network(self, name: str) -> Appearances:
        """The same images, of one network alone."""
        at = [self.networks.index(name)]
        return Appearances(
            self.images, self.labels, self.patients, (name,),
            self.seen[:, at], self.wrong[:, at], self.p[:, at],
        )  # fmt: skip


def appearances_of(rows: pd.DataFrame, images: pd.DataFrame | None = None) -> Appearances:
    """Counts and mean probabilities by image and network.

    Args:
        rows: One an (image, network, training): image, label (int), network, p_0, p_1, ...;
            optional patient, and `called` (int): the class that the training's own cut-off gives,
            without it that of the largest probability.
        images: image, label and optional patient of the whole set, of which some may be unseen.
    """
    whole = rows if images is None else images
    first = whole.drop_duplicates("image").sort_values("image", ignore_index=True)
    names = first["image"].to_numpy()
    image = pd.Index(names).get_indexer(rows["image"].to_numpy())
    network, found = pd.factorize(rows["network"])
    p = rows.filter(regex=PROBABILITY).to_numpy(dtype=np.float64)
    called = rows["called"].to_numpy() if "called" in rows else largest_class(p)
    size, cells = len(found), len(names) * len(found)
    cell = image * size + network
    seen = np.bincount(cell, minlength=cells)
    errors = called != rows["label"].to_numpy()
    wrong = np.bincount(cell[errors], minlength=cells)
    total = np.stack(
        [np.bincount(cell, weights=column, minlength=cells) for column in p.T], axis=-1
    )
    with np.errstate(invalid="ignore"):
        mean = total / np.where(seen, seen, np.nan)[:, None]
    return Appearances(
        images=names,
        labels=first["label"].to_numpy(dtype=np.int64),
        patients=(first["patient"] if "patient" in first else first["image"]).to_numpy(),
        networks=tuple(str(name) for name in found),
        seen=seen.reshape(-1, size).astype(np.int64),
        wrong=wrong.reshape(-1, size).astype(np.int64),
        p=mean.reshape(-1, size, p.shape[1]),
    )


def shares(wrong: Ints, seen: Ints) -> Floats:
    """E / O; nan where O is 0."""
    found: Floats = np.divide(
        wrong, seen, out=np.full(np.shape(seen), np.nan), where=np.asarray(seen) > 0
    )
    return found
