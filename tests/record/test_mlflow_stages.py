"""What MLflow is told of a finished stage."""

from __future__ import annotations

import threading
from pathlib import Path

import pandas as pd
import pytest

import abl
from abl.app.loaded import LoadedSweep
from abl.plan.stage import flattened
from abl.record.mlflow_errors import RecordError
from abl.record.mlflow_stages import StageWriter, named_predictions, record_finished
from abl.record.store import Store
from abl.runner.execute import run_stage
from tiny_sweeps import Heard, nap, write_sweep


class Recorded:
    """A record that remembers what it was given, or is lost."""

    def __init__(self, lost: bool = False):
        self.lost = lost
        self.stages: dict[str, dict] = {}
        self.frames: dict[str, pd.DataFrame] = {}

    def record_stage(self, key: str, **given) -> str:
        if self.lost:
            raise RecordError("MLflow has gone")
        self.stages[key] = given
        if given["predictions"] is not None:
            self.frames[key] = pd.read_parquet(given["predictions"])
        return f"run-{key[:6]}"


@pytest.fixture
def trained(tiny_folder: Path) -> LoadedSweep:
    path = write_sweep(tiny_folder, {"axes": {"rule": ["original"]}, "base": None})
    sweep = abl.load(path, root=tiny_folder / "mlruns")
    abl.run(sweep, executor="local", record=False)
    return sweep


def test_a_training_is_told_with_curves_settings_and_named_predictions(
    trained: LoadedSweep,
) -> None:
    record = Recorded()
    [digest] = trained.plan.stages
    assert record_finished(record, trained.store, digest) == f"run-{digest[:6]}"
    given = record.stages[digest]
    assert given["name"] == "train pooled3 r0 f0 s0"
    assert given["kind"] == "train"
    assert given["params"]["train.network"] == "pooled3"
    assert given["params"]["train.optimizer.lr"] == 0.05
    assert (given["params"]["repeat"], given["params"]["seed"]) == (0, 0)
    assert given["history"]["epoch"].tolist() == [1, 2, 3]
    assert (given["history"]["seconds"] > 0).all()
    assert given["metrics"]["images"] == 24
    frame = record.frames[digest]
    assert list(frame.columns[:3]) == ["image", "role", "label"]
    assert len(frame) == 48
    manifest = pd.read_csv(trained.file.folder / "images/manifest.csv").set_index("image")
    assert (frame["patient"].to_numpy() == manifest["patient"][frame["image"]].to_numpy()).all()
    truth = (manifest["label"] == "malignant").astype(int)
    assert (frame["label"].to_numpy() == truth[frame["image"]].to_numpy()).all()


def test_predictions_are_told_even_when_the_view_was_cleaned_away(trained: LoadedSweep) -> None:
    import shutil

    [digest] = trained.plan.stages
    shutil.rmtree(trained.store.cache)
    frame = named_predictions(trained.store, trained.store.done(digest))
    assert len(frame) == 48
    assert "patient" not in frame


def test_a_stage_that_is_not_in_the_store_is_not_told(tmp_path: Path) -> None:
    assert record_finished(Recorded(), Store(tmp_path), "0" * 64) is None


def test_nested_settings_become_dotted_names() -> None:
    nested = {"train": {"optimizer": {"lr": 0.1}, "epochs": 3}, "panel": ["a", "b"]}
    assert flattened(nested) == {
        "train.optimizer.lr": 0.1,
        "train.epochs": 3,
        "panel": '["a", "b"]',
    }


def finished(store: Store, *texts: str) -> list[str]:
    stages = [nap(text) for text in texts]
    for stage in stages:
        run_stage(store, stage)
    return [stage.digest for stage in stages]


def test_the_writer_writes_all_that_was_added(tmp_path: Path) -> None:
    store, record, heard = Store(tmp_path), Recorded(), Heard()
    digests = finished(store, "a", "b", "c")
    writer = StageWriter(record, store, heard.message)
    for digest in digests:
        writer.add(digest)
    writer.close()
    assert set(record.stages) == set(writer.runs) == set(digests)
    assert heard.messages == []


def test_a_lost_record_is_one_warning_and_the_run_goes_on(tmp_path: Path) -> None:
    store, heard = Store(tmp_path), Heard()
    writer = StageWriter(Recorded(lost=True), store, heard.message)
    for digest in finished(store, "a", "b", "c"):
        writer.add(digest)
    writer.close()
    assert writer.runs == {}
    assert len(heard.messages) == 1
    assert "`abl record` writes the rest" in heard.messages[0]


def test_a_damaged_stage_is_said_and_the_others_are_written(
    tmp_path: Path, trained: LoadedSweep
) -> None:
    [digest] = trained.plan.stages
    file = trained.store.folder(digest) / "predictions.parquet"
    data = bytearray(file.read_bytes())
    data[100] ^= 1
    file.write_bytes(data)
    store, record, heard = Store(trained.store.root), Recorded(), Heard()
    [other] = finished(store, "a")
    writer = StageWriter(record, store, heard.message)
    writer.add(digest)
    writer.add(other)
    writer.close()
    assert set(writer.runs) == {other}
    assert len(heard.messages) == 1
    assert "is damaged" in heard.messages[0]


def test_a_fault_nobody_foresaw_is_one_line_and_the_others_are_written(tmp_path: Path) -> None:
    class Broken(Recorded):
        refused = True

        def record_stage(self, key: str, **given) -> str:
            if self.refused and key in digests[:2]:
                raise TypeError("float() argument must be a number\nnot 'dict'")
            return super().record_stage(key, **given)

    store, record, heard = Store(tmp_path), Broken(), Heard()
    digests = finished(store, "a", "b", "c")
    writer = StageWriter(record, store, heard.message)
    for digest in digests:
        writer.add(digest)
    writer.close()
    assert set(writer.runs) == {digests[2]}
    assert len(heard.messages) == 1
    assert "2 stages are not recorded" in heard.messages[0]
    assert "TypeError: float() argument must be a number not 'dict'" in heard.messages[0]
    assert "`abl record` tries again" in heard.messages[0]
    record.refused = False
    again = StageWriter(record, store, heard.message, runs=writer.runs)
    for digest in digests:
        again.add(digest)
    again.close()
    assert set(again.runs) == set(record.stages) == set(digests)
    assert len(heard.messages) == 1


def test_a_record_that_goes_silent_midway_is_given_up(trained: LoadedSweep) -> None:
    woken = threading.Event()

    class Silent(Recorded):
        def record_stage(self, key: str, **given) -> str:
            woken.wait()
            return super().record_stage(key, **given)

    said: list[str] = []
    writer = StageWriter(Silent(), trained.store, said.append, patience=0.2)
    for digest in trained.plan.stages:
        writer.add(digest)
    writer.close()
    woken.set()
    assert said == [
        "warning: MLflow has not taken a stage for 0.2 s; the work is kept, `abl record` writes "
        "the rest"
    ]
    assert writer.lost
