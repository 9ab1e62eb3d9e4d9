"""Sweeps on several hosts: they share no folder, and lose workers, nodes, network and head."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Cluster, bridge_address, namespaces_allowed, three_hosts

import abl
from abl.record.object_store import ObjectStore
from servers import running_s3, wait_until
from tiny_sweeps import write_sweep

pytestmark = pytest.mark.cluster

# what a worker must not need: importing it ends a stage
BANNED = "raise ImportError('a worker needs no mlflow')\n"
MODULE = """
from torch import nn
from abl.nets.registry import network

@network("nine_means")
def nine_means(classes, channels, image_size):
    return nn.Sequential(
        nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.LayerNorm(9), nn.Linear(9, classes)
    )
"""
SWEEP = {
    "module": "networks.py",
    "train.network": "nine_means",
    "options.panel": ["nine_means"],
    "replicates": {"repeats": 1, "seeds": [0, 1, 2, 3]},
    "axes": {"rule": ["original"]},
    "base": None,
}
DRIVER = """
import sys
from pathlib import Path
root, url, address, count = sys.argv[1:]
from tiny_sweeps import Heard, by_digest, nap
from abl.record.opening import store_at
from abl.runner.engine import run_plan

class Told(Heard):
    def message(self, text):
        print("message:", text, flush=True)
    def finished(self, stage, seconds, reused):
        print("finished:", stage.label, flush=True)

stages, layer = [], []
for level in range(3):
    layer = [nap(f"{level}.{at}", *layer, seconds=1.0, count=count) for at in range(6)]
    stages += layer
