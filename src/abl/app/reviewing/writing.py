"""`abl review SWEEP`: writes the page and the sheet that readers fill in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import predictions_on_test, refuse_other_data
from abl.app.image_pages.text_cells import sheet_text
from abl.app.results import kept_analysis, outcome_folder, outcome_named, own_frames
from abl.app.reviewing.evidence import (
    Ranking,
    appearances_in,
    ranked,
    said_of,
)
from abl.app.reviewing.map_overlays import maps_over_images
from abl.app.reviewing.review_page import ActivationMap, Card, review_page
from abl.app.reviewing.reviewed_data import SIDE, ReviewedData, reviewed_data
from abl.app.reviewing.sheet import ANSWERS
from abl.data.tables.rows import read_rows
from abl.decide.audit.appearances import Appearances
from abl.errors import InputError
from abl.outputs import Output, refuse_outputs
from abl.plan.outcome import Outcome
from abl.record.done import write_atomically
from abl.record.store import Store
from abl.report.labels import counted

PAGE, SHEET = "review.html", "review.csv"
_KEY = "abl-review:"  # of the page's answers; by it a page is known
MOST_IMAGES = 200
MOST_ALIKE = 6  # near-duplicates named on a card


@dataclass(frozen=True, eq=False)
class _Review:
    outcome: Outcome
    data: ReviewedData
    seen: Appearances
    ranking: Ranking
    blind: bool


def write_review(
    store: Store,
    name: str,
    *,
    out: Path | None = None,
    images: int = MOST_IMAGES,
    arms: Sequence[str] = (),
    blind: bool = False,
    seed: int = 0,
    roots: Sequence[Path] = (),
) -> list[str]:
    """Writes the page and the sheet of a sweep; returns what is to be said.

    Args:
        out: Folder; default: that of the sweep's newest table.
        images: How many at most, those to look at first.
        arms: Words of the arms that count as networks; none: all.
        blind: Whether what networks said is left out, and the order drawn.
        seed: Of that order.
        roots: Folders of data sets.

    Raises:
        InputError: No such sweep, no predictions by image, images that cannot be read, others than
            were scored, a folder that cannot be written, a sheet there that holds answers.
    """
    outcome = outcome_named(store, name)
    folder = outcome_folder(store, outcome) if out is None else out
    _refuse_answers(folder / SHEET)
    elsewhere = "move it away, or write elsewhere with --out FOLDER"
    if folder.is_dir():
        refuse_outputs([Output("", folder / PAGE, is_own=_is_page, instead=elsewhere)])
    tested = predictions_on_test(store, outcome)
    data = reviewed_data(store, outcome, roots)
    refuse_other_data(outcome, data, tested, "review it")
    seen = appearances_in(store, outcome, data.labels, arms)
    review = _Review(outcome, data, seen, ranked(seen, _own_flags(store, outcome)), blind)
    known = review.ranking.order[seen.times_seen[review.ranking.order] > 0]
    chosen = known[:images]
    if blind:
        chosen = np.random.default_rng(seed).permutation(np.sort(chosen))
    shown, hidden = data.columns()
    names = [str(seen.images[at]) for at in chosen]
    columns, rows = _sheet(review, chosen, shown)
    head = [*_head(review, len(chosen), len(known), seed), *_hidden(hidden)]
    maps = {} if blind else maps_over_images(kept_analysis(store, outcome).pictures, names)
    page = review_page(
        f"Review of {outcome.name}" + (", blinded" if blind else ""),
        head,
        [_card(review, int(at), shown, maps) for at in chosen],
        classes=data.dataset.classes,
        columns=columns,
        rows=rows,
        key=f"{_KEY}{outcome.name}:{data.digest}:{'blind' if blind else 'open'}",
        blind=blind,
    )
    try:
        write_atomically(folder / SHEET, sheet_text(columns, rows))
        write_atomically(folder / PAGE, page)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror or error})") from None
    return [
        *head,
        f"{folder / PAGE}: open it in a browser, decide, and download {SHEET}",
        f"then: abl review {outcome.name} --apply {SHEET} --out FOLDER",
    ]


def _is_page(path: Path) -> bool:
    try:
        return _KEY in path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def _refuse_answers(path: Path) -> None:
    """Raises InputError if a sheet is there in which something is decided."""
    if not path.exists():
        return
    rows = read_rows(path)
    if "decision" not in rows.frame or any(rows.text("decision")):
        raise InputError(
            f"{path} holds answers: move it away, or write elsewhere with --out FOLDER"
        )


def _own_flags(store: Store, outcome: Outcome) -> pd.Series | None:
    """Whether the sweep's own table of images flags one, by image."""
    own = own_frames(store, outcome).get("images", pd.DataFrame())
    if not {"image", "flagged"} <= set(own.columns) or own["image"].duplicated().any():
        return None
    return own.set_index("image")["flagged"].astype(bool)


