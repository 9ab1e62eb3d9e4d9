"""`labels:` in a sweep file: what is called otherwise, what is refused; no digest moves."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import abl
from abl.cli import app
from abl.plan.outcome import Facts
from abl.spec.labels import Labels
from tiny_sweeps import write_sweep

SWEEP = """
name: named
study: two_step
data: {phantom: {patients: 40}}
axes: {rule: [original, average, true], train.epochs: [2, 3]}
train: {network: tiny_vgg, last_k: 1}
image: {size: 32, channels: 1}
base: {rule: original}
metrics: [acc, auc, sen@benign]
primary: acc
"""


def told(folder: Path, labels: str) -> list[str]:
    path = folder / "named.yaml"
    path.write_text(SWEEP + "labels:\n" + labels)
    found = CliRunner().invoke(app, ["plan", str(path), "--mlruns", str(folder / "runs")])
    assert found.exit_code == 2, found.output
    assert not (folder / "runs").exists()
    return [line for line in found.stderr.splitlines() if line.startswith("abl: ")]


def test_every_label_of_nothing_is_told_at_once_with_the_nearest(tmp_path: Path) -> None:
    labels = """
  axes: {rules: rule}
  values: {rule: {averaged: mean, true: the true one}, train.epochs: {3: long}}
  metrics: {acc: right, aucc: area, sen@malignant: found}
"""
    lines = told(tmp_path, labels)
    for said in (
        "labels.axes: no axis 'rules': did you mean 'rule'?",
        "labels.values.rule: no arm has 'averaged': did you mean 'average'?",
        "labels.metrics: no metric 'aucc' in this file: did you mean 'auc'?",
        "labels.metrics: no metric 'sen@malignant' in this file: did you mean 'sen@benign'?",
    ):
        assert any(said in line for line in lines), (said, lines)
    assert len(lines) == 4
    assert all("named.yaml:" in line for line in lines)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ("  axes: {rule: ''}", "axes.rule: write 1 to 80 characters"),
        (f"  metrics: {{auc: {'x' * 81}}}", "metrics.auc: write 1 to 80 characters"),
        ("  values: {rule: {average: x, original: x}}", "average and original have one label, 'x'"),
        ("  value: {rule: {average: x}}", "did you mean 'values'?"),
    ],
)
def test_labels_that_would_show_nothing_or_two_things_as_one(
    tmp_path: Path, labels: str, said: str
) -> None:
    assert said in " ".join(told(tmp_path, labels))


def test_labels_enter_no_digest_and_change_the_table(tiny_folder: Path) -> None:
    def swept() -> abl.SweepResult:
        loaded = abl.load(tiny_folder / "tiny.yaml", root=tiny_folder / "runs")
        return abl.run(loaded, executor="local", record=False)

    write_sweep(tiny_folder)
    plain = swept()
    write_sweep(
        tiny_folder,
        {"labels": {"metrics": {"acc": "Right"}, "values": {"rule": {"original": "as it was"}}}},
    )
    named = swept()
    assert named.report.ran == []
    assert named.outcome.key == plain.outcome.key
    assert [arm.key for arm in named.outcome.arms] == [arm.key for arm in plain.outcome.arms]
    assert named.folder == plain.folder
    for file in ("table.txt", "table.md", "table.tex", "table.html", "table.json", "answer.md"):
        text = (named.folder / file).read_text(encoding="utf-8")
        assert "as it was" in text or file == "answer.md", file
    assert "as it was" in (named.folder / "report.html").read_text(encoding="utf-8")
    assert "original" in (named.folder / "table.csv").read_text(encoding="utf-8")


def test_labels_are_kept_with_the_facts_only_where_there_are_some() -> None:
    assert "labels" not in Facts().flat()
    labels = Labels(axes={"rule": "fusion"}, values={"rule": {"true": "T"}})
    assert Facts.from_flat(Facts(labels=labels).flat()).labels == labels
