"""The Ray Tune executor.

Tune's searcher (`runner/searcher.py`) suggests the plan's stages. Design decision 3 tells what was
measured; the comments here say what each setting is for.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack, suppress
from typing import Any

from abl.errors import InputError, StageError
from abl.plan.stage import StageResources
from abl.record.lease import Watch
from abl.runner.dispatch import Dispatcher
from abl.runner.held_ray import HeldRay
from abl.runner.ledger import Ledger, Packing, known_shares
from abl.runner.ray_nodes import LostRayError, nodes_of
from abl.runner.worker import run_stage_on_worker
from abl.scratch import scratch_folder


def run_with_tune(
    dispatcher: Dispatcher,
    *,
    workers: int | None = None,
    address: str | None = None,
    ray: HeldRay | None = None,
) -> None:
    """Runs everything that can run, on this machine's cores or on the cluster at `address`.

    Args:
        workers: CPUs to use on this machine; default all that the process may use.
        address: HOST:PORT of a running cluster, from a machine that is a node of it.
        ray: As `run_plan`.

    Raises:
        InputError: Ray does not start, or the cluster cannot be reached, is not of these versions,
            or is too small.
        StageError: A part of Ray died without which nothing goes on, before all was finished.
    """
    try:
        with ExitStack() as own:
            _run(dispatcher, workers, address, ray or own.enter_context(HeldRay()))
    except StageError as error:
        # workers that died with their Ray could not give them back
        free_leases(dispatcher)
        if not (isinstance(error, LostRayError) and dispatcher.take_finished()):
            raise
        dispatcher.listener.message(f"warning: {error.fault}; every stage was finished by then")


def free_leases(dispatcher: Dispatcher) -> None:
    """Removes leases on stages of this plan whose holders are known dead."""
    store = dispatcher.store
    with suppress(OSError):  # the next command finds them, and that nobody has them
        for digest in dispatcher.frontier.stages.keys() & set(store.leased()):
            Watch(store.lease_place(digest)).free()


def _run(dispatcher: Dispatcher, workers: int | None, address: str | None, held: HeldRay) -> None:
    # Tune insists on a folder of its own; nothing in it is needed afterwards
    made = scratch_folder("abl-tune-")
    told = dispatcher.listener.message
    with held.nodes(workers, address, told) as nodes, made as scratch:
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
        while _fit(dispatcher, ledger, packing, str(scratch)):
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
