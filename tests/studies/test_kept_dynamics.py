"""Logits by epoch of training images: kept only if asked, said in the plan, and bounded."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from transfer_sweeps import FROZEN, load, run

from abl.decide.audit.dynamics import low_confidence
from abl.errors import InputError
from abl.plan.stage import DYNAMICS, DYNAMICS_IMAGES, PREDICTIONS
from abl.report.prediction_frames import probabilities_of

PLAIN = {
    **FROZEN,
    "data": {"phantom": {"patients": 24, "size": 32, "seed": 3, "flip": 0.2}},
    "train": {"network": "plain4", "epochs": 3, "last_k": 1},
    "axes": {"frozen": [0, 2]},
}


def trainings(sweep) -> list:
    return [stage for stage in sweep.plan.stages.values() if stage.kind == "train"]


def test_they_are_of_the_images_and_labels_that_were_trained(tmp_path) -> None:
    sweep = load(tmp_path, PLAIN, train={"dynamics": True})
    said = [note for note in sweep.plan.notes if note.startswith("train.dynamics")]
    assert said == [
        "train.dynamics: 4 trainings keep logits of their training images after each epoch, "
        "1 MB a training at most, 1 MB in all"
    ]
    run(sweep)
    for stage in trainings(sweep):
        logits = np.load(sweep.store.file(stage.digest, DYNAMICS), allow_pickle=False)
        images = pd.read_parquet(sweep.store.file(stage.digest, DYNAMICS_IMAGES))
        frame = pd.read_parquet(sweep.store.file(stage.digest, PREDICTIONS))
        frame = frame[frame["role"] == "train"]
        assert images["image"].tolist() == frame["image"].tolist()
        assert logits.shape == (3, len(images), 2)
        assert sweep.plan.dynamics[stage.digest] == logits.nbytes
        # the labels are those that the training saw, flips and all; its last epoch predicts
        p = probabilities_of(frame)[np.arange(len(frame)), images["label"]]
        np.testing.assert_allclose(1 - low_confidence(logits[-1:], images["label"]), p, atol=2e-3)


def test_unasked_nothing_is_kept_and_no_digest_is_another(tmp_path) -> None:
    (tmp_path / "with").mkdir()
    plain, asked = load(tmp_path, PLAIN), load(tmp_path / "with", PLAIN, train={"dynamics": True})
    assert not [note for note in plain.plan.notes if "dynamics" in note]
    assert all("dynamics" not in stage.settings["train"] for stage in trainings(plain))
    assert not {s.digest for s in trainings(plain)} & {s.digest for s in trainings(asked)}
    run(plain)
    assert DYNAMICS not in plain.store.done(trainings(plain)[0].digest).files


def test_more_than_the_limit_is_refused_when_planning(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("ABL_MAX_DYNAMICS_MB", "1")
    with pytest.raises(InputError) as error:
        load(tmp_path, PLAIN, train={"dynamics": True, "epochs": 10_000}).plan  # noqa: B018
    assert [each.message for each in error.value.problems] == [
        "train.dynamics: a training would keep 2 MB of logits; at most 1 MB are kept: fewer "
        "epochs, or set ABL_MAX_DYNAMICS_MB higher"
    ]
