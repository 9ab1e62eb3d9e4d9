"""Ray, started here or joined, and the nodes it has."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from abl.errors import InputError, Problem
from abl.plan.stage import Resources

OBJECT_STORE_BYTES = 100 * 2**20
MOST_PORTS = 65535


def check_address(address: str) -> None:
    """Raises InputError unless something answers at HOST:PORT: asked before any work."""
    if address.startswith("ray://"):
        raise InputError(
            "--address ray://... is not supported: run abl on a node of the cluster "
            "(ray start --address=HOST:6379 --num-cpus=0 makes this machine one) with "
            "--address HOST:6379"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) <= MOST_PORTS:
        raise InputError(f"--address {address}: write HOST:PORT, as `ray start --head` prints it")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError as error:
        raise InputError(f"--address {address}: nothing answers there ({error})") from None


@contextmanager
def ray_nodes(workers: int | None, address: str | None) -> Iterator[dict[str, Resources]]:
    """Starts Ray here or joins a cluster; gives what each node has."""
    for name, value in {
        # a stage every few milliseconds would otherwise write several files each
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        # Ctrl-C is ours: Tune's handler would save its own state and go on for a while
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_GLOBAL_CHECKPOINT_S": "3600",
        "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
        # the ledger admits no more than can run; a lower bound here would leave workers without
        # their next stage for so long that Tune ends them
        "TUNE_MAX_PENDING_TRIALS_PG": "100000",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }.items():
        os.environ.setdefault(name, value)
    import ray

    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    started_here = not ray.is_initialized()
    try:
        if not started_here:
            pass
        elif address:
            check_address(address)
            ray.init(address=address, **quiet)
        else:
            # "local": a cluster that somebody has started on this machine is not joined unasked
            ray.init(
                address="local",
                num_cpus=workers or len(os.sched_getaffinity(0)),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = f"no Ray cluster at {address}" if address else "Ray does not start"
        advice = ""
        if address:
            advice = (
                "; is its token in RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH, with RAY_AUTH_MODE=token?"
            )
        raise InputError(f"{where}: {first}{advice}") from None
    # Ray's own lines would tear the live display
    for name in ("ray", "ray.tune", "ray.data", "ray._private"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        nodes = nodes_of(ray.nodes())
        if not nodes:
            raise InputError(Problem("the Ray cluster has no node with CPUs"))
        yield nodes
    finally:
        if started_here:
            ray.shutdown()


def nodes_of(described: list[dict[str, Any]]) -> dict[str, Resources]:
    """What each living node has, by its address."""
    nodes = {}
    for node in described:
        have = node["Resources"]
        if node["Alive"] and have.get("CPU", 0) > 0:
            nodes[str(node["NodeManagerAddress"])] = Resources(
                have["CPU"], have.get("GPU", 0), have.get("memory", 0) / 2**30
            )
    return nodes
