"""Tables beside the ablation table: replicates, subgroups, data, cost, settings."""

from __future__ import annotations

import csv
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.errors import InputError
from abl.plan.facts import Facts
from abl.plan.outcome import Outcome
from abl.report.numbers import p_label, size_label, time_label
from abl.report.tables import FORMATS, printed
from abl.report.tables.external_table import external_table
from abl.report.tables.model import Column, Table, number_column, table_from, text_column
from abl.report.tables.more import replicates_table, subgroup_table
from abl.report.tables.setup import cost_table, data_table, settings_table
from latex_check import check_latex
from made_arms import THREE, made_frame, made_outcome


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_frame(dict(zip(THREE, (0.3, 0.8, 1.6), strict=True)), patients=30)


@pytest.fixture(scope="module")
def outcome(frame: pd.DataFrame) -> Outcome:
    return made_outcome(frame, THREE)


def rows_of(table: Table) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(printed(table, "csv"))))


def metadata(frame: pd.DataFrame) -> pd.DataFrame:
    units = frame.drop_duplicates("unit").set_index("unit")
    number = units["patient"].str[1:].astype(int)
    centre = np.where(number < 4, "small", np.where(number < 16, "north", "south"))
    return pd.DataFrame({"centre": centre, "size": number * 1.5}, index=units.index)


def test_every_replicate_is_a_row_with_its_numbers(outcome: Outcome) -> None:
    table = replicates_table(outcome, decimals=2)
    assert len(table.rows) == sum(len(arm.replicates) for arm in outcome.arms)
    by_place = {(row["rule"], row["consensus"], row["seed"]): row for row in rows_of(table)}
    for arm in outcome.arms:
        for row in arm.replicates.to_dict("records"):
            place = str(arm.params["rule"]), str(arm.params.get("consensus", "")), str(row["seed"])
            assert float(by_place[place]["acc"]) == row["acc"]
    assert f"{100 * outcome.arms[0].replicates['acc'].iloc[0]:.2f}" in printed(table, "text")


def test_subgroups_hold_the_arms_own_accuracy(outcome: Outcome, frame: pd.DataFrame) -> None:
    known = metadata(frame)
    rows = rows_of(subgroup_table(outcome, frame, known, "centre", resamples=200))
    arm = outcome.arms[2]
    part = frame[(frame["arm"] == arm.key) & (frame["unit"].map(known["centre"]) == "north")]
    right = (part["p_1"] >= 0.5).astype(int) == part["label"]
    row = next(row for row in rows if row["consensus"] == "5" and row["centre"] == "north")
    assert float(row["acc_mean"]) == pytest.approx(right.mean())
    assert (row["patients"], row["units"]) == ("12", "24")
    assert float(row["acc_low"]) <= float(row["acc_mean"]) <= float(row["acc_high"])
    assert len(rows) == len(outcome.arms) * 3


def test_small_groups_are_flagged_and_unknown_ones_shown(
    outcome: Outcome, frame: pd.DataFrame
) -> None:
    known = metadata(frame)
    known = known[known.index != known.index[-1]]
    shown = printed(subgroup_table(outcome, frame, known, "centre", resamples=200), "text")
    assert re.search(r"small +a ", shown)
    assert not re.search(r"north +a ", shown)
    assert re.search(r"unknown +a ", shown)
    assert "a  under 10 patients" in shown


def test_what_is_not_known_is_one_group_however_it_is_written(
    outcome: Outcome, frame: pd.DataFrame
) -> None:
    known = metadata(frame).astype({"centre": object})
    known.iloc[:6, known.columns.get_loc("centre")] = ["", "N/A", np.nan, "", "n/a", "none"]
    rows = rows_of(subgroup_table(outcome, frame, known, "centre", resamples=200))
    assert {row["centre"] for row in rows} - set(metadata(frame)["centre"]) == {"none", "unknown"}


def test_many_numbers_are_cut_at_their_quartiles(outcome: Outcome, frame: pd.DataFrame) -> None:
    rows = rows_of(subgroup_table(outcome, frame, metadata(frame), "size", resamples=200))
    groups = list(dict.fromkeys(row["size"] for row in rows))
    assert len(groups) == 4
    ends = [[float(end) for end in group.split(" to ")] for group in groups]
    assert ends == sorted(ends)
    assert sum(int(row["patients"]) for row in rows if row["rule"] == "original") == 30


def test_subgroup_faults_are_told(outcome: Outcome, frame: pd.DataFrame) -> None:
    known = metadata(frame)
    with pytest.raises(InputError, match="did you mean 'centre'"):
        subgroup_table(outcome, frame, known, "center")
    inner = known.assign(fingerprint="ab", train_label=0, image="a.png", device="one")
    with pytest.raises(InputError) as told:
        subgroup_table(outcome, frame, inner, "weekday")
    assert "device" in str(told.value)
    assert not any(name in str(told.value) for name in ("fingerprint", "train_label", "image"))
    with pytest.raises(InputError, match="is there twice"):
        subgroup_table(outcome, frame, pd.concat([known, known]), "centre")
    with pytest.raises(InputError, match="kept no predictions"):
        subgroup_table(outcome, pd.DataFrame(), known, "centre")


def data_example() -> Table:
    rows = [
        {"role": role, "centre": centre, "patients": 10, "images": 25, "benign": 15,
         "malignant": 10, "prevalence": 0.4}
        for role in ("train", "test")
        for centre in ("north", "south")
    ]  # fmt: skip
    return data_table(rows, name="made", notes=["Of the first split."])


