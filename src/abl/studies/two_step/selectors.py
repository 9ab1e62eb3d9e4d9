"""How sure the selectors are of the images that they were trained on: what T* was read off.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, Figure 3: histogram and cumulative share of |p_B - p_M| on
training images, of each selector and of all, with the share under T*.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from abl.decide.check import largest_class, margin
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.plan.stage import PREDICTIONS
from abl.record.store import Store
from abl.report.labels import Scale
from abl.stages.select import SELECTION
from abl.studies.two_step.networks import VOTE

if TYPE_CHECKING:  # a plan prints no table
    from abl.report.tables.model import Column, Table

SELECTORS = "selectors"  # name of the table, of its frame and of the figure
TOTAL = "all selectors"
PAPERS = 0.9  # T* where no arm names one
MOST_THRESHOLDS, MOST_ROWS = 4, 2_000_000
SHARE = Scale(100.0, 1, "%")


def selector_frame(plan: Plan, store: Store) -> pd.DataFrame:
    """One row a (selector, replicate, training image), of the first panel of each replicate.

    Columns: network (str; with its seed's number where one votes several times), repeat, fold,
    seed, confidence (float64, the margin of the two largest probabilities) and right (bool, by
    the label that training sees). Empty for panels that judge out of fold.
    """
    seen, rows, count = set(), [], 0
    for cell in plan.cells:
        digest, key = cell.uses.get("select", ""), cell.replicate
        if not digest or key in seen or not store.has(digest) or count > MOST_ROWS:
            continue
        stage = plan.stages[digest]
        if "folds" in stage.settings:
            continue
        seen.add(key)
        selection = pd.read_parquet(store.file(digest, SELECTION)).set_index("image")
        for role in sorted(stage.inputs, key=lambda name: int(name.rpartition("_")[2])):
            source = plan.stages[stage.inputs[role]]
            frame = pd.read_parquet(store.file(stage.inputs[role], PREDICTIONS))
            own = frame[frame["role"] == "train"].set_index("image").loc[selection.index]
            p = own.filter(regex=r"^p_\d+$").to_numpy(dtype=np.float64)
            name = source.label.removeprefix("train ").split(" ")[0]
            vote = (int(source.seed or 0) - key.seed) // VOTE
            found = {"network": f"{name} #{vote + 1}" if vote else name, **vars(key)}
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


def groups_in(frame: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Each selector's rows, then those of all."""
    each = [(str(name), rows) for name, rows in frame.groupby("network", sort=False)]
    return [*each, (TOTAL, frame)] if len(each) > 1 else each


def share_under(confidence: Any, threshold: float) -> float:
    """Share of images whose confidence is under T*: what goes to the second network."""
    return float(np.mean(np.asarray(confidence) < threshold))


def selectors_table(outcome: Outcome, frame: pd.DataFrame) -> Table | None:
    """A row a selector and one of all: share classified right, shares under each T*."""
    from abl.report.tables.model import Column, item, table_from, text_column

    if frame.empty:
        return None
    thresholds = named_thresholds(outcome)
    rows: list[Mapping[str, Any]] = [
        {
            "network": name,
            "images": len(of) // len(of[["repeat", "fold", "seed", "network"]].drop_duplicates()),
            "right": float(of["right"].mean()),
            **{f"under_{cut:g}": share_under(of["confidence"], cut) for cut in thresholds},
        }
        for name, of in groups_in(frame)
    ]

    def share(name: str, label: str) -> Column:
        return Column(label, True, lambda row: SHARE.number(row[name]), {name: item(name)})

    columns = [
        text_column("network"),
        Column("images", True, lambda row: f"{row['images']:,}", {"images": item("images")}),
        share("right", "right (%)"),
        *(share(f"under_{cut:g}", f"under T* {cut:g} (%)") for cut in thresholds),
    ]
    note = (
        "Predictions on the images that the selectors were trained on, mean over replicates: such "
        "confidences are higher than those on new images."
    )
    title = "Selectors on their training images"
    return table_from(SELECTORS, title, columns, rows, notes=[note])


def shares_said(names: Sequence[float], confidence: Any) -> str:
    """'38.0 % under 0.9', a line a T*."""
    shares = [f"{100 * share_under(confidence, cut):.1f} % under {cut:g}" for cut in names]
    return "\n".join(shares)
