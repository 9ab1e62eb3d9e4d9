"""Two-step arms on external sets: each T* is that of the replicate's internal validation."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import abl
from abl.app.loaded import LoadedSweep
from abl.app.results import arm_predictions
from abl.app.sweep_result import SweepResult
from abl.decide.decision import Decision, decide
from abl.decide.metric_names import scores
from abl.plan.facts import Facts
from abl.plan.outcome import Outcome
from abl.plan.outcome_json import outcome_to_json
from tiny_sweeps import write_sweep, write_tiny_set

OUTSIDE = {"name": "hospital C", "manifest": "outside/manifest.csv"}
ARMS: dict[str, Any] = {
    "name": "arms",
    "axes": {
        "consensus": [2],
        "rule": ["original", "average", "model1", "model2"],
        "threshold": [0.6, "always", "exact", "search"],
        "false_k": ["none", 2],
    },
    "options.search": {"over": ["threshold", "weight", "cutoff"], "trials": 20},
    "replicates": {"repeats": 1, "seeds": [0, 1]},
    "metrics": ["acc", "f1", "auc"],
    "primary": "acc",
}


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("abl.app.session._draw", lambda *given: None)


@pytest.fixture
def home(tmp_path: Path, no_report: None) -> Path:
    write_tiny_set(tmp_path / "images", patients=30)
    write_tiny_set(tmp_path / "outside", patients=10, seed=1)
    return tmp_path


def run(home: Path, changes: dict[str, Any]) -> tuple[LoadedSweep, SweepResult]:
    loaded = abl.load(write_sweep(home, changes), root=home / "mlruns")
    result = abl.run(loaded, executor="local", record=False)
    assert result.report.failed == {}, result.report.traces
    return loaded, result


def internal(outcome: Outcome) -> str:
    """The table, its tests and its notes, as text."""
    facts = Facts(tests=outcome.facts.tests)
    notes = tuple(note for note in outcome.notes if "external" not in note)
    return outcome_to_json(replace(outcome, key="", facts=facts, notes=notes))


def test_arms_decide_outside_as_they_were_told_inside(home):
    _, before = run(home, ARMS)
    loaded, result = run(home, ARMS | {"external": [OUTSIDE]})
    # nothing is trained again and no internal number is another
    assert {loaded.plan.stages[each].kind for each in result.report.ran} == {"predict"}
    assert internal(result.outcome) == internal(before.outcome)
    [row] = result.outcome.facts.external
    assert row["missing"] == {}
    assert set(row["arms"]) == {arm.key for arm in result.outcome.arms}
    frame = pd.read_csv(home / "outside" / "manifest.csv")
    labels = (frame["label"] == "malignant").to_numpy().astype(int)
    cells = loaded.plan.cells_by_arm()
    for at, arm in enumerate(result.outcome.arms):
        values = []
        for cell in cells[at]:
            networks = {}
            for role in {"original", "true", "false"} & set(cell.uses):
                digest = loaded.plan.beside_of("external hospital C", cell.uses[role])
                kept = pd.read_parquet(loaded.store.file(digest, "predictions.parquet"))
                of = kept.set_index("image").loc[frame["image"]]
                networks[role] = of[["p_0", "p_1"]].to_numpy(dtype=float)
            drawn = arm.replicates.query("seed == @cell.replicate.seed").iloc[0]
            known = {"threshold", "weight", "cutoff", "false_threshold"} & set(drawn.index)
            settings = {name: float(drawn[name]) for name in known if not np.isnan(drawn[name])}
            decision = Decision(str(arm.params["rule"]), **settings)
            values.append(scores(["acc", "auc"], labels, decide(decision, networks)[0]))
        for name in ("acc", "auc"):
            mean = np.mean([value[name] for value in values])
            assert row["arms"][arm.key][name]["mean"] == pytest.approx(mean), arm.params
    text = abl.table("arms", root=home / "mlruns", format="md")
    assert "hospital C (10 patients)" in text


def test_calibration_is_that_of_internal_validation(home):
    sweep = {
        "name": "calibrated",
        "axes": {
            "consensus": [1],
            "rule": ["model1"],
            "threshold": [0.3],
            "calibrate": ["none", "temperature"],
        },
        "external": [OUTSIDE],
        "metrics": ["auc", "brier"],
        "primary": "auc",
        "base": {"calibrate": "none"},
    }
    loaded, result = run(home, sweep)
    kinds = [stage.kind for stage in loaded.plan.stages.values()]
    assert kinds.count("predict") == 2  # one of O and one of T, for both arms
    [row] = result.outcome.facts.external
    brier = [row["arms"][arm.key]["brier"]["mean"] for arm in result.outcome.arms]
    assert brier[0] != brier[1]


def test_an_external_centre_is_in_no_split_and_no_selection(home):
    path = home / "images" / "manifest.csv"
    frame = pd.read_csv(path)
    patients = frame["patient"].unique()
    centre = dict(zip(patients, ["A", "A", "B", "B", "C", "C"] * len(patients), strict=False))
    frame["centre"] = frame["patient"].map(centre)
    frame.to_csv(path, index=False)
    names = set(frame.loc[frame["centre"] == "C", "image"])
    sweep = ARMS | {"name": "centre", "external": [{"name": "C", "centre": "C"}]}
    sweep["axes"] = {"consensus": [2], "rule": ["original", "model1"], "threshold": ["exact"]}
    loaded, result = run(home, sweep)
    kept = arm_predictions(loaded.store, result.outcome)
    assert set(kept["arm"]) == {arm.key for arm in result.outcome.arms}
    assert not names & set(kept["unit"])
    selections = [d for d, stage in loaded.plan.stages.items() if stage.kind == "select"]
    for digest in selections:
        seen = pd.read_parquet(loaded.store.file(digest, "selection.parquet"))["image"]
        assert len(seen) > 0
        assert not names & set(seen)
    [row] = result.outcome.facts.external
    assert row["images"] == len(names)
    assert set(row["arms"]) == {arm.key for arm in result.outcome.arms}
