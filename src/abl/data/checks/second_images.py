"""Second images of rows (column image2): files that are first images too, and exchanged columns."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pandas as pd

from abl.data.dataset import PAIR, Dataset, ImageSource, SomeImages
from abl.data.images import FileSource
from abl.errors import Problem

SECOND, SECOND_FINGERPRINT = "image2", "image2_fingerprint"
FEWEST_PAIRS = 8  # from which the looks of two modalities are told apart
APART = 4.0  # how many times its spread a difference of two modalities is
NAMED = 5


def second_file_problems(dataset: Dataset) -> list[Problem]:
    """Second images that hold the bytes of a first one; see the two functions below.

    Args:
        dataset: Of first images; of others nothing is told.
    """
    if second_files(dataset)[0] is None:
        return []
    return [*same_file_problems(dataset), *other_row_problems(dataset)]


def same_file_problems(dataset: Dataset) -> list[Problem]:
    """Second images that hold the bytes of their row's own first one.

    Args:
        dataset: Of first images, as its manifest has them, with second ones beside them.
    """
    names, images = _names(dataset)
    first, second, given = _digests(dataset)
    return [
        dataset.problem(
            int(row),
            f"is {SECOND} and holds the same bytes as the row's image '{images[row]}'; name its "
            f"second modality, or leave {SECOND} empty",
            names[row],
        )
        for row in np.flatnonzero(given & (first == second))
    ]


def other_row_problems(dataset: Dataset) -> list[Problem]:
    """Second images that hold the bytes of another row's first one, in a part of the rows.

    Where every row's second image is another row's first (two planes of one nodule, each beside the
    other), that is how the table is meant.
    """
    names, images = _names(dataset)
    first, second, given = _digests(dataset)
    place = {digest: row for row, digest in reversed(list(enumerate(first))) if digest}
    others = given & (first != second) & np.array([each in place for each in second], bool)
    if others[given].all():
        return []
    problems = []
    for row in np.flatnonzero(others):
        there = images[place[second[row]]]
        number = f" of row {dataset.rows[there]}" if there in dataset.rows else ""
        text = (
            f"is {SECOND} and holds the same bytes as the image '{there}'{number}: are the columns "
            f"image and {SECOND} exchanged in a part of the rows?"
        )
        problems.append(dataset.problem(int(row), text, names[row]))
    return problems


def pair_notes(dataset: Dataset) -> list[str]:
    """What is odd about the pairs of a data set, without its pixels: a sentence each."""
    exchanged = exchanged_words(dataset.frame, exchanged_by_name(dataset.frame), "their names")
    notes = [f"{exchanged}."] if exchanged else []
    if others := other_row_problems(dataset):
        count = "1 row is" if len(others) == 1 else f"{len(others)} rows is"
        notes.append(
            f"{SECOND} of {count} the image of another row, byte by byte: `abl data check` "
            "names it."
        )
    return notes


def _names(dataset: Dataset) -> tuple[list[str], list[str]]:
    """Second and first images as the manifest names them."""
    second, first = (dataset.frame[n].fillna("").astype(str).tolist() for n in (SECOND, "image"))
    return second, first


def _digests(dataset: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fingerprints of first and second images (N,), and bool (N,): which rows have a second."""
    frame = dataset.frame
    first, second = (frame[name].to_numpy(object) for name in ("fingerprint", SECOND_FINGERPRINT))
    given = (frame[SECOND].fillna("").astype(str) != "").to_numpy(bool)
    return first, second, given & (second != "")


def second_files(dataset: Dataset) -> tuple[ImageSource | None, np.ndarray]:
    """What decodes second images that nothing else asks for, and bool (N,): which rows have one.

    None where there are none, or where they are read already: as pairs, or as samples.
    """
    frame, source = dataset.frame, dataset.source
    nothing = np.zeros(len(frame), bool)
    if not {SECOND, SECOND_FINGERPRINT} <= set(frame.columns) or PAIR in frame:
        return None, nothing
    while isinstance(source, SomeImages):
        source = source.source
    if dataset.second is not None or dataset.boxes_of is not None:
        return None, nothing
    if not isinstance(source, FileSource):
        return None, nothing
    paths = frame[SECOND].fillna("").astype(str)
    files = FileSource(source.folder, tuple(paths), tuple(frame[SECOND_FINGERPRINT]), source.bits)
    # a file that could not be hashed is told already, and may hang whoever opens it
    there = (paths != "") & (frame[SECOND_FINGERPRINT] != "")
    return files, there.to_numpy(bool)


def exchanged_by_name(frame: pd.DataFrame) -> np.ndarray:
    """Rows whose two names each follow the pattern of the other column.

    A pattern is a path without its numbers; it has to hold for most of the rows.

    Args:
        frame: image, image2 ("" where there is none).
    """
    given = np.flatnonzero((frame[SECOND].fillna("").astype(str) != "").to_numpy())
    patterns = [
        tuple(re.sub(r"\d+", "#", str(name)) for name in pair)
        for pair in frame[["image", SECOND]].iloc[given].itertuples(index=False, name=None)
    ]
    return given[_reversed(patterns)]


def _reversed(pairs: list[tuple[str, ...]]) -> np.ndarray:
    """Positions of the pairs (b, a), should (a, b) be what at least as many are and both be all."""
    counts = Counter(pairs)
    if len(counts) < 2:
        return np.empty(0, np.int64)
    (usual, most), *_ = counts.most_common(1)
    exchanged = usual[::-1]
    # with further patterns names follow no rule
    if usual == exchanged or counts[exchanged] + most < 0.9 * len(pairs):
        return np.empty(0, np.int64)
    return np.array([at for at, pair in enumerate(pairs) if pair == exchanged], np.int64)


def exchanged_by_looks(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Positions of pairs that look as if the two images stood in each other's column.

    A look in which the modalities differ by much more than images of one modality do, in either
    direction, tells them apart; the direction of most pairs is the usual one. A pair is exchanged
    that differs the other way by more than half of what pairs differ by.

    Args:
        first, second: float64 (N, looks): brightness, colour, ... of the two images.
    """
    if len(first) < FEWEST_PAIRS:
        return np.empty(0, np.int64)
    for at in range(first.shape[1]):
        difference = first[:, at] - second[:, at]
        size = np.abs(difference)
        if not size.any() or size.mean() < APART * size.std():
            continue
        minority = difference < 0 if (difference > 0).sum() >= len(first) / 2 else difference > 0
        # an exchanged pair differs as others do; one that differs by little is only unusual
        return np.flatnonzero(minority & (size > size.mean() / 2))
    return np.empty(0, np.int64)


def exchanged_words(frame: pd.DataFrame, exchanged: np.ndarray, by: str) -> str:
    """A sentence on rows whose columns seem exchanged; "" of none."""
    if not len(exchanged):
        return ""
    given = int((frame[SECOND].fillna("").astype(str) != "").sum())
    named = ", ".join(str(frame["image"].iloc[row]) for row in exchanged[:NAMED])
    more = f" and {len(exchanged) - NAMED} more" if len(exchanged) > NAMED else ""
    return (
        f"image and {SECOND} seem exchanged in {len(exchanged)} of {given} rows, by {by}: "
        f"{named}{more}"
    )
