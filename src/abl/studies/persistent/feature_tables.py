"""Tables of features: which values flagged images have more often, and whether rare ones are
missed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from abl.decide.audit.over_representation import LEAST_PATIENTS
from abl.plan.outcome import Outcome
from abl.report.labels import one_line
from abl.report.named import headed
from abl.report.numbers import Scale
from abl.report.tables.model import (
    Column,
    Table,
    item,
    number_column,
    table_from,
    text_column,
)
from abl.studies.persistent.feature_columns import CLASS, EVERY
from abl.studies.persistent.features import ALL, REFERENCE

RATIO, SHARE, P = Scale(1.0, 2, ""), Scale(100.0, 1, "%"), Scale(1.0, 3, "")
_NAN = float("nan")


def features_table(outcome: Outcome, rows: pd.DataFrame) -> Table | None:
    """A row a value of a feature, by group; None without rows.

    Args:
        rows: Of `feature_rows`; `data` where the sweep has several data sets.
    """
    if rows.empty:
        return None
    unit = outcome.facts.clusters or "patient"
    grouped = not set(rows["group"]) <= {CLASS, EVERY}
    columns: list[Column] = [
        *([text_column("data")] if "data" in rows else []),
        *([text_column("group", write=one_line)] if grouped else []),
        text_column("feature", write=one_line),
        text_column("value", write=one_line),
        number_column("images"),
        number_column("share", SHARE.number, "of the set, %"),
        number_column("training_share", SHARE.number, "of training sets, %"),
        _count("flagged_images", "images", "flagged (of those that have it)"),
        _count("flagged_patients", "patients", f"flagged {unit}s"),
        _ratio("", "odds ratio of a flag [95 %]"),
        _P_COLUMN,
        number_column("error_rate", SHARE.number, "errors, %"),
        _ratio("rate_", "odds ratio of an error [95 %]"),
        Column("", False, None, {name: item(name) for name in ("why", "rate_why")}),
    ]  # fmt: skip
    alone = sorted(set(rows.loc[~rows["rate_adjusted"].astype(bool), "feature"]) - {"class"})
    notes = [
        f"A {unit} has a value, and is flagged, if one of its images has or is. P: exact, "
        f"two-sided, {unit}s as the unit, within those of about as many images; corrected over all "
        "values (step-down, permuted flags). Intervals: exact, each alone.",
        f"P is – where fewer than {LEAST_PATIENTS} {unit}s have the value, or fewer have another; "
        "errors have no interval there."
        if rows["flagged_images"].any()
        else "No image is flagged: no value can go with flags. Errors have no interval where fewer "
        f"than {LEAST_PATIENTS} {unit}s have the value, or fewer have another.",
        f"Errors: of all answers of all networks, against the commonest value ({REFERENCE}) of the "
        f"feature, classes being equal; intervals allow for images of one {unit} being alike.",
    ]
    notes += _without_odds(rows)
    if alone:
        notes.append(f"Classes are not equal for what tells them: {', '.join(alone)}.")
    found = outcome.facts.study.get("persistence", ())
    notes += dict.fromkeys(note for each in found for note in each.get("features_left_out", ()))
    title = headed(outcome, "features of flagged images")
    return table_from(
        f"{outcome.name}-features", title, columns, rows.to_dict("records"),
        axis_count=2 + grouped + ("data" in rows), notes=notes,
    )  # fmt: skip


def _without_odds(rows: pd.DataFrame) -> list[str]:
    """A sentence on each feature of which no value has the odds of an error, with the reason."""
    said = []
    for feature, own in rows[rows["rate_why"] != REFERENCE].groupby("feature", sort=False):
        reasons = dict.fromkeys(str(why) for why in own["rate_why"] if why)
        if own["rate_odds_ratio"].isna().all() and reasons:
            said.append(f"No odds of an error by {one_line(str(feature))}: {'; '.join(reasons)}.")
    return said


def rarity_table(outcome: Outcome, rows: pd.DataFrame) -> Table | None:
    """Whether values that are rare in training are misclassified more often; None without rows."""
    if rows.empty:
        return None
    columns: list[Column] = [
        *([text_column("data")] if "data" in rows else []),
        text_column("feature", write=one_line),
        _ratio("", "odds ratio of an error [95 %]"),
        _P_COLUMN,
        number_column("patients", lambda value: f"{value:.0f}" if value == value else ""),
        text_column("why", "", value=item("why")),
    ]  # fmt: skip
    notes = [
        "Odds of an error where the value of an image is half as frequent in the training sets, "
        f"classes being equal; {ALL}: where all of its values are.",
        "Patients: those that it is of. Images of a class that is always, or never, wrong tell "
        "nothing of odds and are left out.",
        "What is rare may be hard for another reason: these data alone cannot tell these apart.",
    ]
    title = headed(outcome, "are rare features missed?")
    return table_from(
        f"{outcome.name}-rare-features", title, columns, rows.to_dict("records"),
        axis_count=2 if "data" in rows else 1, notes=notes,
    )  # fmt: skip


def _count(name: str, of: str, label: str) -> Column:
    raw = {name: item(name, 0)} | ({} if of == "images" else {of: item(of, 0)})
    return Column(label, True, lambda row: f"{row[name]} of {row[of]}", raw)


def _ratio(prefix: str, label: str) -> Column:
    """An odds ratio with its interval; of a reference, that word."""
    names = [f"{prefix}{name}" for name in ("odds_ratio", "low", "high")]
    why = f"{prefix}why"

    def cell(row: Mapping[str, Any]) -> str:
        if row.get(why) == REFERENCE:
            return REFERENCE
        return RATIO.mean_and_interval(*(float(row[name]) for name in names))

    return Column(label, True, cell, {name: item(name, _NAN) for name in names})


def _p(row: Mapping[str, Any]) -> str:
    p, corrected = float(row["p"]), float(row["p_corrected"])
    if p != p:
        return P.number(p)
    return f"{_short(p)}, {_short(corrected)}"


_P_COLUMN = Column(
    "P, corrected", True, _p, {"p": item("p", _NAN), "p_corrected": item("p_corrected", _NAN)}
)


def _short(p: float) -> str:
    return "<0.001" if p < 0.001 else P.number(p)
