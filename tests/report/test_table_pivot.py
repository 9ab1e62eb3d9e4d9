"""A table with one axis as its columns: every arm in its place, marks kept."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pandas as pd
import pytest

from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.report.tables import FORMATS, printed, table_of
from abl.report.tables.ablation import pivot_axes
from abl.report.tables.render import display_width
from latex_check import check_latex

MODES = ("bmode", "elasticity", "late")
HEADS = ("fc", "spp")


def value_of(mode: str, head: str) -> float:
    return 0.7 + 0.05 * MODES.index(mode) + 0.01 * HEADS.index(head)


def arm(mode: str, head: str, **changes: object) -> ArmOutcome:
    mean = value_of(mode, head)
    cells = {
        "acc": Cell(mean, 0.01, mean - 0.03, mean + 0.03, 3),
        "auc": Cell(mean + 0.1, 0.02, mean + 0.05, mean + 0.15, 3),
    }
    settings: dict = {"params": {"mode": mode, "head": head}, "cells": cells}
    return ArmOutcome(
        **{"key": f"{mode}-{head}", "replicates": pd.DataFrame()} | settings | changes  # type: ignore[arg-type]
    )


def outcome(*arms: ArmOutcome, **changes: object) -> Outcome:
    settings: dict = {
        "name": "fusion",
        "key": "0" * 64,
        "study": "fusion",
        "title": "Fusion",
        "axes": ("mode", "head"),
        "metrics": ("acc", "auc"),
        "primary": "acc",
        "curve_axis": "",
        "arms": arms or tuple(arm(mode, head) for head in HEADS for mode in MODES),
    }
    return Outcome(**settings | changes)


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_arm_stands_in_its_row_and_column() -> None:
    table = table_of(outcome(), pivot=("mode", "head"))
    assert [column.label for column in table.columns] == ["mode", "fc", "spp"]
    for row in table.rows:
        for column, head in enumerate(HEADS, 1):
            mean = f"{100 * value_of(row[0].text, head):.1f}"
            assert row[column].text.startswith(f"{mean} [")
    spread = table_of(outcome(), pivot=("mode", "head"), spread=True)
    assert spread.rows[0][1].text.endswith(" ± 1.0")
    assert "ACC, %" in table.title


def test_other_axes_stay_beside_the_row() -> None:
    arms = [
        arm(mode, head, key=f"{mode}{head}{n}", params={"mode": mode, "n": n, "head": head})
        for n in (1, 3)
        for mode in MODES
        for head in HEADS
    ]
    table = table_of(outcome(*arms, axes=("mode", "n", "head")), pivot=("mode", "head"))
    assert [column.label for column in table.columns] == ["mode", "n", "fc", "spp"]
    assert {(row[0].text, row[1].text) for row in table.rows} == {
        (mode, n) for mode in MODES for n in "13"
    }


def test_an_arm_to_which_the_axis_does_not_apply_has_a_column() -> None:
    original = arm("bmode", "fc", params={"mode": "bmode", "head": ""}, key="x")
    table = table_of(outcome(original, arm("bmode", "spp")), pivot=("mode", "head"))
    assert [column.label for column in table.columns] == ["mode", "no head", "spp"]


def test_numbers_are_headed_by_their_axis() -> None:
    arms = [arm("late", "fc", params={"mode": "late", "head": n}, key=str(n)) for n in (1, 3)]
    table = table_of(outcome(*arms), pivot=("mode", "head"))
    assert [column.label for column in table.columns][1:] == ["head 1", "head 3"]


def test_arms_that_no_axis_tells_apart_are_all_shown() -> None:
    arms = [arm("late", "fc"), arm("late", "fc", key="again")]
    assert len(table_of(outcome(*arms), pivot=("mode", "head")).rows) == 2


@pytest.mark.parametrize("format", FORMATS)
def test_marks_and_failures_are_kept(format: str) -> None:
    comparison = Comparison("b", 0.1, 0, 0.2, 0.01, 0.02, "better")
    arms = [
        arm("bmode", "fc", failed="no GPU", cells={}),
        arm("late", "fc", best=True),
        arm("late", "spp", tied=True, comparison=comparison),
    ]
    shown = printed(table_of(outcome(*arms), pivot=("mode", "head")), format)
    if format != "csv":
        assert "failed: no GPU" in shown
        assert "best arm on ACC" in shown
        assert "may be the best, too" in shown
    if format == "text":
        assert re.search(r"80\.0 \[.*?\] \*", shown)
        assert re.search(r"81\.0 \[.*?\] †", shown)
        assert "better" not in shown


def test_another_metric_takes_no_marks_from_the_primary_one() -> None:
    arms = [arm("late", "fc", best=True), arm("late", "spp", tied=True)]
    for pivot in (("mode", "head"), None):
        shown = printed(table_of(outcome(*arms), metric="auc", pivot=pivot), "text")
        assert "90.0 [" in shown
        assert "80.0" not in shown
        assert not set("*†") & set(shown)


def test_intervals_and_fractions() -> None:
    table = table_of(outcome(), pivot=("mode", "head"), per_cent=False)
    shown = printed(table, "text", width=200)
    assert "0.700 [0.670, 0.730]" in shown
    assert "%" not in table.title


def test_csv_holds_full_precision() -> None:
    rows = rows_of(printed(table_of(outcome(), pivot=("mode", "head"), decimals=0), "csv"))
    for row in rows:
        for head in HEADS:
            assert float(row[f"acc_mean ({head})"]) == value_of(row["mode"], head)


@pytest.mark.parametrize("width", [60, 100, 160])
def test_fits_the_terminal(width: int) -> None:
    table = table_of(outcome(), pivot=("head", "mode"))
    shown = printed(table, "text", width=width)
    assert max(display_width(line) for line in shown.splitlines()) <= width
    assert len(re.findall(r"\d\d\.\d \[\d\d", shown)) == len(MODES) * len(HEADS)


@pytest.mark.parametrize(
    ("pivot", "said"),
    [
        (("mode", "haed"), "'head'"),
        (("mode", "mode"), "one axis"),
        (("x", "y"), "no axis 'x'"),
    ],
)
def test_wrong_axes_are_told(pivot: tuple[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        table_of(outcome(), pivot=pivot)


def test_unknown_metric_is_told() -> None:
    with pytest.raises(InputError, match="did you mean 'auc'"):
        table_of(outcome(), metric="auk")


def test_option_is_two_names() -> None:
    assert pivot_axes(" mode , head") == ("mode", "head")
    for wrong in ("mode", "a,b,c", "mode,", ""):
        with pytest.raises(InputError, match="ROWS,COLUMNS"):
            pivot_axes(wrong)


def test_latex_is_balanced_and_of_one_width() -> None:
    plain = arm("late", "fc", best=True)
    names = [("a_b & c", "50%"), ("[x]", "{y}"), ("*", "")]
    arms = [replace(plain, key=mode, params={"mode": mode, "head": head}) for mode, head in names]
    shown = printed(table_of(outcome(*arms), pivot=("mode", "head"), intervals=True), "latex")
    check_latex(shown)


def test_tables_of_one_sweep_stand_in_one_paper() -> None:
    made = outcome()
    tables = [
        table_of(made),
        table_of(made, metric="auc"),
        table_of(made, pivot=("mode", "head")),
        table_of(made, pivot=("mode", "head"), metric="auc"),
        table_of(made, pivot=("head", "mode")),
    ]
    labels = [re.findall(r"\\label{(.+)}", printed(each, "latex")) for each in tables]
    assert labels[0] == ["tab:fusion"]
    assert len({label for (label,) in labels}) == len(tables)


def test_latex_says_that_a_table_is_wider_than_a_page() -> None:
    narrow = printed(table_of(outcome(), metric="acc"), "latex")
    assert "characters wide" not in narrow
    names = {f"metric{at}": Cell(0.5, 0.1, 0.4, 0.6, 3) for at in range(6)}
    arms = [arm(mode, "fc", cells=names) for mode in MODES]
    wide = printed(table_of(outcome(*arms, metrics=tuple(names), primary="metric0")), "latex")
    said = [line for line in wide.splitlines() if line.startswith("%")]
    assert any("characters wide" in line for line in said)
    assert "sidewaystable" in said[-1]


def test_a_note_on_a_column_stands_where_the_column_does() -> None:
    note = "Optimism: ACC on validation, where T* was chosen, less ACC on test."
    made = outcome(notes=(note, "Test sets: 9 images."), metrics=("acc", "auc"))
    assert note in [each.text for each in table_of(made).notes]
    for table in (table_of(made, metric="auc"), table_of(made, pivot=("mode", "head"))):
        told = [each.text for each in table.notes]
        assert note not in told
        assert "Test sets: 9 images." in told


def test_an_axis_goes_by_its_path_and_by_the_name_that_tables_show() -> None:
    path = "train.attention.alpha"
    arms = [
        arm(mode, "fc", key=f"{mode}{n}", params={"mode": mode, path: n})
        for n in (1, 3)
        for mode in MODES
    ]
    made = outcome(*arms, axes=("mode", path))
    by_path = printed(table_of(made, pivot=("mode", path)), "csv")
    assert printed(table_of(made, pivot=("mode", "alpha")), "csv") == by_path
    with pytest.raises(
        InputError, match=r"--pivot: no axis 'alpah' in fusion: did you mean 'alpha'"
    ):
        table_of(made, pivot=("mode", "alpah"))