report = run_plan(by_digest(*stages), store_at(root, url), Told(), address=address)
assert not report.failed and not report.blocked, report
print("ran", len(report.ran), "reused", len(report.reused), flush=True)
"""


ALLOWED = namespaces_allowed()


@pytest.fixture(
    scope="module",
    params=[
        "namespaces",
        # where hosts of one's own are allowed these are the better ones
        pytest.param("processes", marks=[pytest.mark.slow] if ALLOWED else []),
    ],
)
def hosts(request: pytest.FixtureRequest, tmp_path_factory) -> Iterator[tuple[Cluster, dict]]:
    """A cluster of three hosts and the environment of an S3 server that all of them reach."""
    separate = request.param == "namespaces"
    if separate and not ALLOWED:
        pytest.skip("this process may not make network namespaces")
    folder = tmp_path_factory.mktemp("hosts")
    place = bridge_address() if separate else "127.0.0.1"
    with three_hosts(separate=separate) as cluster, running_s3(folder, host=place) as found:
        banned = cluster.folder / "banned" / "mlflow"
        banned.mkdir(parents=True)
        (banned / "__init__.py").write_text(BANNED)
        path = f"{banned.parent}:{cluster.environment(cluster.head)['PYTHONPATH']}"
        cluster.start(**found, PYTHONPATH=path)
        yield cluster, found


def run_driver(cluster: Cluster, found: dict, name: str, log: str):
    """Starts eighteen stages of a second on the cluster."""
    root, url = str(cluster.folder / name), f"s3://abl/{name}"
    return cluster.head.start(
        *(sys.executable, "-c", DRIVER, root, url, cluster.address, count_file(cluster, name)),
        environment=cluster.environment(cluster.head, **found),
        log=log,
    )


def count_file(cluster: Cluster, name: str) -> str:
    return str(cluster.folder / f"{name}.txt")


def finished(cluster: Cluster, log: str) -> int:
    return cluster.head.said(log).count("finished:")


def check_all_done(cluster: Cluster, found: dict, name: str, log: str, *, most: int) -> None:
    """Every stage is in the store, and none was computed again but those that were under way."""
    assert "ran" in cluster.head.said(log)
    counts = Counter(Path(count_file(cluster, name)).read_text().split())
    assert len(counts) == 18
    assert sum(counts.values()) <= 18 + most
    with pytest.MonkeyPatch.context() as patch:
        for key, value in found.items():
            patch.setenv(key, value)
        store = ObjectStore(f"s3://abl/{name}", cluster.folder / f"{name}-look")
        assert len(store.digests()) == 18
        assert all(store.damaged(digest) == "" for digest in store.digests())


def test_a_sweep_on_hosts_that_share_no_folder(hosts, tiny_folder: Path) -> None:
    cluster, found = hosts
    (tiny_folder / "networks.py").write_text(MODULE)
    path = write_sweep(tiny_folder, SWEEP)
    here = abl.run(abl.load(path, root=tiny_folder / "here"), executor="local", record=False)
    words = ["sweep", str(path), "--address", cluster.address, "--store", "s3://abl/sweep"]
    words += ["--mlruns", str(tiny_folder / "there"), "--record", "off"]
    process = cluster.abl(*words, log="sweep.log", **found)
    assert process.wait(timeout=180) == 0, cluster.head.said("sweep.log")
    # both workers did something, each in a folder of its own
    for worker in cluster.workers:
        assert list((worker.folder / "scratch").glob("*/fetched/*")), worker.name
    again = cluster.abl(*words, log="again.log", **found)
    assert again.wait(timeout=120) == 0, cluster.head.said("again.log")
    there = abl.table(here.outcome.name, root=tiny_folder / "there")
    assert there == abl.table(here)
    secret = found["AWS_SECRET_ACCESS_KEY"]
    for file in (tiny_folder / "there").rglob("*"):
        assert not file.is_file() or secret.encode() not in file.read_bytes()


@pytest.mark.slow
def test_a_worker_process_and_a_node_that_die(hosts) -> None:
    cluster, found = hosts
    process = run_driver(cluster, found, "dies", "dies.log")
    wait_until(lambda: finished(cluster, "dies.log") >= 2, "two stages", 120)
    killed = cluster.workers_of(cluster.workers[1])
    assert killed
    os.kill(killed[0], signal.SIGKILL)
    wait_until(lambda: finished(cluster, "dies.log") >= 5, "five stages", 120)
    os.kill(cluster.raylet_of(cluster.workers[0]), signal.SIGKILL)
    wait_until(lambda: "was lost" in cluster.head.said("dies.log"), "the loss", 120)
    cluster.workers[0].stop()
    cluster.start_worker(cluster.workers[0], **found)
    assert process.wait(timeout=180) == 0, cluster.head.said("dies.log")
    check_all_done(cluster, found, "dies", "dies.log", most=4)
    cluster.wait_for(3)


@pytest.mark.slow
def test_a_worker_cut_off_from_the_network_and_back(hosts) -> None:
    cluster, found = hosts
    if not cluster.workers[0]._namespace:
        pytest.skip("hosts that are processes have no network of their own")
    process = run_driver(cluster, found, "cut", "cut.log")
    wait_until(lambda: finished(cluster, "cut.log") >= 2, "two stages", 120)
    cluster.workers[0].cut_off()
    wait_until(lambda: "was lost" in cluster.head.said("cut.log"), "the loss", 120)
    cluster.workers[0].bring_back()
    assert process.wait(timeout=180) == 0, cluster.head.said("cut.log")
    check_all_done(cluster, found, "cut", "cut.log", most=4)
    # Ray ends the raylet that it has given up
    cluster.workers[0].stop()
    cluster.start_worker(cluster.workers[0], **found)
    cluster.wait_for(3)


@pytest.mark.slow
def test_other_tokens_are_refused(hosts) -> None:
    cluster, found = hosts
    environment = found | {"RAY_AUTH_TOKEN": "0" * 32}
    process = run_driver(cluster, environment, "stranger", "stranger.log")
    assert process.wait(timeout=120) != 0
    assert "ran" not in cluster.head.said("stranger.log").split()


@pytest.mark.slow
def test_the_head_dies_and_the_next_command_goes_on(hosts) -> None:
    cluster, found = hosts
    process = run_driver(cluster, found, "head", "head.log")
    wait_until(lambda: finished(cluster, "head.log") >= 4, "four stages", 120)
    cluster.stop()
    assert process.wait(timeout=60) != 0
    before = finished(cluster, "head.log")
    cluster.start(**found)
    process = run_driver(cluster, found, "head", "head2.log")
    assert process.wait(timeout=180) == 0, cluster.head.said("head2.log")
    said = cluster.head.said("head2.log").split()
    assert int(said[said.index("reused") + 1]) >= before
    check_all_done(cluster, found, "head", "head2.log", most=4)
