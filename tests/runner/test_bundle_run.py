"""A sweep whose trainings run as one program: the same stages, each with its own files."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from torch import nn

from abl.api import load
from abl.app.loaded import LoadedSweep
from abl.errors import StageError
from abl.nets.registry import network
from abl.record.store import Store
from abl.runner.bundle_run import run_bundle
from abl.runner.engine import run_plan
from abl.stages import bundled_train
from abl.stages.kind import Work
from abl.stages.one_training import OpenTraining, open_training
from abl.train.bundle_steps import BundleRunner
from commands import abl
from tiny_sweeps import TWO_NETWORKS, Heard, changed

SEVERAL = {"replicates.seeds": [0, 1, 2], "train.optimizer.lr": 0.002}


def write(folder: Path, changes: Mapping[str, Any], name: str = "many") -> Path:
    path = folder / f"{name}.yaml"
    values = changed(TWO_NETWORKS, SEVERAL | {"name": name} | dict(changes))
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")
    return path


def planned(folder: Path, changes: Mapping[str, Any], name: str = "many") -> LoadedSweep:
    loaded = load(write(folder, changes, name), root=folder / "runs")
    assert loaded.plan.stages
    loaded.workspace.prepare(lambda line: None)
    return loaded


def predictions(store: Store, digest: str) -> pd.DataFrame:
    return pd.read_parquet(store.file(digest, "predictions.parquet"))


@pytest.mark.slow  # two sweeps with all that they draw and record
def test_a_sweep_gives_the_same_table(tiny_folder: Path) -> None:
    tables = []
    for name, changes in (("alone", {}), ("bundled", {"train.bundle": 4})):
        file = write(tiny_folder, changes, name)
        found = abl(tiny_folder, "sweep", file.name, "--executor", "local", "--mlruns", "runs")
        assert found.exit_code == 0, found.output
        told = abl(tiny_folder, "table", file.name, "--mlruns", "runs")
        tables.append(told.stdout.replace(name, ""))
    assert tables[0] == tables[1]


def test_each_training_has_a_stage_of_its_own(tiny_folder: Path) -> None:
    alone, bundled = planned(tiny_folder, {}), planned(tiny_folder, {"train.bundle": 4})
    assert not alone.plan.stages.keys() & bundled.plan.stages.keys()
    store, heard = bundled.store, Heard()
    for loaded in (alone, bundled):
        report = run_plan(loaded.plan.stages, store, heard, executor="local")
        assert len(report.ran) == 12
    sizes = []
    for one, other in zip(alone.plan.stages, bundled.plan.stages, strict=True):
        done, single = store.done(other), store.done(one)
        assert done is not None
        assert single is not None
        assert set(done.files) == set(single.files)
        assert done.facts.keys() - single.facts.keys() == {"bundle"}
        sizes.append(done.facts["bundle"])
        given, wanted = predictions(store, other), predictions(store, one)
        pd.testing.assert_frame_equal(given, wanted, rtol=1e-3, atol=1e-3)
    # two networks, six replicates of each: four at once, then two
    assert sorted(sizes) == [2] * 4 + [4] * 8
    assert any("12 trainings run as 4 programs" in note for note in bundled.plan.notes)


@network("noisy_pool")
def noisy_pool(classes: int, channels: int, image_size: int) -> nn.Module:
    """Draws random numbers as no bundle can."""
    from torchvision.ops import StochasticDepth

    side = nn.AdaptiveAvgPool2d(3)
    return nn.Sequential(
        side, nn.Flatten(), StochasticDepth(0.5, "row"), nn.Linear(9 * channels, classes)
    )


def test_what_cannot_be_one_program_is_told_and_keeps_its_stage(tiny_folder: Path) -> None:
    networks = {"axes": {"train.network": ["pooled3", "noisy_pool"]}}
    alone = planned(tiny_folder, networks)
    bundled = planned(tiny_folder, {**networks, "train.bundle": 4})
    same = alone.plan.stages.keys() & bundled.plan.stages.keys()
    assert {bundled.plan.stages[each].label.split()[1] for each in same} == {"noisy_pool"}
    assert len(same) == 6
    notes = [note for note in bundled.plan.notes if note.startswith("train.bundle")]
    assert notes == [
        "train.bundle: trainings of noisy_pool run by themselves: it draws random numbers in "
        "another way than by nn.Dropout",
        "train.bundle: 6 trainings run as 2 programs, where all that are alike are ready at once",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train.precision": "fp16", "resources.gpus": 1}, "precision fp16"),
        ({"train.frozen": 1}, "frozen layers"),
        ({"image.fit": "own", "image.size": 32, "train.network": "plain4"}, "different shapes"),
    ],
)
def test_settings_that_no_bundle_has(tiny_folder: Path, changes: dict[str, Any], said: str) -> None:
    one = {"train.bundle": 4, "axes": {"train.network": ["tiny_vgg"]}, **changes}
    found = planned(tiny_folder, one)
    assert any(note.endswith(f"by themselves: {said}") or said in note for note in found.plan.notes)
    assert not any("bundled" in stage.settings for stage in found.plan.stages.values())


def test_one_that_cannot_be_read_fails_alone(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = planned(tiny_folder, {"train.bundle": 8, "axes": {"train.network": ["pooled3"]}})
    stages = list(loaded.plan.stages.values())

    def broken(work: Work) -> OpenTraining:
        if work.stage is stages[1]:
            raise StageError("no such images")
        return open_training(work)

    monkeypatch.setattr(bundled_train, "open_training", broken)
    store = loaded.store
    assert run_bundle(store, stages[:1])[0].status == "done"
    reports = run_bundle(store, stages[:4])
    assert [report.status for report in reports] == ["reused", "failed", "done", "done"]
    assert reports[1].reason == "no such images"
    assert store.leased() == []
    done = store.done(stages[2].digest)
    assert done is not None
    assert done.facts["bundle"] == 2


DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
import tiny_sweeps, abl, os
from pathlib import Path
from abl.stages import one_training
from abl.train import bundle_course as bundle
from abl.train.fit import Oversight
from abl.runner.bundle_run import run_bundle
loaded = abl.load(Path(sys.argv[2]), root=Path(sys.argv[3]))
stages = list(loaded.plan.stages.values())
saved = bundle.save_checkpoint
written = []
def save(folder, key, checkpoint):
    saved(folder, key, checkpoint)
    written.append(folder)
    if len(written) == 2 * len(stages) - 1:  # before the last one's second
        os._exit(9)
bundle.save_checkpoint = save
at_once = property(lambda self: Oversight(self.work.checkpoints, every_s=0))
one_training.OpenTraining.oversight = at_once
run_bundle(loaded.store, stages)
"""


def test_a_bundle_that_was_killed_goes_on_from_its_checkpoints(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"train.bundle": 8, "axes": {"train.network": ["pooled3"]}, "train.epochs": 4}
    loaded = planned(tiny_folder, changes)
    stages = list(loaded.plan.stages.values())
    tests = str(Path(__file__).parents[1])
    words = [tests, str(tiny_folder / "many.yaml"), str(tiny_folder / "runs")]
    child = subprocess.run([sys.executable, "-c", DRIVER, *words], capture_output=True, text=True)
    assert child.returncode == 9, child.stderr
    shown: list[int] = []
    run = BundleRunner.run

    def counted(self: BundleRunner, epoch: int, rates: Sequence[float]) -> Any:
        shown.append(epoch)
        assert len(rates) == (1 if epoch == 2 else len(stages))
        return run(self, epoch, rates)

    monkeypatch.setattr(BundleRunner, "run", counted)
    reports = run_bundle(loaded.store, stages)
    assert [report.status for report in reports] == ["done"] * len(stages)
    assert shown == [2, 3, 4]
