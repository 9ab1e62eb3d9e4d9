"""`weights: {pretrain: ...}`: a source task trained once a network, shared by every arm."""

from __future__ import annotations

import pytest
import yaml

import abl

SWEEP = {
    "name": "pretrained",
    "study": "two_step",
    "data": {"phantom": {"patients": 40, "size": 32, "seed": 3}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "replicates": {"seeds": [0, 1]},
    "train": {
        "network": "plain4",
        "epochs": 1,
        "last_k": 1,
        "weights": {"pretrain": {"task": "source", "patients": 12, "size": 32}, "epochs": 1},
    },
    "axes": {"rule": ["original", "true"], "second": ["retrained"]},
    "resamples": 200,
}


@pytest.fixture
def sweep_file(tmp_path):
    path = tmp_path / "pretrained.yaml"
    path.write_text(yaml.safe_dump(SWEEP), encoding="utf-8")
    return path


def trained(plan, word):
    return [stage for stage in plan.stages.values() if stage.label.startswith(word)]


def test_one_pretraining_serves_every_training(sweep_file, tmp_path):
    sweep = abl.load(sweep_file, root=tmp_path / "mlruns")
    source = trained(sweep.plan, "pretrain")
    others = trained(sweep.plan, "train")
    assert len(source) == 1
    assert len(others) == 4
    assert {stage.inputs["weights"] for stage in others} == {source[0].digest}


def test_another_source_seed_is_another_network(sweep_file, tmp_path):
    def digests(seed):
        values = yaml.safe_load(sweep_file.read_text())
        values["train"]["weights"]["seed"] = seed
        sweep_file.write_text(yaml.safe_dump(values))
        return set(abl.load(sweep_file, root=tmp_path / "mlruns").plan.stages)

    assert not digests(0) & digests(1)


def test_the_pretrained_weights_are_where_training_starts(sweep_file, tmp_path):
    from safetensors.torch import load_file

    values = yaml.safe_load(sweep_file.read_text())
    # so small a step that what was read shows in what was written
    values["train"]["optimizer"] = {"name": "sgd", "lr": 1e-9}
    sweep_file.write_text(yaml.safe_dump(values))
    sweep = abl.load(sweep_file, root=tmp_path / "mlruns")
    result = abl.run(sweep, executor="local", record=False)
    assert not result.report.failed, result.report.traces

    def weights(stage):
        folder = sweep.store.folder(stage.digest)
        return load_file(next(folder.glob("*.safetensors")))

    before = weights(trained(sweep.plan, "pretrain")[0])
    after = weights(trained(sweep.plan, "train")[0])
    name = next(name for name in before if before[name].ndim == 4)
    assert after[name].numpy() == pytest.approx(before[name].numpy(), abs=1e-4)
