"""Ray with a GPU that is only said to be there: who shares it, and when."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

import doubles
from abl.plan.stage import Stage, StageResources
from abl.record.done import DONE
from abl.record.store import Store
from abl.runner.engine import run_plan
from abl.runner.ledger import GPU_BYTES, GPU_TOTAL_BYTES
from tiny_sweeps import Heard, by_digest

pytestmark = pytest.mark.cluster
TOOK = {GPU_BYTES: 5 * 2**30, GPU_TOTAL_BYTES: 24 * 2**30}  # a quarter and more: three on a GPU


@pytest.fixture
def one_gpu_ray() -> Iterator[None]:
    import ray

    ray.init(
        address="local",
        num_cpus=4,
        num_gpus=1,
        include_dashboard=False,
        object_store_memory=80 * 2**20,
        log_to_driver=False,
        logging_level=logging.CRITICAL,
    )
    yield
    ray.shutdown()


def spans(store: Store, stages: list[Stage]) -> list[tuple[float, float]]:
    """When each stage was computed, from begin to end, in order of their begins."""
    found = []
    for stage in stages:
        done, end = store.done(stage.digest), store.folder(stage.digest) / DONE
        assert done is not None
        found.append((end.stat().st_mtime - done.facts["seconds"], end.stat().st_mtime))
    return sorted(found)


def test_the_first_has_the_gpu_alone_and_three_share_it_then(one_gpu_ray, tmp_path: Path) -> None:
    settings = {"seconds": 2.0, "text": "t", "facts": TOOK}
    stages = [
        Stage(
            "nap",
            1,
            settings,
            seed=seed,
            context={"module": doubles.__file__},
            resources=StageResources(1, 1),
            label=f"nap {seed}",
        )
        for seed in range(7)
    ]
    store = Store(tmp_path)
    report = run_plan(by_digest(*stages), store, Heard())
    assert len(report.ran) == 7
    first, *others = spans(store, stages)
    assert all(begin >= first[1] - 0.2 for begin, _ in others)
    at_once = [sum(begin <= at < end for begin, end in others) for at, _ in others]
    assert max(at_once) == 3