def test_data_by_split_and_centre() -> None:
    table = data_example()
    labels = [column.label for column in table.columns]
    first = dict(zip(labels, (cell.text for cell in table.rows[0]), strict=True))
    assert first == {
        "split": "train",
        "centre": "north",
        "patients": "10",
        "images": "25",
        "benign": "15",
        "malignant": "10",
        "prevalence, %": "40.0",
    }
    one = data_table([{"role": "train", "centre": "", "patients": 1, "prevalence": 0.5}])
    assert "centre" not in [column.label for column in one.columns]


def test_cost_in_readable_units() -> None:
    rows = [
        {"network": "plain4", "parameters": 90_642, "seconds": 12.8, "flops": None},
        {"network": "vgg16", "parameters": 138_357_544, "flops": 30_960_000_000, "seconds": 4500},
    ]
    table = cost_table(rows)
    assert [cell.text for cell in table.rows[0]] == ["plain4", "90.6 k", "–", "12.8 s"]
    assert [cell.text for cell in table.rows[1]] == ["vgg16", "138 M", "31.0 G", "75.0 min"]


@pytest.mark.parametrize(
    ("value", "shown"), [(0, "0"), (999, "999"), (999_600, "1.00 M"), (1e12, "1.00 T")]
)
def test_sizes(value: float, shown: str) -> None:
    assert size_label(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.5, "0.50 s"), (119, "119 s"), (150, "2.50 min"), (7200, "2.00 h")]
)
def test_times(seconds: float, shown: str) -> None:
    assert time_label(seconds) == shown


def settings_example() -> Table:
    settings = {
        "train": {"epochs": 100, "optimizer": {"name": "adam", "lr": 1e-4}, "ema": None},
        "axes": (1, 3),
    }
    return settings_table(settings, {"train.epochs": "Section 3.2", "train.optimizer.lr": ""})


def test_settings_are_stated_or_ours() -> None:
    shown = {row["setting"]: (row["value"], row["origin"]) for row in rows_of(settings_example())}
    assert shown == {
        "train.epochs": ("100", "stated by the source (Section 3.2)"),
        "train.optimizer.name": ("adam", "ours"),
        "train.optimizer.lr": ("0.0001", "stated by the source"),
        "train.ema": ("none", "ours"),
        "axes": ("1, 3", "ours"),
    }
    with pytest.raises(InputError, match=r"did you mean 'train\.epochs'"):
        settings_table({"train": {"epochs": 1}}, {"train.epoch": ""})


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str, outcome: Outcome, frame: pd.DataFrame, tmp_path: Path) -> None:
    tables = [
        replicates_table(outcome),
        subgroup_table(outcome, frame, metadata(frame), "centre", resamples=200),
        data_example(),
        cost_table([{"network": "plain_4", "parameters": 1}]),
        settings_example(),
    ]
    for table in tables:
        shown = printed(table, format)
        assert len(shown.splitlines()) > len(table.rows)
        if format == "latex":
            check_latex(shown)


@pytest.mark.parametrize("format", FORMATS)
def test_a_column_of_the_list_is_read_by_every_format(format: str) -> None:
    columns = [
        text_column("arm"),
        number_column("auc", "{:.2f}".format, "AUC"),
        Column("shown alone", False, lambda row: "seen"),
        Column("", True, raw={"in_csv_alone": lambda row: row["auc"] / 3}),
    ]
    table = table_from("n", "t", columns, [{"arm": "a", "auc": 0.8125}, {"arm": "b", "auc": 0.75}])
    shown = printed(table, format)
    if format == "csv":
        assert shown == f"arm,auc,in_csv_alone\na,0.8125,{0.8125 / 3!r}\nb,0.75,0.25\n"
    else:
        assert all(word in shown for word in ("AUC", "0.81", "0.75", "shown alone", "seen"))
        assert not any(word in shown for word in ("0.8125", "in_csv_alone"))


@pytest.mark.parametrize(
    ("p", "shown"),
    [
        (math.nan, "–"), (0.0004, "<0.001"), (0.001, "0.001"), (0.0312, "0.031"),
        (0.0494, "0.049"), (0.0496, "0.0496"), (0.04996, "0.04996"), (0.0499999999, "<0.05"),
        (0.05, "0.050"), (0.0504, "0.050"), (0.9999, "1.000"),
    ],
)  # fmt: skip
def test_a_p_below_the_level_is_never_shown_as_the_level(p: float, shown: str) -> None:
    assert p_label(p) == shown


def test_external_sets_say_where_the_differences_are(frame: pd.DataFrame) -> None:
    outcome = made_outcome(frame, THREE, base=next(iter(THREE)))
    cell = {"mean": 0.7, "sd": 0.1, "low": 0.6, "high": 0.8, "count": 3}
    cells = {key: {"acc": cell, "auc": cell} for key in THREE}
    rows = [
        {"name": name, "arms": cells, "missing": {}, "source": f"centre {name}"} for name in "BC"
    ]
    external = replace(outcome, facts=Facts(external=rows))
    lead = external_table(external).lead
    assert lead == (
        "Asked: 3 arms by consensus and rule, on the internal test sets and on 2 external sets (B "
        "and C), ACC over 3 replicates.",
        "External sets decide nothing, so that no arms are compared on them: differences to the "
        "base are in `abl table made`.",
    )
    alone = replace(external, arms=tuple(arm.without_marks() for arm in outcome.arms))
    assert external_table(alone).lead[1].endswith("so that no arms are compared on them.")
