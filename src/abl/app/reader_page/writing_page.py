"""`abl readers page SWEEP`: writes the page on which readers answer."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import (
    SweepImages,
    predictions_on_test,
    refuse_other_data,
    sweep_images,
)
from abl.app.reader_page.aids import aids_of
from abl.app.reader_page.reading_page import (
    READING_KEY,
    ShownImage,
    ShownPicture,
    reading_page,
)
from abl.app.results import outcome_folder, outcome_named
from abl.data.image_codes import image_code
from abl.errors import InputError
from abl.outputs import Output, refuse_outputs
from abl.record.done import write_atomically
from abl.record.store import Store
from abl.report.labels import counted
from abl.studies.readers.options import AIDED, UNAIDED

SIDE = 800  # longest side of a picture, pixels
QUALITY = 90  # of its JPEG
MOST_IMAGES = 500
_WITHOUT = "without names, labels or what networks said"
_WITHOUT_NAMES = "without names and labels"
_AID = (
    "With each image stands what a network said of it that was not trained on it: a probability of "
    "each class. It may be wrong."
)
NAME = "reading"  # of the file; from the second session on with its number


def write_reading_page(
    store: Store,
    name: str,
    *,
    out: Path | None = None,
    images: int | None = None,
    seed: int = 0,
    session: int = 1,
    treatment: str = "",
    aid: str | None = None,
    pairs: bool = False,
    roots: Sequence[Path] = (),
) -> list[str]:
    """Writes the page of a sweep's test images, or the two of a study with and without an aid;
    returns what is to be said.

    Args:
        out: Folder; default: that of the sweep's newest table.
        images: How many; they are drawn by class, so that each class keeps its share. None: all, or
            MOST_IMAGES of them.
        seed: Of which images and in what order.
        session: 1, 2, ...: the same images, each session in an order of its own.
        treatment: As reading_page; each has an order of its own too.
        aid: Words of an arm. Then there are two pages of the same images, unaided and aided, which
            is with what that arm said.
        pairs: As sweep_images.
        roots: Folders of data sets.

    Raises:
        InputError: No such sweep, no predictions by image, images that cannot be read, others than
            were scored, a folder that cannot be written, a file there that is no such page.
    """
    if aid is not None and treatment:
        raise InputError(
            f"--treatment {treatment}: --aid makes the pages of {UNAIDED} and {AIDED}: leave it out"
        )
    outcome = outcome_named(store, name)
    folder = outcome_folder(store, outcome) if out is None else out
    pages = [
        (each, aid is not None and each == AIDED, _words(each, session))
        for each in ([treatment] if aid is None else [UNAIDED, AIDED])
    ]
    _refuse_others(folder / _file_name(words) for _, _, words in pages)
    tested = predictions_on_test(store, outcome)
    data = sweep_images(store, outcome, roots, pairs=pairs)
    refuse_other_data(outcome, data, tested, "write the page")
    labels = tested.drop_duplicates("unit").set_index("unit")["label"]
    labels.index = labels.index.astype(str)
    chosen = chosen_images(labels, images or MOST_IMAGES, seed)
    arm, aids = ("", {}) if aid is None else aids_of(outcome, tested, aid, data.dataset.classes)
    head = _head(len(chosen), len(labels), seed, session)
    aided_head = [head[0].replace(_WITHOUT, _WITHOUT_NAMES), *head[1:], _AID]
    shown = {image: _shown(data, image) for image in chosen}
    said = list(head)
    for each, aided, words in pages:
        images_of = [
            replace(shown[image], aid=aids[image]) if aided else shown[image]
            for image in reading_order(chosen, seed, session, each)
        ]
        page = reading_page(
            ", ".join([f"Reading of {outcome.name}", *words]),
            aided_head if aided else head,
            images_of,
            classes=data.dataset.classes,
            sweep=outcome.name,
            session=session,
            treatment=each,
        )
        path = folder / _file_name(words)
        _write(path, page)
        with_aid = f", with what {arm} said, some weeks later" if aided else ""
        said.append(
            f"{path} ({len(page) / 1e6:.1f} MB): each reader opens it in a browser and downloads "
            f"the answers{with_aid}"
        )
    order = "" if aid is None else f" --base {UNAIDED} --order {UNAIDED},{AIDED}"
    return [*said, f"then: abl readers ANSWERS.csv --sweep {outcome.name}{order}"]


def _words(treatment: str, session: int) -> list[str]:
    """What tells a page from the others of its sweep."""
    return [*([treatment] if treatment else []), *([f"session {session}"] if session > 1 else [])]


def _refuse_others(paths: Iterable[Path]) -> None:
    """Raises InputError for files there that are no reading pages."""
    elsewhere = "move it away, or write elsewhere with --out FOLDER"
    refuse_outputs(
        Output("", path, is_own=_is_page, instead=elsewhere)
        for path in paths
        if os.path.lexists(path)
    )


def _is_page(path: Path) -> bool:
    try:
        return READING_KEY in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _file_name(words: Sequence[str]) -> str:
    name = "_".join([NAME, *(re.sub(r"[^\w-]+", "_", each) for each in words)])
    return f"{name.replace('session_', '')}.html"


def _write(path: Path, page: str) -> None:
    try:
        write_atomically(path, page)
    except OSError as error:
        said = f"{path.parent}: cannot be written ({error.strerror or error})"
        raise InputError(said) from None


def chosen_images(labels: pd.Series, most: int, seed: int) -> list[str]:
    """So many images at most, drawn at random, each class with its share (largest remainders).

    Args:
        labels: Class (number) by image.

    Returns:
        Names, sorted.
    """
    if len(labels) <= most:
        return sorted(map(str, labels.index))
    classes, counts = np.unique(labels.to_numpy(), return_counts=True)
    exact = counts * most / counts.sum()
    takes = np.floor(exact).astype(int)
    takes[np.argsort(takes - exact, kind="stable")[: most - takes.sum()]] += 1
    draw = np.random.default_rng([seed, 0])
    names = []
    for label, take in zip(classes, takes, strict=True):
        of_class = sorted(map(str, labels.index[(labels == label).to_numpy()]))
        names += draw.permutation(of_class)[:take].tolist()
    return sorted(names)


def reading_order(images: Sequence[str], seed: int, session: int, treatment: str = "") -> list[str]:
    """The images in an order that is drawn anew for each session and treatment, and owes nothing
    to names.
    """
    by_code = sorted(images, key=image_code)
    draw = np.random.default_rng([seed, session, *treatment.encode()])
    return [str(each) for each in draw.permutation(by_code)]


def _shown(data: SweepImages, image: str) -> ShownImage:
    pictures = tuple(
        ShownPicture(
            data.thumbnail(image, SIDE, QUALITY, of=array),
            *data.thumbnail_size(image, SIDE, of=array),
        )
        for array in data.arrays
    )
    return ShownImage(image_code(image), pictures)


def _head(count: int, known: int, seed: int, session: int) -> list[str]:
    head = [
        f"{counted(count, 'test image')}, one at a time, in an order drawn at random (seed "
        f"{seed}{f', session {session}' if session > 1 else ''}), {_WITHOUT}."
    ]
    if count < known:
        head.append(f"Drawn from {known}, each class with its share: --images {known} shows all.")
    return head