def _head(review: _Review, chosen: int, known: int, seed: int) -> list[str]:
    seen, outcome = review.seen, review.outcome
    flagged = int(review.ranking.flagged.sum())
    head = [
        f"{counted(known, 'image')} of {outcome.name} {'was' if known == 1 else 'were'} in test "
        f"sets of {counted(len(seen.networks), 'network')}."
    ]
    if chosen < known:
        said = f"{known - chosen} of these are left out: --images {known} shows all."
        head.append(f"The first {chosen} in order of review are here; {said}")
    if unseen := len(review.data.dataset) - known:
        head.append(f"{counted(unseen, 'image')} in no test set: nothing is known of them.")
    if review.blind:
        head.append(
            f"Blinded: what networks said is left out, and the order is drawn (seed {seed})."
        )
        return head
    if outcome.facts.controls and len(seen.networks) < len(outcome.arms):
        head.append("Arms that used labels of test images count for nothing here.")
    return [*head, f"{counted(flagged, 'image')} flagged.", *review.ranking.words]


def _hidden(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    return [f"Not shown, as names may tell persons: column {', '.join(names)}."]


def _card(
    review: _Review, at: int, shown: Sequence[str], maps: Mapping[str, Sequence[ActivationMap]]
) -> Card:
    data, seen, ranking = review.data, review.seen, review.ranking
    image, label = str(seen.images[at]), int(seen.labels[at])
    alike = data.look_alikes.get(image, [])
    width, height = data.thumbnail_size(image, SIDE)
    card = Card(
        image=image,
        label=data.class_of(label),
        source=data.thumbnail(image, SIDE),
        width=width,
        height=height,
        look_alikes=_alike_words(data, alike),
        contradicts=any(other != label for _, other in alike),
        metadata=list(data.metadata(image, shown).items()),
    )
    if review.blind:
        return card
    wrong, times = int(seen.times_wrong[at]), int(seen.times_seen[at])
    rate = f"{100 * ranking.rate[at]:.0f} %"
    ends = f"{100 * ranking.low[at]:.0f} to {100 * ranking.high[at]:.0f} %"
    said = said_of(seen, at)
    return replace(
        card,
        flagged=bool(ranking.flagged[at]),
        share=f"Wrong in {wrong} of {counted(times, 'test appearance')}; error rate {rate} "
        f"({ends}); score {ranking.score[at]:.3f}",
        said=[{**row, "words": _p_words(data, row["p"])} for row in said],
        said_head=counted(len(said), "network"),
        maps=maps.get(image, []),
    )


def _p_words(data: ReviewedData, p: object) -> str:
    shares = list(p) if isinstance(p, list) else []
    order = sorted(range(len(shares)), key=lambda at: -shares[at])[:3]
    return ", ".join(f"{data.class_of(at)} {shares[at]:.2f}" for at in order)


def _alike_words(data: ReviewedData, alike: Sequence[tuple[str, int]]) -> str:
    words = [f"{name} ({data.class_of(label)})" for name, label in alike[:MOST_ALIKE]]
    more = [f"and {len(alike) - MOST_ALIKE} more"] * (len(alike) > MOST_ALIKE)
    return ", ".join([*words, *more])


def _sheet(
    review: _Review, chosen: np.ndarray, shown: Sequence[str]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows of the review sheet, answers empty."""
    data, seen, ranking = review.data, review.seen, review.ranking
    told = [] if review.blind else [
        "flagged", "score", "wrong", "seen", "share_wrong", "error_rate", "low", "high",
        *(f"{what} {name}" for name in seen.networks for what in ("p(label)", "wrong")),
    ]  # fmt: skip
    fixed = ["image", "label", *ANSWERS, "sweep", "data", *told, "near_duplicates"]
    columns = [*fixed, *(name if name not in fixed else f"manifest {name}" for name in shown)]
    rows = []
    for at in chosen.tolist():
        image, label = str(seen.images[at]), int(seen.labels[at])
        said: list[str] = []
        if not review.blind:
            said = [
                "yes" if ranking.flagged[at] else "no",
                _number(ranking.score[at]),
                str(seen.times_wrong[at]),
                str(seen.times_seen[at]),
                _number(seen.share_wrong[at]),
                *(_number(each[at]) for each in (ranking.rate, ranking.low, ranking.high)),
            ]
            for network in range(len(seen.networks)):
                known = seen.seen[at, network]
                said += [_number(seen.p[at, network, label])] if known else [""]
                said += [str(seen.wrong[at, network])] if known else [""]
        metadata = data.metadata(image, shown)
        alike = _alike_words(data, data.look_alikes.get(image, []))
        rows.append(
            [
                image, data.class_of(label), *[""] * len(ANSWERS), review.outcome.name, data.digest,
                *said, alike, *(metadata.get(name, "") for name in shown),
            ]
        )  # fmt: skip
    return columns, rows


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.4f}"
