"""The Ray Tune executor, and the nodes of a Ray that is started here or joined.

Tune's searcher (`runner/searcher.py`) suggests the plan's stages. Design decision 3 tells what was
measured; the comments here say what each setting is for.
"""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from abl.errors import InputError, Problem
from abl.plan.stage import StageResources
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import run_stage_on_worker
from abl.runner.ledger import Ledger, Packing, known_shares
from abl.runner.ray_folder import short_folder


def run_with_tune(
    dispatcher: Dispatcher, *, workers: int | None = None, address: str | None = None
) -> None:
    """Runs everything that can run, on this machine's cores or on the cluster at `address`.

    Args:
        workers: CPUs to use on this machine; default all that the process may use.
        address: HOST:PORT of a running cluster, from a machine that is a node of it.

    Raises:
        InputError: The cluster cannot be reached, is not of these versions, or is too small.
    """
    # Tune insists on a folder of its own; nothing in it is needed afterwards
    made = TemporaryDirectory(prefix="abl-tune-", ignore_cleanup_errors=True)
    with ray_nodes(workers, address) as nodes, made as scratch:
        ledger = Ledger(nodes)
        every = list(dispatcher.frontier.stages.values())  # it may grow meanwhile
        for stage in every:
            if not stage.local and not ledger.possible(stage.resources):
                raise InputError(
                    f"{stage.label} asks for {stage.resources.cpus:g} CPUs, "
                    f"{stage.resources.gpus:g} GPUs and {stage.resources.memory_gb:g} GB; "
                    "no node has that: lower `resources:` or add nodes"
                )
        on_gpus = any(stage.resources.gpus for stage in every)
        packing = Packing(known_shares(dispatcher.store) if on_gpus else None)
        while _fit(dispatcher, ledger, packing, scratch):
            dispatcher.listener.message("stages wait for a node that was lost: started anew")


def _fit(dispatcher: Dispatcher, ledger: Ledger, packing: Packing, scratch: str) -> bool:
    """Runs stages until none can start; whether some wait for a node that does not come back."""
    # Ray reads settings when it is imported: those of ray_nodes come first
    import ray
    from ray import tune

    from abl.runner.searcher import PlanSearcher

    meeting = f"meeting-{uuid.uuid4().hex}"
    searcher = PlanSearcher(
        dispatcher, ledger, packing, meeting, nodes=lambda: nodes_of(ray.nodes())
    )

    def resources(config: dict[str, Any]) -> tune.PlacementGroupFactory:
        want = StageResources(**config["resources"])
        bundle: dict[str, float] = {"CPU": want.cpus}
        if want.gpus:
            bundle["GPU"] = want.gpus
        if want.memory_gb:
            bundle["memory"] = want.memory_gb * 2**30
        # Ray gives every node a resource of its own name: the ledger's choice is then kept
        bundle[f"node:{config['node']}"] = 0.001
        return tune.PlacementGroupFactory([bundle])

    tuner = tune.Tuner(
        tune.with_resources(run_stage_on_worker, resources),
        tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
        run_config=tune.RunConfig(
            name=f"plan-{uuid.uuid4().hex[:8]}",
            storage_path=scratch,
            verbose=0,
            failure_config=tune.FailureConfig(max_failures=0),
            checkpoint_config=tune.CheckpointConfig(num_to_keep=1),
        ),
    )
    try:
        tuner.fit()
    except Exception:
        if not searcher.stuck:
            raise
        searcher.give_up()
    finally:
        dispatcher.store.shared.end_meeting(meeting)
    if searcher.error is not None:
        raise searcher.error
    return searcher.stuck


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
def ray_nodes(workers: int | None, address: str | None) -> Iterator[dict[str, StageResources]]:
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
    # Ray adds this folder to its workers' path in any case, and was not tried with this set
    os.environ.pop("PYTHONSAFEPATH", None)
    started_here = not ray.is_initialized()
    of_ray = ExitStack()
    try:
        if started_here and address:
            check_address(address)
            ray.init(address=address, **quiet)
        elif started_here:
            folder = of_ray.enter_context(short_folder())
            # "local": a cluster that somebody has started on this machine is not joined unasked
            ray.init(
                address="local",
                num_cpus=workers or len(os.sched_getaffinity(0)),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
    except (OSError, RuntimeError, ValueError) as error:
        of_ray.close()
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        where = f"no Ray cluster at {address}" if address else "Ray does not start"
        token = (
            "if it asks for a token: export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=FILE, with the "
            "file of the head (~/.ray/auth_token there)"
        )
        raise InputError(f"{where}: {first}" + (f"; {token}" if address else "")) from None
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
        of_ray.close()


def nodes_of(described: list[dict[str, Any]]) -> dict[str, StageResources]:
    """What each living node has, by its address."""
    nodes = {}
    for node in described:
        have = node["Resources"]
        if node["Alive"] and have.get("CPU", 0) > 0:
            nodes[str(node["NodeManagerAddress"])] = StageResources(
                have["CPU"], have.get("GPU", 0), have.get("memory", 0) / 2**30
            )
    return nodes
