"""`labels:` in a sweep file: what is called otherwise, what is refused; no digest moves."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

import abl
import commands
from abl.cli.every import app
from abl.plan.facts import Facts
from abl.report.figures.arms import shown_arms
from abl.report.figures.predictions import reliability_figure
from abl.spec.labels import Labels
from made_arms import made_frame, made_outcome
from tiny_sweeps import TWO_NETWORKS, write_sweep

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


def test_labels_are_used_wherever_a_sweep_is_told(tiny_folder: Path) -> None:
    labels = {
        "metrics": {"acc": "Right", "auc": "AUC_ROC"},
        "axes": {"train.augment.rotate_deg": "rotation"},
        "values": {
            "train.network": {"pooled3": "Plain", "pooled6": "Finer"},
            "train.augment.rotate_deg": {0: "unturned", 30: "up to 30°"},
        },
    }
    values = {
        **TWO_NETWORKS, "labels": labels, "metrics": ["acc", "auc"], "primary": "acc",
        "axes": {"train.network": ["pooled3", "pooled6"], "train.augment.rotate_deg": [0, 30]},
        "base": {"train.network": "pooled3", "train.augment.rotate_deg": 0},
    }  # fmt: skip
    path = tiny_folder / "two.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    arms = [
        f"{turned} · {net}" for turned in ("unturned", "up to 30°") for net in ("Plain", "Finer")
    ]
    planned = commands.abl(tiny_folder, "plan", "two.yaml").stdout
    assert "a difference in Right of two arms" in planned
    assert [line.strip() for line in planned.partition("\narms\n")[2].splitlines()] == arms
    done = commands.abl(tiny_folder, "sweep", "two.yaml", "--executor", "local", "--record", "off")
    assert done.exit_code == 0, done.output
    assert "| train unturned · Plain r0 f0 s0" in done.output
    for arm in arms:
        assert arm in done.stdout
    watched = commands.abl(tiny_folder, "watch", "two.yaml").stdout
    assert "Right, %" in watched
    assert all(arm in watched for arm in arms)
    pair = ("compare", "tiny:Finer unturned", "tiny:Plain unturned")
    for told in ([], ["--format", "md"], ["--format", "html", "--data", "."]):
        compared = commands.abl(tiny_folder, *pair, *told).stdout
        assert "unturned · Finer" in compared
        assert "Right, %" in compared
        assert "AUC_ROC, %" in compared.replace("\\_", "_")
        assert "ACC" not in compared
    values["replicates"] = {"repeats": 1, "seeds": [1]}
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    commands.abl(tiny_folder, "sweep", "two.yaml", "--executor", "local", "--record", "off")
    differ = commands.abl(tiny_folder, "diff", "tiny").stdout
    assert "up to 30° · Finer: Right " in differ
    for told in (planned, watched, differ.partition("\narms\n")[2]):
        assert "rotate_deg" not in told
        assert "pooled" not in told


def test_the_class_of_a_reliability_curve_is_named() -> None:
    frame = made_frame({"a": 1.0, "b": 0.5})
    made = made_outcome(frame, {"a": {"rule": "a"}, "b": {"rule": "b"}}, axes=["rule"])
    drawn = reliability_figure(shown_arms(made, frame), ("smooth", "lobed"))
    assert drawn.get_supxlabel() == "predicted probability of lobed"


def test_labels_are_kept_with_the_facts_only_where_there_are_some() -> None:
    assert "labels" not in Facts().flat()
    labels = Labels(axes={"rule": "fusion"}, values={"rule": {"true": "T"}})
    assert Facts.from_flat(Facts(labels=labels).flat()).labels == labels
