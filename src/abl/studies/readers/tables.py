"""Tables of a reader study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from abl.decide.agreement import agreement_band
from abl.plan.outcome import Outcome
from abl.report.labels import cluster_word, clusters_named, one_line
from abl.report.named import headed
from abl.report.numbers import NOTHING, Scale, p_label
from abl.report.tables.model import Column, Table, item, number_column, table_from, text_column
from abl.studies.readers.agreeing import ALL, OF_PAIR, WITHIN
from abl.studies.readers.common_scale import RANKED

SHARE, AUC, KAPPA = Scale(100.0, 1, "%"), Scale(1.0, 3, ""), Scale(1.0, 3, "")
RATERS, DIFFERENCES, AGAINST, TREATMENTS, AGREEMENT, ANSWERS, DIVIDED = (
    "readers", "differences", "against", "treatments", "agreement", "answers", "divided",
)  # fmt: skip
NAMES = {"auc": "AUC", "sen": "SEN", "spe": "SPE", "acc": "ACC"}
EFFECTS = {
    "random": "readers and cases", "fixed_readers": "cases", "fixed_cases": "readers",
}  # fmt: skip
_NAN = float("nan")


def reader_tables(outcome: Outcome, own: Mapping[str, pd.DataFrame]) -> dict[str, Table]:
    """Name, as `--show` has it -> table; those without rows are left out."""
    makers: dict[str, Callable[[Outcome, pd.DataFrame], Table]] = {
        RATERS: _raters_table,
        DIFFERENCES: _differences_table,
        AGAINST: _against_table,
        TREATMENTS: _treatments_table,
        AGREEMENT: _agreement_table,
    }
    return {
        name: make(outcome, frame)
        for name, make in makers.items()
        if not (frame := own.get(name, pd.DataFrame())).empty
    }


def _raters_table(outcome: Outcome, frame: pd.DataFrame) -> Table:
    columns = [
        text_column("rater", write=one_line),
        *_optional(frame, "treatment", "experience"),
        number_column("tp"), number_column("fn"), number_column("fp"), number_column("tn"),
        *([number_column("missing")] if frame["missing"].any() else []),
        *(
            _with_ends(f"{NAMES[name]} [95 %], %", name, SHARE)
            for name in ("sen", "spe", "acc")
            if frame[name].notna().any()
        ),
        *([_with_ends("AUC [95 %]", "auc", AUC)] if frame["auc"].notna().any() else []),
    ]  # fmt: skip
    notes = [
        "Readers, then arms, on the test images that readers answered. Shares: generalised "
        "estimating equations, clusters are patients (Liang, Zeger 1986; few patients: Mancl, "
        "DeRouen 2001). AUC: of ratings, or of an arm's scores; DeLong's variance.",
        "Of an arm the first replicate that tests an image: it answers once, as a reader does. The "
        "table of arms has all replicates.",
    ]
    if outcome.facts.study.get("readers", {}).get("ranked"):
        notes.append(RANKED)
    if frame["missing"].any():
        notes.append("Missing answers are missing: neither right nor wrong.")
    return _table(outcome, RATERS, "readers and arms", columns, frame, 1, notes)


def _differences_table(outcome: Outcome, frame: pd.DataFrame) -> Table:
    columns = [
        text_column("first", write=one_line),
        text_column("second", write=one_line),
        *_optional(frame, "treatment"),
        text_column("statistic", "", write=lambda name: NAMES.get(name, name)),
        _difference(),
        number_column("p", p_label, "P"),
        number_column("holm", p_label, "P, Holm"),
    ]
    notes = [
        "First minus second, on the images that both read. Shares: interval and P (Wald) of the "
        "difference by generalised estimating equations, a row an (image, rater), clusters are "
        "patients. AUC: DeLong. Images are random here, readers are these.",
        "Holm: adjusted within the pairs of one kind (reader - reader, reader - arm, arm - arm) "
        "and statistic.",
    ]
    return _table(outcome, DIFFERENCES, "pairs of raters", columns, frame, 2, notes)


def _against_table(outcome: Outcome, frame: pd.DataFrame) -> Table:
    few = two_reader_notes(frame)
    frame = _told(frame)
    margin = frame["noninferior"].notna().any()
    # frames that were kept before P was corrected lack it
    several = "holm" in frame and frame["arm"].nunique() > 1
    columns = [
        text_column("arm", write=one_line),
        text_column("group", "readers", write=one_line),
        *_optional(frame, "treatment"),
        text_column("statistic", "", write=lambda name: NAMES.get(name, name)),
        text_column("effects", "random", write=lambda name: EFFECTS.get(name, name)),
        _value("arm_value", "arm"),
        _value("readers_value", "mean of readers"),
        _difference(),
        number_column("p", p_label, "P"),
        *([number_column("holm", p_label, "P, Holm")] if several else []),
        *([number_column("noninferior", p_label, "P, non-inferior")] if margin else []),
        *(
            [number_column("noninferior_holm", p_label, "P, non-inferior, Holm")]
            if margin and several
            else []
        ),
    ]
    notes = [
        "Arm minus the mean of the readers, on the images that all of them answered: Obuchowski "
        "and Rockette's model, one treatment, on the differences (Hillis 2007). Random: of what "
        "other samples the interval speaks. With cases fixed nothing is said of other cases.",
        *few,
    ]
    if margin:
        notes.append(
            f"Non-inferior: one-sided P that the arm is worse by the margin "
            f"({_margin(outcome):g}) or more; below 0.025 it is not."
        )
    if several:
        notes.append(
            "Holm: adjusted within the arms, for one group of readers, one statistic and what is "
            "random. Intervals are those of each arm alone."
        )
    return _table(outcome, AGAINST, "arms against readers", columns, frame, 2, notes)


def _treatments_table(outcome: Outcome, frame: pd.DataFrame) -> Table:
    few = two_reader_notes(frame)
    frame = _told(frame)
    # frames that were kept before P was corrected lack it
    several = "holm" in frame and len(frame[["first", "second"]].drop_duplicates()) > 1
    columns = [
        text_column("first"),
        text_column("second"),
        text_column("group", "readers", write=one_line),
        text_column("statistic", "", write=lambda name: NAMES.get(name, name)),
        text_column("effects", "random", write=lambda name: EFFECTS.get(name, name)),
        _value("first_value", "first"),
        _value("second_value", "second"),
        _difference(),
        number_column("p", p_label, "P"),
        *([number_column("holm", p_label, "P, Holm")] if several else []),
    ]
    notes = [
        "First minus second, means over readers: Obuchowski and Rockette's model with Hillis' "
        "degrees of freedom.",
        *few,
    ]
    if several:
        notes.append(
            "Holm: adjusted within the pairs of one group of readers, one statistic and what is "
            "random. Intervals are those of each pair alone."
        )
    return _table(outcome, TREATMENTS, "treatments", columns, frame, 2, notes)


def _agreement_table(outcome: Outcome, frame: pd.DataFrame) -> Table:
    is_pair = bool(frame["what"].isin([OF_PAIR, WITHIN]).any())
    columns = [
        text_column("first", "", write=one_line),
        text_column("second", "", write=one_line),
        *_optional(frame, "treatment"),
        text_column("statistic", ""),
        Column(
            "value [95 %]",
            True,
            lambda row: KAPPA.mean_and_interval(row["value"], row["low"], row["high"]),
            {name: item(name, _NAN) for name in ("value", "low", "high")},
        ),
        text_column("band", "", value=lambda row: agreement_band(row["value"])),
        *([number_column("same", _count, "alike"), number_column("images", _count)] * is_pair),
    ]
    notes = [
        "Intervals by 1000 bootstrap resamples of patients. Missing answers are missing: groups "
        "keep the others of an image, pairs have the images that both answered. Bands: to 0 poor, "
        "0.20 slight, 0.40 fair, 0.60 moderate, 0.80 substantial, above almost perfect (Landis, "
        "Koch 1977).",
        "A kappa depends on how frequent the classes are, and is no accuracy.",
    ]
    return _table(outcome, AGREEMENT, "agreement", columns, frame, 2, notes)


def two_reader_notes(frame: pd.DataFrame) -> list[str]:
    """Of which groups two readers are too few for an interval over readers to say much."""
    is_one = (frame["effects"] == "fixed_cases") & (frame["df"] == 1)
    groups = [one_line(name) for name in dict.fromkeys(frame.loc[is_one.to_numpy(), "group"])]
    if not groups:
        return []
    who = "" if groups == [ALL] else f" ({', '.join(groups)})"
    return [
        f"Two readers{who}: how much readers differ is known with one degree of freedom, so that "
        "an interval over readers may be as wide as the scale. It says that little is known."
    ]


def _count(value: float) -> str:
    return "" if value != value else f"{value:.0f}"


def _told(frame: pd.DataFrame) -> pd.DataFrame:
    """Of groups with readers and cases random alone; all rows are kept in the Parquet file."""
    return frame[((frame["group"] == ALL) | (frame["effects"] == "random")).to_numpy()]


def _table(
    outcome: Outcome,
    name: str,
    what: str,
    columns: list[Column],
    frame: pd.DataFrame,
    axis_count: int,
    notes: list[str],
) -> Table:
    title = headed(outcome, f"{what}")
    rows = frame.to_dict("records")
    said = [clusters_named(note, cluster_word(outcome)) for note in notes]
    return table_from(
        f"{outcome.name}-{name}", title, columns, rows, axis_count=axis_count, notes=said
    )


def _optional(frame: pd.DataFrame, *names: str) -> list[Column]:
    return [text_column(name, write=one_line) for name in names if (frame[name] != "").any()]


def _scale(statistic: object) -> Scale:
    return AUC if statistic == "auc" else SHARE


def _value(name: str, label: str) -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        return _scale(row["statistic"]).number(row[name])

    return Column(label, True, cell, {name: item(name, _NAN)})


def _with_ends(label: str, name: str, scale: Scale) -> Column:
    keys = (name, f"{name}_low", f"{name}_high")
    return Column(
        label,
        True,
        lambda row: scale.mean_and_interval(*(row[key] for key in keys)),
        {key: item(key, _NAN) for key in keys},
    )


def _difference() -> Column:
    def cell(row: Mapping[str, Any]) -> str:
        scale = _scale(row["statistic"])
        interval = scale.interval(row["low"], row["high"])
        shown = scale.difference(row["difference"])
        return shown if interval == NOTHING else f"{shown} {interval}"

    raw = {key: item(key, _NAN) for key in ("difference", "low", "high")}
    return Column("difference [95 %]", True, cell, raw)


def _margin(outcome: Outcome) -> float:
    return float(outcome.facts.study["readers"]["margin"])
