from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recorded_outcomes import threshold_outcome
from recorded_points import CHOSEN, DEPTH, EPOCHS, KIND, LR, MOMENTUM, STATES, frames, searched

from abl.app.keeping import keep_outcome
from abl.app.recording import record_store
from abl.plan.outcome import Outcome, Searches
from abl.record import mlflow_points
from abl.record.mlflow_points import point_runs
from abl.record.mlflow_writer import MlflowRecord
from abl.record.store import Store
from abl.studies.shared.analysis import Analysis


@pytest.fixture(scope="module")
def empty_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A record with its schema made and nothing in it; making one takes seconds."""
    root = tmp_path_factory.mktemp("points") / "mlruns"
    MlflowRecord(root).check_reachable()
    return root


@pytest.fixture
def record(empty_root: Path, tmp_path: Path) -> MlflowRecord:
    root = tmp_path / "mlruns"
    shutil.copytree(empty_root, root)
    return MlflowRecord(root)


def write(record: MlflowRecord, outcome: Outcome, searches: Searches | None) -> str:
    return record.record_outcome(outcome, sweep_file="name: threshold\n", searches=searches)


def runs(record: MlflowRecord, kind: str = "point") -> list[Any]:
    """Runs of a kind, newest first: the order of MLflow's own page."""
    with record.client() as client:
        experiment = client.get_experiment_by_name("threshold")
        assert experiment is not None
        return list(client.search_runs([experiment.experiment_id], f'tags."abl.kind" = "{kind}"'))


def everything(record: MlflowRecord) -> list[Any]:
    """What the record says of every run, every metric point included."""
    with record.client() as client:
        return [
            (dict(run.info), run.data.tags, run.data.params, _series(client, run))
            for kind in ("sweep", "arm", "point")
            for run in runs(record, kind)
        ]


def series(record: MlflowRecord, run: Any) -> dict[str, list[tuple[int, float]]]:
    with record.client() as client:
        return _series(client, run)


def _series(client: Any, run: Any) -> dict[str, list[tuple[int, float]]]:
    return {
        key: [(p.step, p.value) for p in client.get_metric_history(run.info.run_id, key)]
        for key in run.data.metrics
    }


def test_every_point_is_a_run_nested_under_the_sweep_and_behind_the_arms(
    record: MlflowRecord,
) -> None:
    outcome = searched()
    sweep = write(record, outcome, frames())
    points = runs(record)
    assert [run.info.run_name for run in points] == [f"point {i}" for i in range(len(STATES))]
    assert {run.data.tags["mlflow.parentRunId"] for run in points} == {sweep}
    assert {run.data.tags["abl.sweep_key"] for run in points} == {outcome.key}
    arms = runs(record, "arm")
    assert len(arms) == len(outcome.arms)
    assert all("mlflow.parentRunId" not in run.data.tags for run in arms)
    first_arm = min(run.info.start_time for run in arms)
    assert max(run.info.start_time for run in points) < first_arm


def test_params_are_the_searched_values_that_apply(record: MlflowRecord) -> None:
    write(record, searched(), frames())
    adam, sgd, *_ = runs(record)
    assert adam.data.params == {LR: "1.0", KIND: "adam"}
    assert sgd.data.params == {LR: "0.1", DEPTH: "3", KIND: "sgd", MOMENTUM: "0.9"}


def test_metrics_are_means_replicates_and_the_curves_of_the_first(record: MlflowRecord) -> None:
    write(record, searched(), frames())
    complete, pruned, *_ = runs(record)
    assert series(record, complete) == {
        "validation_auc": [(0, 0.7)],
        "validation_auc_by_replicate": [(0, 0.6), (1, 0.7)],
        "curve/validation_loss": [(1, 1.0), (2, 0.5), (3, 1 / 3)],
    }
    assert set(pruned.data.metrics) == {"validation_auc_by_replicate", "curve/validation_loss"}
    assert series(record, pruned)["validation_auc_by_replicate"] == [(0, 0.6)]


def test_states_and_the_winner_are_told_apart(record: MlflowRecord) -> None:
    write(record, searched(), frames())
    points = runs(record)
    assert tuple(run.data.tags["abl.state"] for run in points) == STATES
    ended = [run.info.status for run in points]
    assert ended == ["FINISHED", "KILLED", "KILLED", "FAILED", "FINISHED"]
    winners = [run.info.run_name for run in points if run.data.tags.get("abl.chosen") == "true"]
    assert winners == [f"point {CHOSEN}"]
    assert points[3].data.tags["mlflow.note.content"] == "after point 3"


def test_the_same_points_again_change_nothing(record: MlflowRecord) -> None:
    first = write(record, searched(), frames())
    before = everything(record)
    assert write(MlflowRecord(record.root), searched(), frames()) == first
    assert everything(record) == before
    write(record, searched(), None)  # a caller that knows of no searches takes none away
    assert everything(record) == before


def test_points_come_to_a_sweep_that_was_recorded_without(record: MlflowRecord) -> None:
    sweep = write(record, searched(), None)
    arms = [run.info.run_id for run in runs(record, "arm")]
    assert write(record, searched(), frames()) == sweep
    assert len(runs(record)) == len(STATES)
    assert [run.info.run_id for run in runs(record, "arm")] == arms


