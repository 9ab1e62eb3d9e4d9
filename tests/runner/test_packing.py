"""Trainings share a GPU once their memory is known, and never more of them than it holds."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.plan.stage import Stage, StageResources
from abl.record.store import Store
from abl.runner.execute import is_gpu_failure, measured_gpu
from abl.runner.ledger import (
    CONTEXT_BYTES,
    GPU_BYTES,
    GPU_TOTAL_BYTES,
    HEADROOM,
    Ledger,
    Packing,
    known_shares,
    share_of,
)
from tiny_sweeps import nap

GB = 2**30


def training(seed: int, *, width: int = 8, gpus: float = 1, **resources) -> Stage:
    """A training of a shape: its settings, whatever its seed."""
    return Stage(
        "train", 1, {"width": width}, seed=seed, resources=StageResources(1, gpus, **resources)
    )


def took(held_gb: float, total_gb: float = 24) -> dict[str, float]:
    return {GPU_BYTES: held_gb * GB, GPU_TOTAL_BYTES: total_gb * GB}


def running_at_once(packing: Packing, stages: list[Stage], gpus: float = 1) -> int:
    """How many of these stages a node starts before one has ended."""
    ledger, started = Ledger({"node": StageResources(16, gpus)}), 0
    waiting = list(stages)
    while (chosen := ledger.choose(waiting, packing.wanted)) is not None:
        stage, node = chosen
        ledger.take(stage.digest, node, packing.wanted(stage))
        waiting.remove(stage)
        started += 1
    return started


def test_the_first_has_a_gpu_for_itself_and_later_ones_share_it() -> None:
    packing, stages = Packing(), [training(seed) for seed in range(10)]
    assert running_at_once(packing, stages) == 1
    packing.learn(stages[0], took(2))  # 2 GB, more for safety and CUDA's own: 3 of 24
    assert running_at_once(packing, stages[1:]) == 8
    # what another shape takes is not known
    assert running_at_once(packing, [training(seed, width=64) for seed in range(3)]) == 1
    assert running_at_once(packing, stages[1:], gpus=2) == 9


@given(st.floats(0.01, 200), st.floats(4, 200))
def test_what_shares_a_gpu_fits_on_it(held_gb: float, total_gb: float) -> None:
    facts = took(held_gb, total_gb)
    share = share_of(facts)
    assert share is not None
    assert 0 < share <= 1
    if share < 1:
        each = held_gb * GB * HEADROOM + CONTEXT_BYTES
        assert each * int(1 / share) <= total_gb * GB * (1 + 1e-9)


def test_the_largest_that_was_seen_of_a_shape_counts() -> None:
    packing, stages = Packing(), [training(seed) for seed in range(6)]
    packing.learn(stages[0], took(9))
    packing.learn(stages[1], took(2))
    assert running_at_once(packing, stages[2:]) == 2


def test_one_that_died_has_a_gpu_and_more_memory_for_itself() -> None:
    packing, stages = Packing(), [training(seed, memory_gb=2) for seed in range(3)]
    packing.learn(stages[0], took(2))
    packing.died(stages[1])
    assert packing.wanted(stages[1]) == StageResources(1, 1, 4)
    assert packing.wanted(stages[2]).gpus < 0.2


@pytest.mark.parametrize(
    "stage", [training(1, gpus=0.5), training(1, gpus=2), training(1, pack=False)]
)
def test_what_the_file_says_stands(stage: Stage) -> None:
    packing = Packing()
    packing.learn(stage, took(1))
    assert packing.wanted(stage) == stage.resources


def test_what_a_store_knows_is_known_from_the_start(tmp_path) -> None:
    store, stage = Store(tmp_path), training(0)
    with store.claim(stage.digest) as attempt:
        assert attempt is not None
        store.commit(attempt, stage, took(2), {})
    assert running_at_once(Packing(known_shares(store)), [training(s) for s in range(1, 10)]) == 8


def test_a_stage_without_gpu_measures_nothing_and_needs_no_torch(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with measured_gpu(nap("a").resources) as facts:
        pass
    assert facts == {}


@pytest.mark.gpu
def test_a_training_keeps_to_its_share_and_is_measured() -> None:
    import torch

    total = torch.cuda.get_device_properties(0).total_memory
    with measured_gpu(StageResources(1, 0.25)) as facts:
        torch.empty(2**28, dtype=torch.uint8, device="cuda")
    assert 2**28 <= facts[GPU_BYTES] < 2**29
    assert facts[GPU_TOTAL_BYTES] == total
    with (
        pytest.raises(torch.cuda.OutOfMemoryError) as caught,
        measured_gpu(StageResources(1, 0.25)),
    ):
        torch.empty(total // 2, dtype=torch.uint8, device="cuda")
    assert is_gpu_failure(caught.value)
