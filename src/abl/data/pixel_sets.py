"""What a training reads its images from: squares, images of their own shape, pairs of them.

Free of pandas and torch, as pixels.py is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np

from abl.data.pixels import BYTES, INDEX, fitted

PARTNER_DRAW = 11  # names the stream of random numbers of shuffled pairs


class Pixels(Protocol):
    """Images at positions of a data set, all with as many channels."""

    channels: int

    def __len__(self) -> int: ...

    def take(self, positions: np.ndarray) -> np.ndarray:
        """Images at the positions (int64 (B,)): uint8 (B, channels, H, W), new memory.

        Raises:
            ValueError: The images are not of one shape.
        """
        ...

    def shapes(self, positions: np.ndarray) -> np.ndarray:
        """int64 (B, 2): height, width of the images at the positions."""
        ...


class SquarePixels:
    """Images of one shape.

    Args:
        array: uint8 (N, C, H, W); of a memory-mapped one only the rows asked for are read.
    """

    def __init__(self, array: np.ndarray):
        if array.ndim != 4:
            raise ValueError(f"pixels need four dimensions (N, C, H, W), not {array.ndim}")
        self.array = array
        self.channels = int(array.shape[1])

    def __len__(self) -> int:
        return len(self.array)

    def take(self, positions: np.ndarray) -> np.ndarray:
        # as a plain array: a memmap's subclass costs more than the rows do
        return np.asarray(self.array)[np.asarray(positions, dtype=np.int64)]

    def shapes(self, positions: np.ndarray) -> np.ndarray:
        return np.tile(np.array(self.array.shape[2:], dtype=np.int64), (len(positions), 1))


class RaggedPixels:
    """Images of their own shape, memory-mapped: a folder that `write_ragged_pixels` has written.

    Attributes:
        sizes: int64 (N, 2): height, width.
    """

    def __init__(self, folder: Path):
        with np.load(folder / INDEX) as index:
            self._offsets: np.ndarray = index["offsets"]
            self.sizes: np.ndarray = index["shapes"]
            self.channels = int(index["channels"])
        self._bytes = np.memmap(folder / BYTES, dtype=np.uint8, mode="r")

    def __len__(self) -> int:
        return len(self.sizes)

    def image(self, position: int) -> np.ndarray:
        """uint8 (C, H, W), read-only: a view of the file."""
        start, end = self._offsets[position], self._offsets[position + 1]
        return np.asarray(self._bytes[start:end]).reshape(self.channels, *self.sizes[position])

    def take(self, positions: np.ndarray) -> np.ndarray:
        found = {tuple(shape) for shape in self.shapes(positions).tolist()}
        if len(found) > 1:
            shown = ", ".join(f"{height} x {width}" for height, width in sorted(found)[:4])
            raise ValueError(f"images of one batch have {len(found)} shapes: {shown}")
        if not found:
            return np.empty((0, self.channels, 0, 0), dtype=np.uint8)
        return np.stack([self.image(int(position)) for position in positions])

    def shapes(self, positions: np.ndarray) -> np.ndarray:
        return self.sizes[np.asarray(positions, dtype=np.int64)]


class PairedPixels:
    """Two images of each row, one after the other on the channel axis.

    Args:
        first: Decides the shape.
        second: Of as many images.
        partner: int64 (N,): whose second image stands with each first one; None is its own. Where
            a partner's shape differs from that of the first image, it is resized.
    """

    def __init__(self, first: Pixels, second: Pixels, partner: np.ndarray | None = None):
        counts = {len(first), len(second), len(first) if partner is None else len(partner)}
        if len(counts) > 1:
            raise ValueError(f"pairs need as many first as second images, not {sorted(counts)}")
        self.first, self.second = first, second
        self.partner = None if partner is None else np.asarray(partner, dtype=np.int64)
        self.channels = first.channels + second.channels

    def __len__(self) -> int:
        return len(self.first)

    def take(self, positions: np.ndarray) -> np.ndarray:
        positions = np.asarray(positions, dtype=np.int64)
        partners = positions if self.partner is None else self.partner[positions]
        images = self.first.take(positions)
        height, width = images.shape[2:]
        if (self.second.shapes(partners) == (height, width)).all():
            return np.concatenate([images, self.second.take(partners)], axis=1)
        others = [self.second.take(partners[at : at + 1])[0] for at in range(len(partners))]
        seconds = [fitted(each.transpose(1, 2, 0), height, width, len(each)) for each in others]
        return np.concatenate([images, np.stack(seconds)], axis=1)

    def shapes(self, positions: np.ndarray) -> np.ndarray:
        return self.first.shapes(positions)


def pixels_of(given: np.ndarray | Pixels) -> Pixels:
    """An array (N, C, H, W) as Pixels; Pixels as they are."""
    return SquarePixels(given) if isinstance(given, np.ndarray) else given


def shuffled_partners(
    labels: Sequence[int] | np.ndarray,
    patients: Sequence[str] | np.ndarray,
    parts: Sequence[np.ndarray],
    seed: int,
) -> np.ndarray:
    """For each row another row of the same part and label, of another patient.

    Each row of a part is given once, wherever that is possible: not where more than half of a
    class's rows are one patient's. Where a class has one patient in a part, another row of that
    patient is given, half of its rows away (another nodule, as a rule); a lone row keeps itself.

    Args:
        labels, patients: (N,).
        parts: Positions of train, validation, test: disjoint. Rows in none keep themselves.

    Returns:
        int64 (N,): a position for each row.
    """
    labels, patients = np.asarray(labels), np.asarray(patients).astype(str)
    partner = np.arange(len(labels), dtype=np.int64)
    for number, part in enumerate(parts):
        part = np.sort(np.asarray(part, dtype=np.int64))
        for label in np.unique(labels[part]):
            rows = part[labels[part] == label]
            words = [seed, PARTNER_DRAW, number, int(label)]
            draw = np.random.default_rng(np.random.SeedSequence(words))
            partner[rows] = _exchanged(rows, patients[rows], draw)
    return partner


def _exchanged(rows: np.ndarray, patients: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """For each row (n,) of a class the row whose second image it gets."""
    count = len(rows)
    _, patient, held = np.unique(patients, return_inverse=True, return_counts=True)
    if len(held) == 1:
        return np.roll(rows, count // 2)
    most = int(held.max())
    given = np.empty(count, dtype=np.int64)
    if 2 * most > count:
        largest = patient == held.argmax()
        own, others = draw.permutation(rows[largest]), draw.permutation(rows[~largest])
        given[~largest] = own[: len(others)]
        given[largest] = np.resize(others, most)
        return given
    # rows patient by patient, patients and their rows in random order: a shift by at least the
    # largest block, and at most all but it, takes no row into its own patient's block
    order = np.lexsort((draw.random(count), draw.permutation(len(held))[patient]))
    shift = int(draw.integers(most, count - most, endpoint=True))
    given[order] = rows[np.roll(order, -shift)]
    return given