@pytest.mark.parametrize("whole", [False, True])
def test_a_broken_write_is_completed_not_doubled(
    record: MlflowRecord, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    finish, calls = mlflow_points.finish_run, iter(range(100))

    def dies_in_the_third(*args: Any, **kwargs: Any) -> None:
        last = next(calls) == 2
        if whole or not last:
            finish(*args, **kwargs)
        if last:
            raise KeyboardInterrupt

    monkeypatch.setattr(mlflow_points, "finish_run", dies_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        write(record, searched(), frames())
    monkeypatch.undo()
    begun = {run.info.run_id for run in runs(record)}
    assert len(begun) == 3
    write(record, searched(), frames())
    points = runs(record)
    assert [run.info.run_name for run in points] == [f"point {i}" for i in range(len(STATES))]
    assert begun <= {run.info.run_id for run in points}
    assert all(run.data.tags["abl.complete"] == "true" for run in points)
    assert all(run.info.status != "RUNNING" for run in points)
    assert len(series(record, points[2])["curve/validation_loss"]) == EPOCHS


def test_a_point_with_other_numbers_takes_the_place_of_the_old_one(record: MlflowRecord) -> None:
    write(record, searched(), frames())
    before = {run.info.run_name: run.info.run_id for run in runs(record)}
    arms = [run.info.run_id for run in runs(record, "arm")]
    mended = frames()
    mended.points.loc[3, ["state", "reason", "value_0"]] = ["complete", "", 0.9]
    write(record, searched(), mended)
    after = {run.info.run_name: run.info.run_id for run in runs(record)}
    assert len(runs(record)) == len(STATES)
    assert [name for name in before if before[name] != after[name]] == ["point 3"]
    assert [run.info.run_id for run in runs(record, "arm")] == arms


def test_points_move_under_a_sweep_run_that_was_written_again(record: MlflowRecord) -> None:
    old = write(record, searched(), frames())
    before = [run.info.run_id for run in runs(record)]
    with record.client() as client:
        client.delete_run(old)
    new = write(record, searched(), frames())
    assert new != old
    points = runs(record)
    assert [run.info.run_id for run in points] == before
    assert {run.data.tags["mlflow.parentRunId"] for run in points} == {new}


def test_several_searches_name_their_points(record: MlflowRecord) -> None:
    names = ("unet\n repeat 0", "x" * 9000)
    write(record, searched(names), frames(names))
    points = runs(record)
    assert len({run.data.tags["abl.key"] for run in points}) == 2 * len(STATES)
    assert points[0].info.run_name == "point 0 · unet repeat 0"
    assert points[-1].info.run_name.startswith("point 4 · xxx")
    assert len(points[-1].info.run_name) == 250
    assert points[0].data.tags["abl.search"] == names[0]


def by_key(outcome: Outcome, searches: Searches) -> Iterator[dict[str, list[int]]]:
    """Metric -> steps, of each point."""
    for run in point_runs(outcome, searches):
        found: dict[str, list[int]] = {}
        for key, step, _, _ in run.points:
            found.setdefault(key, []).append(step)
        yield found


def test_two_objectives_and_two_networks_keep_their_metrics_apart() -> None:
    searches = frames(objectives=2, roles=("original", "consensus"))
    first, *_ = by_key(searched(objectives=("sen@spe0.9", "loss")), searches)
    assert first == {
        "validation_sen_spe0.9": [0],
        "validation_sen_spe0.9_by_replicate": [0, 1],
        "validation_loss": [0],
        "validation_loss_by_replicate": [0, 1],
        "curve/validation_loss/original": [1, 2, 3],
        "curve/validation_loss/consensus": [1, 2, 3],
    }


def test_frames_say_the_same_before_and_after_they_were_kept(tmp_path: Path) -> None:
    made, kept = frames(), []
    for name, frame in vars(made).items():
        frame.to_parquet(tmp_path / name)
        kept.append(pd.read_parquet(tmp_path / name))
    assert point_runs(searched(), Searches(*kept)) == point_runs(searched(), made)


def test_points_without_scores_facts_or_reasons_are_runs_too() -> None:
    given = frames().points.drop(columns=["reason", "chosen"])
    found = point_runs(threshold_outcome(networks=1), Searches(given))
    assert [run.status for run in found].count("FAILED") == 1
    assert found[0].points == [("validation_f1", 0, 0.7, 0)]


def test_abl_record_writes_the_points_that_the_store_holds(record: MlflowRecord) -> None:
    nothing = pd.DataFrame()
    kept = Analysis(searched(), nothing, nothing, nothing, searches=frames())
    keep_outcome(Store(record.root / "store"), kept, "name: threshold\n")
    (said,) = [line for line in record_store(record.root, None) if "sweep" in line]
    assert said == "sweep threshold: 3 arms, 5 points, 9 runs written"
    assert [run.info.run_name for run in runs(record)] == [f"point {i}" for i in range(5)]
    before = everything(record)
    assert "sweep threshold: 3 arms, 5 points" in record_store(record.root, None)
    assert everything(record) == before
