"""How sure the selectors are of the training images that they judge: what T* was read off.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, Figure 3: histogram and cumulative share of |p_B - p_M| on
training images, of each selector and of all, with the share under T*. There selectors judge images
that they were trained on; here they may judge images that were held out from them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abl.decide.check import largest_class, margin
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.report.numbers import Scale
from abl.stages.select import SELECTION
from abl.studies.two_step.judgements import Judged, judgements, judges_out_of_fold
from abl.studies.two_step.networks import VOTE

if TYPE_CHECKING:  # a plan prints no table
    from abl.report.tables.model import Column, Table

IN_SAMPLE, OUT_OF_FOLD = "in_sample", "out_of_fold"
WAYS = {IN_SAMPLE: "in sample", OUT_OF_FOLD: "out of fold"}
JUDGED = {
    IN_SAMPLE: "Predictions on the images that the selectors were trained on, mean over "
    "replicates: such confidences are higher than those on new images.",
    OUT_OF_FOLD: "Predictions on training images that were held out from each selector's network "
    "in an inner cross-validation, mean over replicates.",
}
SELECTORS = "selectors"  # name of the table, of its frame and of the figure
TOTAL = "all selectors"
PAPERS = 0.9  # T* where no arm names one
MOST_THRESHOLDS, MOST_ROWS = 4, 2_000_000
SHARE = Scale(100.0, 1, "%")


def selector_frame(plan: Plan, store: Store, judged: Mapping[str, Judged]) -> pd.DataFrame:
    """One row a (selector, replicate, training image), of the first panel of each replicate; of the
    first that judges in sample and the first that judges out of fold, where there are both.

    Columns: network (str; with its seed's number where one votes several times), selection
    (in_sample or out_of_fold), repeat, fold, seed, confidence (float64, the margin of the two
    largest probabilities) and right (bool, by the label that training sees).

    Args:
        judged: Digest of a select stage -> what it judged.
    """
    seen, rows, count = set(), [], 0
    for digest, part in judged.items():
        stage, key = plan.stages[digest], part.replicate
        how = OUT_OF_FOLD if judges_out_of_fold(stage) else IN_SAMPLE
        if (how, key) in seen or not store.has(digest) or count > MOST_ROWS:
            continue
        seen.add((how, key))
        selection = pd.read_parquet(store.file(digest, SELECTION)).set_index("image")
        for network, p in judgements(store, part, stage, selection.index):
            source = plan.stages[network]
            name = source.label.removeprefix("train ").split(" ")[0]
            vote = (int(source.seed or 0) - key.seed) // VOTE
            named = f"{name} #{vote + 1}" if vote else name
            found = {"network": named, "selection": how, **vars(key)}
            right = largest_class(p) == selection["label"].to_numpy()
            rows.append(pd.DataFrame({**found, "confidence": margin(p), "right": right}))
            count += len(right)
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()


def named_thresholds(outcome: Outcome) -> list[float]:
    """The T* between 0 and 1 that arms name, ascending, the first few; the paper's if none does."""
    named = {arm.params.get("threshold") for arm in outcome.arms}
    found = sorted(
        float(each)
        for each in named
        if isinstance(each, int | float) and not isinstance(each, bool) and 0 < each <= 1
    )
    return found[:MOST_THRESHOLDS] or [PAPERS]


def ways_in(frame: pd.DataFrame) -> list[str]:
    """How images were judged, in_sample first; frames of earlier versions know no other way."""
    if "selection" not in frame:
        return [IN_SAMPLE]
    found = set(frame["selection"])
    return [way for way in (IN_SAMPLE, OUT_OF_FOLD) if way in found]


def groups_in(frame: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, way of judging and rows of each selector, then of all; one way after the other."""
    found = []
    for way in ways_in(frame):
        of = frame[frame["selection"] == way] if "selection" in frame else frame
        each = [(str(name), way, rows) for name, rows in of.groupby("network", sort=False)]
        found += [*each, (TOTAL, way, of)] if len(each) > 1 else each
    return found


def share_under(confidence: Any, threshold: float) -> float:
    """Share of images whose confidence is under T*: what goes to the second network."""
    return float(np.mean(np.asarray(confidence) < threshold))


def selectors_table(outcome: Outcome, frame: pd.DataFrame) -> Table | None:
    """A row a selector and one of all: share classified right, shares under each T*."""
    from abl.report.tables.model import Column, item, table_from, text_column

    if frame.empty:
        return None
    thresholds, ways = named_thresholds(outcome), ways_in(frame)
    rows: list[Mapping[str, Any]] = [
        {
            "network": name,
            "selection": WAYS[way],
            "images": len(of) // len(of[["repeat", "fold", "seed", "network"]].drop_duplicates()),
            "right": float(of["right"].mean()),
            **{f"under_{cut:g}": share_under(of["confidence"], cut) for cut in thresholds},
        }
        for name, way, of in groups_in(frame)
    ]

    def share(name: str, label: str) -> Column:
        return Column(label, True, lambda row: SHARE.number(row[name]), {name: item(name)})

    columns = [
        text_column("network"),
        *([text_column("selection")] if len(ways) > 1 else []),
        Column("images", True, lambda row: f"{row['images']:,}", {"images": item("images")}),
        share("right", "right (%)"),
        *(share(f"under_{cut:g}", f"under T* {cut:g} (%)") for cut in thresholds),
    ]
    title = "Selectors on their training images"
    return table_from(SELECTORS, title, columns, rows, notes=[JUDGED[way] for way in ways])


def shares_said(names: Sequence[float], confidence: Any) -> str:
    """'38.0 % under 0.9, 61.2 % under 0.95'."""
    shares = [f"{100 * share_under(confidence, cut):.1f} % under {cut:g}" for cut in names]
    return ", ".join(shares)
