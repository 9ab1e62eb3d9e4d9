"""Finished sweeps in Python: DataFrames, earlier versions, arms of one's own, notebooks."""

from __future__ import annotations

import dataclasses
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC, LinearSVC

import abl
import commands
from abl.app.results import what_changed
from abl.errors import InputError
from abl.runner.notebook_view import NotebookView, in_notebook
from abl.runner.progress import ProgressState
from tiny_sweeps import TWO_NETWORKS, write_tiny_set


def written(folder: Path, values: dict[str, Any]) -> Path:
    """The sweep file that says these values and no others."""
    path = folder / "two.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep that was run twice, the second time with another base and axis."""
    folder = tmp_path_factory.mktemp("python")
    write_tiny_set(folder / "images")
    first = {**TWO_NETWORKS, "study": "compare", "axes": {"network": ["pooled3", "pooled6"]}}
    second = {**first, "base": {"network": "pooled3"}, "train": {**first["train"], "epochs": 4}}
    for values in (first, second):
        path = written(folder, values)
        abl.run(abl.load(path, root=folder / "mlruns"), executor="local", record=False)
    return folder


def test_a_finished_sweep_is_opened_as_frames(ran: Path) -> None:
    opened = abl.open("tiny", root=ran / "mlruns")
    table = opened.table
    assert table.columns[0] == "arm"
    assert table["arm"].tolist() == table["network"].tolist() == ["pooled3", "pooled6"]
    assert table["auc_mean"].between(0, 1).all()
    assert table["verdict"].tolist()[0] in ("", None)
    of_arm = opened.replicates.groupby("arm")["f1"].mean()
    assert of_arm["pooled6"] == pytest.approx(table["f1_mean"][1])
    p = opened.predictions
    assert set(p["arm"]) == {"pooled3", "pooled6"}
    assert p[["p_0", "p_1"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert "roc" in opened.figures()
    assert "<table" in opened._repr_html_()
    assert opened._repr_html_().startswith("<div><svg")
    assert "pooled6" in opened._repr_html_().partition("</svg>")[2]


def test_an_earlier_version_is_opened_and_what_changed_is_told(ran: Path) -> None:
    root = ran / "mlruns"
    old, new = abl.open("tiny", root=root, version=1), abl.open("tiny", root=root, version=2)
    assert old.outcome.key != new.outcome.key
    assert abl.open("tiny", root=root).outcome.key == new.outcome.key
    assert abl.open("tiny", root=root, version=old.outcome.key[:8]).outcome.key == old.outcome.key
    with pytest.raises(InputError, match=r"tiny 7: no such version; there are 1 \("):
        abl.open("tiny", root=root, version=7)
    with pytest.raises(InputError, match="no sweep 'tony' was run here: did you mean 'tiny'"):
        abl.open("tony", root=root)
    listed = commands.abl(ran, "log", "tiny").stdout.splitlines()
    assert listed[0].split()[0] == "2"
    assert listed[0].endswith("(newest)")
    assert "train.epochs 3 -> 4" in listed[0]
    assert "new: " not in listed[0]
    told = commands.abl(ran, "diff", "tiny").stdout
    assert told.startswith(f"tiny: {old.outcome.key[:8]} -> {new.outcome.key[:8]}")
    assert "base.network (not said) -> pooled3" in told
    assert "data and labels\n  the same" in told
    assert told == commands.abl(ran, "diff", "tiny", "1", "2").stdout
    for newest in ("2", new.outcome.key[:8]):  # against the one before it, as without a version
        assert told == commands.abl(ran, "diff", "tiny", newest).stdout
    assert told == commands.abl(ran, "diff", "tiny", "1").stdout
    back = commands.abl(ran, "diff", "tiny", "2", "1").stdout
    assert "train.epochs 4 -> 3" in back
    same = commands.abl(ran, "diff", "tiny", "2", "2").stdout
    assert same.count("the same") == 3
    assert commands.abl(ran, "diff", "tiny", "9").exit_code == 2


def test_plan_report_and_outcome_are_read_at_a_glance(own_run: Any) -> None:
    plan, result = own_run.plan, abl.run(own_run, executor="local", record=False)
    assert repr(plan) == (
        "<Plan: 2 arms, 4 replicates; distinct stages: 8 train; trainings if none were shared: 8>"
    )
    assert "pooled6" in str(plan).splitlines()[2]
    assert str(result.report) == "<RunReport: 0 ran, 8 reused, 0 failed>"
    result.report.failed["a" * 64] = "no room"
    assert str(result.report).splitlines()[1].endswith("aaa: no room")
    assert len(repr(result.outcome)) < 100


def test_an_edit_says_how_many_arms_are_changed_new_and_gone(ran: Path) -> None:
    newest, store = (
        abl.open("tiny", root=ran / "mlruns").outcome,
        abl.open("tiny", root=ran / "mlruns").store,
    )
    first, second = newest.arms
    other = dataclasses.replace(first, key="0" * 64)
    third = dataclasses.replace(second, key="1" * 64, params={"network": "pooled_hidden"})
    edited = dataclasses.replace(newest, key="2" * 64, arms=(other, third))
    assert what_changed(store, edited).startswith(
        "tiny was edited since its last run: 1 arm is changed, 1 arm is new, 1 arm is gone; the old"
    )


def test_changed_labels_and_images_are_told_between_versions(tmp_path: Path) -> None:
    manifest = write_tiny_set(tmp_path / "images")
    path = written(tmp_path, {**TWO_NETWORKS, "axes": {}})
    root = tmp_path / "mlruns"
    abl.run(abl.load(path, root=root), executor="local", record=False)
    rows = manifest.read_text().splitlines()
    rows[1] = rows[1].replace("benign", "malignant")
    manifest.write_text("\n".join([*rows[:-2], ""]))
    abl.run(abl.load(path, root=root), executor="local", record=False)
    told = commands.abl(tmp_path, "diff", "tiny").stdout
    assert "1 label changed: png/000a.png" in told
    assert "2 scored images gone: png/023a.png, png/023b.png" in told
    assert "settings\n  the same" in told


def test_a_sweep_is_built_without_yaml(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ran)
    values = {
        **TWO_NETWORKS, "study": "compare", "base": {"network": "pooled3"},
        "axes": {"network": ("pooled3", "pooled6"), "train.epochs": range(4, 5)},
        "replicates": {"seeds": np.array([0])},
    }  # fmt: skip
    of_mapping, of_model = abl.load(values), abl.load(abl.Sweep.model_validate(values))
    assert of_mapping.plan.stages.keys() == of_model.plan.stages.keys()
    result = abl.run(of_mapping, executor="local", record=False)
    assert not result.report.ran  # the file's own trainings: settings have one digest
    assert result.table.equals(abl.open("tiny", root="mlruns").table)
    assert len(result.predictions)
    again = abl.load(result.folder / "sweep.yaml", data=["."])  # what was run is kept as a file
    assert again.plan.stages.keys() == of_mapping.plan.stages.keys()
    with pytest.raises(InputError) as told:
        abl.load({**values, "axes": {"network": ["poold3"]}, "metrics": ["auk"]})
    assert len(told.value.problems) >= 2
    assert "poold3" in str(told.value)


@pytest.fixture
def own_run(tmp_path: Path) -> Iterator[Any]:
    write_tiny_set(tmp_path / "images")
    values = {
        **TWO_NETWORKS, "base": {"train.network": "pooled3"},
        "replicates": {"repeats": 1, "seeds": [0, 1]},
    }  # fmt: skip
    loaded = abl.load(written(tmp_path, values), root=tmp_path / "mlruns")
    abl.run(loaded, executor="local", record=False)
    return loaded


def test_an_estimator_and_a_function_are_arms_of_the_table(own_run: Any) -> None:
    seen: list[abl.ArmData] = []

    def constant(given: abl.ArmData) -> np.ndarray:
        seen.append(given)
        return np.tile([0.25, 0.75], (len(given.test), 1))

    abl.add_arm(own_run, "logistic regression", LogisticRegression(C=0.01))
    table = abl.add_arm(own_run, "all positive", constant).table
    names = table["train.network"].tolist()
    assert names[:2] == ["pooled3", "pooled6"]
    assert {"logistic regression", "all positive"} == set(names[2:])
    assert set(table["arm"]) == {"pooled3", "pooled6", "logistic regression", "all positive"}
    listed = commands.abl(own_run.root.parent, "log", "tiny").stdout.splitlines()
    assert "; new: all positive; same settings and data" in listed[0]
    assert "; new: logistic regression; " in listed[1]
    arms = table.set_index("train.network")
    assert arms.loc["all positive", "sen_mean"] == 1.0
    assert arms.loc["logistic regression", "auc_mean"] > 0.6  # the set can be learnt
    assert arms.loc["logistic regression", "verdict"]
    # each replicate once, its parts apart, and no label of a test image
    assert {(each.fold, each.seed) for each in seen} == {(0, 0), (0, 1), (1, 0), (1, 1)}
    for each in seen:
        parts = (each.train, each.validation, each.test)
        patients = [set(part.frame["patient"]) for part in parts]
        assert not patients[0] & patients[1] | patients[0] & patients[2] | patients[1] & patients[2]
        assert each.train.pixels.shape == (len(each.train), 1, 24, 24)
        assert "label" not in each.test.frame
        assert set(each.train.labels) == {0, 1}


def test_a_function_that_gives_no_probabilities_is_told(own_run: Any) -> None:
    for wrong, said in (
        (lambda given: np.zeros((3, 2)), r"gave an array of shape \(3, 2\); it takes"),
        (lambda given: np.ones((len(given.test), 2)), "gave no probabilities"),
        (lambda given: np.full((len(given.test), 2), np.nan), "gave no probabilities"),
    ):
        with pytest.raises(InputError, match=f"arm 'mine', repeat 0, fold 0, seed 0: {said}"):
            abl.add_arm(own_run, "mine", wrong)
    assert len(abl.open("tiny", root=own_run.root).table) == 2


def test_what_cannot_train_an_arm_is_told_in_one_line_with_what_to_write(own_run: Any) -> None:
    calibrated = r"write CalibratedClassifierCV\({}\(...\), ensemble=False\)"
    for wrong, said in (
        (SVC(), f"SVC gives no probabilities .*: {calibrated.format('SVC')}"),
        (LinearSVC(), f"LinearSVC gives no probabilities .*: {calibrated.format('LinearSVC')}"),
        (LogisticRegression, r"LogisticRegression is a class: write LogisticRegression\(...\)"),
        ("svm", "str is neither a function of abl.ArmData nor a classifier"),
    ):
        with pytest.raises(abl.InputError, match=f"^arm 'mine': {said}") as told:
            abl.add_arm(own_run, "mine", wrong)
        assert "\n" not in str(told.value)
    written_so = CalibratedClassifierCV(LinearSVC(), ensemble=False)
    assert "mine" in set(abl.add_arm(own_run, "mine", written_so).table["train.network"])


def test_faults_are_public_and_completion_finds_every_public_name() -> None:
    assert abl.InputError is InputError
    assert issubclass(abl.UntrustedError, abl.InputError)
    assert set(abl.__all__) <= set(dir(abl))
    for name in abl.__all__:
        assert getattr(abl, name).__module__.startswith("abl.")
    with pytest.raises(abl.InputError) as told:
        abl.load("no_such.yaml")
    assert isinstance(told.value.problems[0], abl.Problem)


def test_a_callback_hears_what_it_overrides(tiny_sweep: Path) -> None:
    class Count(abl.Callback):
        trained = 0

        def finished(self, stage: Any, seconds: float, reused: bool) -> None:
            self.trained += stage.kind == "train"

    count = Count()
    sweep = abl.load(tiny_sweep, root=tiny_sweep.parent / "mlruns")
    abl.run(sweep, executor="local", record=False, listener=count)
    assert count.trained == sum(s.kind == "train" for s in sweep.plan.stages.values())


class Shown:
    """What a notebook would show, in order; stands for IPython."""

    def __init__(self) -> None:
        self.pages: list[str] = []

    def module(self) -> dict[str, types.ModuleType]:
        ipython, display = types.ModuleType("IPython"), types.ModuleType("IPython.display")
        ipython.get_ipython = lambda: types.SimpleNamespace(kernel=1)  # type: ignore[attr-defined]
        display.HTML = str  # type: ignore[attr-defined]
        display.display = self.display  # type: ignore[attr-defined]
        return {"IPython": ipython, "IPython.display": display}

    def display(self, page: str, display_id: bool) -> Shown:
        assert display_id
        self.update(page)
        return self

    def update(self, page: str) -> None:
        self.pages.append(page)


def test_a_notebook_shows_the_progress_in_one_place(
    tiny_sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not in_notebook()
    shown = Shown()
    for name, module in shown.module().items():
        monkeypatch.setitem(sys.modules, name, module)
    assert in_notebook()
    abl.run(abl.load(tiny_sweep, root=tiny_sweep.parent / "mlruns"), executor="local", record=False)
    assert "<progress" in shown.pages[0]
    total = shown.pages[-1].partition('max="')[2].partition('"')[0]
    assert f'value="{total}" max="{total}"' in shown.pages[-1]
    assert capsys.readouterr().out == ""


def test_what_a_notebook_shows_is_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Shown()
    for name, module in shown.module().items():
        monkeypatch.setitem(sys.modules, name, module)
    state = ProgressState(slots=1, seconds_by_kind={})
    with NotebookView(state, interval_s=0):
        state.message("<script>alert(1)</script> token=abcdefghij0123456789")
    assert "<script>" not in shown.pages[-1]
    assert "&lt;script&gt;" in shown.pages[-1]


def test_frames_of_a_sweep_that_kept_no_predictions_are_empty(ran: Path) -> None:
    opened = abl.open("tiny", root=ran / "mlruns", version=1)
    (opened.folder / "predictions.parquet").unlink()
    with pytest.raises(InputError, match=r"predictions\.parquet"):
        _ = opened.predictions
    assert isinstance(opened.table, pd.DataFrame)


def test_settings_that_nobody_wrote_are_told_apart(ran: Path) -> None:
    shown = commands.abl(ran, "table", "tiny", "--show", "settings").stdout
    origin = {line.split()[0]: line.split("  ")[-1].strip() for line in shown.splitlines() if line}
    assert origin["train.batch_size"] == "ours"
    assert origin["train.schedule.name"] == "default"
