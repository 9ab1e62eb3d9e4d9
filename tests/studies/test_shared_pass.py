"""Layers of a network: one pass for all that a plan asks for, with the values of each alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import yaml
from filelock import FileLock

import abl
from abl.app.loaded import LoadedSweep
from abl.stages import shared_pass
from abl.stages.embed import EMBEDDING
from abl.train import embedding

LAYERS = {"F0": "0:before", "F1": "0:after", "F2": "5.body.0:before", "F3": "avg"}


def load(folder: Path, layers: dict[str, str], **options: Any) -> LoadedSweep:
    folder.mkdir(exist_ok=True)
    panel = {n: {"network": "tiny_resnet", "layer": each} for n, each in layers.items()}
    values = {
        "name": "layers",
        "study": "ensembles",
        "data": {"phantom": {"patients": 12, "size": 32, "seed": 2}},
        "image": {"size": 32, "channels": 1, "normalize": "half"},
        "splits": {"kind": "holdout", "test": 0.3},
        "options": {"panel": panel, "inner_folds": 2, **options},
        "arms": [{"networks": "size 1", "classifier": "svm"}],
        "metrics": ["auc"],
        "primary": "auc",
        "resamples": 200,
    }
    path = folder / "layers.yaml"
    path.write_text(yaml.safe_dump(values, sort_keys=False), "utf-8")
    return abl.load(path, root=folder / "mlruns")


def run(sweep: LoadedSweep, executor: Literal["tune", "local"] = "local") -> dict[str, np.ndarray]:
    """Values of each layer, by digest."""
    result = abl.run(sweep, executor=executor, record=False)
    assert result.report.failed == {}, result.report.traces
    return {
        digest: np.load(sweep.store.file(digest, EMBEDDING))
        for digest, stage in sweep.plan.stages.items()
        if stage.kind == "embed"
    }


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many layers each pass of a network gave."""
    found: list[int] = []
    compute = embedding.write_embeddings

    def counted(paths: list[Path], *given: Any) -> list[int]:
        found.append(len(paths))
        return compute(paths, *given)

    monkeypatch.setattr(embedding, "write_embeddings", counted)
    return found


def left_behind(sweep: LoadedSweep) -> list[str]:
    return [each.name for each in sweep.store.cache.iterdir() if "layers" in each.name]


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    values: dict[str, np.ndarray] = {}
    for name, layer in LAYERS.items():
        values |= run(load(tmp_path_factory.mktemp(name), {name: layer}))
    return values


def test_one_pass_gives_all_layers_with_the_values_of_each_alone(
    tmp_path: Path, alone: dict[str, np.ndarray], passes: list[int]
) -> None:
    sweep = load(tmp_path / "together", LAYERS)
    found = run(sweep)
    assert passes == [len(LAYERS)]
    assert found.keys() == alone.keys()  # what is asked for beside it is no part of its identity
    for digest, values in alone.items():
        assert values.tobytes() == found[digest].tobytes()
        assert sweep.store.done(digest).facts["width"] == values.shape[1]
    assert left_behind(sweep) == []


def test_each_reflection_is_a_pass_and_a_new_layer_one_for_itself(
    tmp_path: Path, passes: list[int]
) -> None:
    few = {name: LAYERS[name] for name in ("F0", "F3")}
    run(load(tmp_path / "few", few, balance="flips"))
    assert passes == [2, 2, 2]
    run(load(tmp_path / "few", LAYERS))
    assert passes == [2, 2, 2, 2]  # the other two: what is finished is not computed again


def test_while_another_computes_a_layer_is_computed_by_itself(
    tmp_path: Path, alone: dict[str, np.ndarray], passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_pass, "_pass_of", lambda identity: "busy")
    sweep = load(tmp_path / "together", LAYERS)
    sweep.store.cache.mkdir(parents=True, exist_ok=True)
    with FileLock(sweep.store.cache / "layers-busy.lock"):
        found = run(sweep)
    assert passes == [1, 1, 1, 1]
    assert all(found[digest].tobytes() == values.tobytes() for digest, values in alone.items())


def test_what_was_left_and_is_damaged_is_computed_again(
    tmp_path: Path, alone: dict[str, np.ndarray], passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    leave = shared_pass.SharedPass.leave

    def spoilt(self: shared_pass.SharedPass, digest: str, files: Any, facts: Any) -> None:
        leave(self, digest, files, facts)
        for path in self._folder(digest).glob("*.npy"):
            data = bytearray(path.read_bytes())
            data[-1] ^= 1
            path.write_bytes(data)

    monkeypatch.setattr(shared_pass.SharedPass, "leave", spoilt)
    sweep = load(tmp_path / "together", LAYERS)
    found = run(sweep)
    assert passes[0] == 4
    assert len(passes) > 1
    assert all(found[digest].tobytes() == values.tobytes() for digest, values in alone.items())


@pytest.mark.cluster
@pytest.mark.usefixtures("two_cpu_ray")
def test_two_workers_at_once_give_the_same_values(
    tmp_path: Path, alone: dict[str, np.ndarray]
) -> None:
    sweep = load(tmp_path / "together", LAYERS)
    found = run(sweep, "tune")
    assert all(found[digest].tobytes() == values.tobytes() for digest, values in alone.items())
