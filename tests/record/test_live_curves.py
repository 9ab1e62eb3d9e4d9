"""Learning curves in MLflow while trainings run, and each point of them once at the end."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import abl
import commands
from abl.app import recording
from abl.errors import InputError
from abl.nets.registry import network
from abl.record import mlflow_live
from abl.record.mlflow_client import RecordPlace
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_live import LiveCurves
from abl.record.mlflow_stages import StageWriter
from abl.record.mlflow_whole import LIVE
from abl.record.mlflow_writer import STAGES, MlflowRecord
from abl.record.store import Store
from recorded import all_keys, all_runs, incomplete_runs
from tiny_sweeps import Heard, nap, pooled3, write_sweep

if TYPE_CHECKING:
    from torch import nn

EPOCHS = 12
ONE_TRAINING = {
    "axes": {"rule": ["original"]},
    "base": None,
    "train.network": "paced3",
    "train.epochs": EPOCHS,
}
at_each_batch: list[Any] = []  # called with the number of the batch


@network("paced3")
def paced3(classes: int, channels: int, image_size: int) -> nn.Module:
    """As pooled3, at a pace that a watcher can follow."""
    net = pooled3(classes, channels, image_size)
    count = iter(range(10**9))

    def paced(*_: object) -> None:
        time.sleep(0.02)
        number = next(count)
        for each in at_each_batch:
            each(number)

    net.register_forward_pre_hook(paced)
    return net


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "EVERY_S", 0.05)
    at_each_batch.clear()


class Watcher:
    """Reads the database of MLflow from a thread of its own, as its UI would."""

    def __init__(self, database: Path):
        self.database, self.seen = database, []  # type: ignore[var-annotated]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watcher:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)

    def _watch(self) -> None:
        query = "select r.status, max(m.step) from runs r join metrics m using (run_uuid)"
        while not self._ended.wait(0.05):
            if self.database.exists():
                try:
                    with closing(sqlite3.connect(self.database, timeout=5)) as found:
                        self.seen += found.execute(f"{query} group by r.run_uuid").fetchall()
                except sqlite3.OperationalError:  # its tables are being made
                    continue


def loaded(folder: Path, **changes: Any) -> Any:
    return abl.load(write_sweep(folder, ONE_TRAINING | changes), root=folder / "mlruns")


def points(root: Path) -> dict[str, list[tuple[int, float]]]:
    """Metric by epoch -> (step, value), of the run of the one training."""
    record = MlflowRecord(root)
    [run] = [run for run in all_runs(record) if run.data.tags.get("abl.kind") == "train"]
    with record.client() as client:
        return {
            key: sorted((p.step, p.value) for p in client.get_metric_history(run.info.run_id, key))
            for key in ("train_loss", "validation_loss", "lr", "seconds")
        }


def test_points_come_while_a_training_runs_and_each_is_there_once(tiny_folder: Path) -> None:
    sweep, root = loaded(tiny_folder), tiny_folder / "mlruns"
    with Watcher(root / "mlflow.db") as watcher:
        result = abl.run(sweep, executor="local", live=True)
    assert result.messages == []
    steps = [step for status, step in watcher.seen if status == "RUNNING"]
    assert steps, "nothing was there before the training had ended"
    assert min(steps) < EPOCHS
    [digest] = sweep.plan.stages
    history = pd.read_parquet(sweep.store.file(digest, "history.parquet"))
    found = points(root)
    for name in ("train_loss", "validation_loss", "lr"):
        assert found[name] == list(zip(history["epoch"], history[name], strict=True))
    # of epochs, and what the whole stage took
    assert Counter(step for step, _ in found["seconds"]) == Counter([*range(1, EPOCHS + 1), EPOCHS])
    keys = all_keys(MlflowRecord(root))
    assert incomplete_runs(MlflowRecord(root)) == []
    again = abl.run(sweep, executor="local", live=True)
    assert again.report.ran == []
    assert points(root) == found
    assert all_keys(MlflowRecord(root)) == keys


def test_the_run_says_for_which_arms_it_trains(tiny_folder: Path) -> None:
    sweep, noted = loaded(tiny_folder), []  # type: ignore[var-annotated]
    record = MlflowRecord(tiny_folder / "mlruns")

    def look(number: int) -> None:
        if number == 60:
            noted.extend(run.data for run in all_runs(record))

    at_each_batch.append(look)
    abl.run(sweep, executor="local", live=True)
    [there] = noted
    assert there.tags[LIVE] == "tiny"
    assert "sweep tiny, for: " in there.tags["mlflow.note.content"]
    assert there.params["train.network"] == "paced3"
    assert there.metrics["train_loss"] > 0


def test_without_being_asked_nothing_is_there_before_the_end(tiny_folder: Path) -> None:
    with Watcher(tiny_folder / "mlruns" / "mlflow.db") as watcher:
        abl.run(loaded(tiny_folder), executor="local")
    assert all(step == EPOCHS for _, step in watcher.seen if step)
    assert LIVE not in next(all_runs(MlflowRecord(tiny_folder / "mlruns"))).data.tags


def test_a_run_that_was_stopped_goes_on_in_the_same_curve(tiny_folder: Path) -> None:
    sweep, root = loaded(tiny_folder), tiny_folder / "mlruns"
    record = MlflowRecord(root)

    def stop(number: int) -> None:
        if number == 80:
            raise KeyboardInterrupt

    at_each_batch.append(stop)
    assert abl.run(sweep, executor="local", live=True).report.interrupted
    [broken] = all_runs(record)
    assert broken.info.status == "KILLED"
    assert broken.data.metrics["train_loss"] > 0
    at_each_batch.clear()
    abl.run(sweep, executor="local")  # unasked: what is there is made whole all the same
    found = points(root)
    assert [step for step, _ in found["train_loss"]] == list(range(1, EPOCHS + 1))
    assert incomplete_runs(record) == []


def test_a_training_that_fails_leaves_its_curve_and_says_so(tiny_folder: Path) -> None:
    sweep = loaded(tiny_folder)

    def fail(number: int) -> None:
        if number == 80:
            raise ValueError("no more")

    at_each_batch.append(fail)
    result = abl.run(sweep, executor="local", live=True)
    assert result.report.failed
    record = MlflowRecord(tiny_folder / "mlruns")
    [run] = [run for run in all_runs(record) if run.data.tags.get("abl.kind") == "train"]
    assert run.info.status == "FAILED"
    assert run.data.metrics["train_loss"] > 0


def test_a_record_that_is_lost_stops_no_training(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, client = [], RecordPlace.client  # type: ignore[var-annotated]

    @contextmanager
    def gone(self: RecordPlace, *given: Any) -> Any:
        if lost:
            raise RecordError("nothing answers there")
        with client(self, *given) as found:
            yield found

    monkeypatch.setattr(RecordPlace, "client", gone)
    at_each_batch.append(lambda number: lost.append(number) if number == 60 else None)
    result = abl.run(loaded(tiny_folder), executor="local", live=True)
    assert result.report.failed == {}
    assert len(result.table) == 1
    said = "\n".join(result.messages)
    assert said.count("no more curves while trainings run: nothing answers there") == 1
    assert "`abl record` writes the rest" in said
    lost.clear()
    done = commands.abl(tiny_folder, "record")
    assert done.exit_code == 0, done.output
    found = points(tiny_folder / "mlruns")
    assert [step for step, _ in found["train_loss"]] == list(range(1, EPOCHS + 1))
    assert incomplete_runs(MlflowRecord(tiny_folder / "mlruns")) == []


def test_curves_that_fail_leave_the_finished_to_be_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from abl.runner.execute import run_stage

    class Recorded:
        artifact_root = None

        def client(self) -> Any:
            raise RecordError("MLflow has gone")

        def record_stage(self, key: str, **given: Any) -> str:
            return "run"

    store, heard, record, stage = Store(tmp_path), Heard(), Recorded(), nap("a")
    monkeypatch.setattr(mlflow_live, "epochs_of", lambda *_: [{"epoch": 1, "train_loss": 0.5}])
    live = LiveCurves(record, store, "s", every=0.01)  # type: ignore[arg-type]
    writer = StageWriter(record, store, heard.message, live=live)  # type: ignore[arg-type]
    writer.started(stage)
    deadline = time.monotonic() + 30
    while not heard.messages and time.monotonic() < deadline:
        time.sleep(0.01)
    run_stage(store, stage)
    writer.add(stage.digest)
    writer.close()
    assert writer.runs == {stage.digest: "run"}
    assert len(heard.messages) == 1


def test_a_curve_with_other_times_is_made_anew(tiny_folder: Path) -> None:
    """After a crash epochs come again, and take another time."""
    sweep, root = loaded(tiny_folder), tiny_folder / "mlruns"
    [stage] = sweep.plan.stages.values()
    record = MlflowRecord(root)
    rows = [{"epoch": at, "train_loss": 9.0, "seconds": 1.0} for at in (1, 2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_live, "epochs_of", lambda *_: rows)
        live = LiveCurves(record, sweep.store, "tiny")
        live.started(stage)
        list(live.write())
    [first] = all_runs(record)
    abl.run(sweep, executor="local")
    [run] = [run for run in all_runs(record) if run.data.tags["abl.key"] == stage.digest]
    assert run.info.run_id != first.info.run_id
    assert [step for step, _ in points(root)["train_loss"]] == list(range(1, EPOCHS + 1))
    assert run.data.metrics["train_loss"] < 9.0


def test_what_cannot_be_is_told_before_anything_is_trained(tiny_folder: Path) -> None:
    write_sweep(tiny_folder, ONE_TRAINING)
    done = commands.abl(tiny_folder, "sweep", "tiny.yaml", "--live", "--record", "off")
    assert done.exit_code == 2
    assert "--live shows curves in MLflow" in done.output
    with pytest.raises(InputError, match="live curves are MLflow's"):
        abl.run(loaded(tiny_folder), record=False, live=True)
    assert not (tiny_folder / "mlruns").exists()


def test_a_search_of_runs_by_the_sweep_finds_them(tiny_folder: Path) -> None:
    abl.run(loaded(tiny_folder), executor="local", live=True)
    record = MlflowRecord(tiny_folder / "mlruns")
    with record.client() as client:
        number = client.get_experiment_by_name(STAGES).experiment_id
        [run] = client.search_runs([number], f"tags.\"{LIVE}\" = 'tiny'")
    assert run.info.status == "FINISHED"
