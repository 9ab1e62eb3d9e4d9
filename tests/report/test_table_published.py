"""Published values beside ours: the right arm, the right unit, and nothing passed over silently."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from abl.errors import InputError
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.tables import FORMATS, printed, table_of
from abl.report.tables.published_file import read_published

TABLES = Path(__file__).parents[3] / "shared" / "methods" / "tables"


def arm(consensus: int | str, rule: str, network: str = "resnet101") -> ArmOutcome:
    cells = {name: Cell(0.8, 0.01, 0.7, 0.9, 3) for name in ("acc", "auc")}
    params = {"network": network, "consensus": consensus, "rule": rule}
    return ArmOutcome(f"{network}-{consensus}-{rule}", params, cells, pd.DataFrame())


def outcome() -> Outcome:
    arms = [arm("", "original"), *(arm(n, rule) for n in (3, 5) for rule in ("true", "average"))]
    return Outcome(
        name="threshold",
        key="0" * 64,
        study="two_step",
        title="",
        axes=("network", "consensus", "rule"),
        metrics=("acc", "auc"),
        primary="acc",
        curve_axis="",
        arms=tuple(arms),
    )


def written(folder: Path, text: str) -> Path:
    path = folder / "paper.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_values_stand_beside_their_arm(tmp_path: Path) -> None:
    text = "consensus,rule,acc,acc_sd,auc\n,original,86.1,1.2,0.9038\n3.0,true,88.52,,0.9125\n"
    published = read_published(written(tmp_path, text), outcome())
    table = table_of(outcome(), published=published)
    labels = [column.label for column in table.columns]
    acc, auc = labels.index("ACC published"), labels.index("AUC published")
    shown = {row[0].text: (row[acc].text, row[auc].text) for row in table.rows}
    assert shown["original"] == ("86.1 ± 1.2", "90.4")
    assert shown["consensus 3 · true"] == (
        "88.5",
        "91.2",
    )  # per cent and fractions, decided column by column
    assert shown["consensus 5 · average"] == ("", "")
    raw = {row["rule"] + row["consensus"]: row for row in rows_of(printed(table, "csv"))}
    assert float(raw["original"]["acc_published"]) == pytest.approx(0.861, abs=1e-12)
    assert raw["average5"]["acc_published"] == ""


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("format", [name for name in FORMATS if name != "csv"])
def test_a_reader_is_told_what_it_is(tmp_path: Path, format: str) -> None:
    text = "consensus,rule,acc,source\n3,true,0.9,Li 2020 table 2\n4,true,0.91,Li 2020 table 2\n"
    published = read_published(written(tmp_path, text), outcome())
    shown = " ".join(printed(table_of(outcome(), published=published), format, width=400).split())
    assert "paper.csv (Li 2020 table 2)" in shown
    assert "row 3 (consensus 4, true)" in shown


def test_several_sources_are_marked_cell_by_cell(tmp_path: Path) -> None:
    text = "consensus,rule,acc,source\n3,true,0.9,Li\n5,true,0.91,Wu\n"
    published = read_published(written(tmp_path, text), outcome())
    shown = printed(table_of(outcome(), published=published), "text", width=200)
    assert "\na  published: Li" in shown
    assert "\nb  published: Wu" in shown
    assert "90.0 a" in shown


def test_the_unit_column_decides(tmp_path: Path) -> None:
    text = "consensus,rule,acc,unit\n3,true,0.9,per cent\n5,true,0.9,fraction\n"
    values = read_published(written(tmp_path, text), outcome()).values
    assert values["resnet101-3-true", "acc"].mean == pytest.approx(0.009)
    assert values["resnet101-5-true", "acc"].mean == pytest.approx(0.9)


def test_rows_beside_several_arms_are_said(tmp_path: Path) -> None:
    published = read_published(written(tmp_path, "rule,acc\ntrue,0.9\n"), outcome())
    assert len(published.values) == 2
    assert any("row 2 beside several arms" in note for note in published.notes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("consensus,rule,acc,device\n3,true,1,x\n", "paper.csv:1: column 'device' is no axis"),
        ("consensus,rule,acc,netwrk\n3,true,1,x\n", "did you mean 'network'"),
        ("consensus,rule\n3,true\n", "paper.csv:1: no metric of threshold"),
        ("acc\n0.9\n", "paper.csv:1: no axis of threshold"),
        ("consensus,rule,acc\n3,true,high\n", "paper.csv:2: acc: 'high' is no number"),
        ("consensus,rule,acc\n3,true,0.9\n3,true,0.8\n", "paper.csv:3: row 2 gives acc"),
        ("consensus,rule,acc\n3,true,90\n5,true,0.9\n", "paper.csv:3: acc: 0.9 beside values"),
        ("consensus,rule,acc\n3,true,901\n", "paper.csv:2: acc: 901 is no share"),
        (
            "rule,acc,unit\naverage,9,%\ntrue,9,permille\n",
            "paper.csv:3: unit 'permille'",
        ),
    ],
)
def test_faults_name_file_and_row(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        read_published(written(tmp_path, text), outcome())
    assert said in str(caught.value)


def test_a_metric_we_do_not_measure_is_said(tmp_path: Path) -> None:
    published = read_published(written(tmp_path, "rule,acc,sen\ntrue,0.9,0.8\n"), outcome())
    assert any("SEN" in note for note in published.notes)


def test_pivoted(tmp_path: Path) -> None:
    text = "consensus,rule,acc\n3,true,0.9\n5,average,0.91\n"
    published = read_published(written(tmp_path, text), outcome())
    table = table_of(outcome(), pivot=("rule", "consensus"), published=published)
    labels = [column.label for column in table.columns]
    by_rule = {row[0].text: row for row in table.rows}
    assert by_rule["true"][labels.index("consensus 3, published")].text == "90.0"
    assert by_rule["average"][labels.index("consensus 5, published")].text == "91.0"
