"""The nodes of a Ray that is started here or joined, for as long as it lives."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Any

from abl.errors import InputError, Problem, StageError
from abl.plan.stage import StageResources
from abl.runner.loading import load_beside
from abl.runner.ray_end import leave_ray
from abl.runner.ray_folder import short_folder
from abl.runner.ray_guard import ADVICE
from abl.runner.ray_guarding import guarded
from abl.runner.ray_network import check_connections
from abl.runner.ray_start import (
    PART_NAMES,
    WITHOUT_RAY,
    Starting,
    own_parts,
    ray_package,
    restrained_ray,
    within_time,
)
from abl.runner.ray_watch import (
    RayLost,
    RayWatch,
    WatchedPart,
    answering_part,
    process_part,
)

OBJECT_STORE_BYTES = 100 * 2**20
MOST_PORTS = 65535


class LostRayError(StageError):
    """A part of Ray died, or stands still, on which everything that runs there depends.

    Attributes:
        fault: What happened to it, without what to do.
    """

    def __init__(self, line: str):
        super().__init__(line)
        self.fault = line.removesuffix(f"; {ADVICE}")


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
    except (OSError, UnicodeError) as error:  # a label too long for a name is the latter
        raise InputError(f"--address {address}: nothing answers there ({error})") from None


@contextmanager
def ray_nodes(
    workers: int | None,
    address: str | None,
    say: Callable[[str], None] = lambda text: None,
    *,
    until: ExitStack | None = None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Iterator[dict[str, StageResources]]:
    """Starts Ray here or joins a cluster; gives what each node has.

    Args:
        workers: CPUs of a Ray that is started here; default all that the process may use.
        address: HOST:PORT of a cluster that is joined.
        say: Is told if Ray takes long.
        until: If all went well Ray is left beside what follows, which takes seconds of waiting;
            as this closes it has been left. Without it, and after errors, it is left at once.
        meanwhile: Begins what is done beside Ray's start; not called where Ray runs already. Called
            once Ray's guard stands, which has the standard error that this process has then: who
            decodes DICOM files takes it away for moments.

    Raises:
        InputError: Ray cannot be started or joined, or has no node.
        LostRayError: A part of Ray died meanwhile on which everything here depends.
    """
    _set_environment()
    # Ray adds this folder to its workers' path in any case, and was not tried with this set
    os.environ.pop("PYTHONSAFEPATH", None)
    import ray

    if until is not None:
        until.close()  # what it has of a run before is left by now
    started_here = not ray.is_initialized()
    with ExitStack() as of_ray:
        if started_here:
            _enter(of_ray, workers, address, say, meanwhile)
        # Ray's own lines would tear the live display
        for name in ("ray", "ray.tune", "ray.data", "ray._private"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        nodes = nodes_of(ray.nodes())
        if not nodes:
            raise InputError(Problem("the Ray cluster has no node with CPUs"))
        own = started_here and address is None
        with losses_told(RayWatch(watched_parts(own))):
            yield nodes
        if until is not None:
            beside = until.enter_context(ThreadPoolExecutor(1, thread_name_prefix="ray-leaving"))
            until.callback(beside.submit(of_ray.pop_all().close).result)


def _set_environment() -> None:
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
        # Tune's workers have an environment of their own: those that Ray starts ahead of them are
        # ended unused (findings/ray_tune_starts_workers_twice.sh)
        "RAY_prestart_worker_first_driver": "0",
    }.items():
        os.environ.setdefault(name, value)
    # a raylet that asks its object store a moment too soon asks again after a whole second, as half
    # of all starts did (findings/ray_start_waits_a_second.sh). Together ten seconds, as before
    patience = {
        "RAY_raylet_client_connect_timeout_milliseconds": "20",
        "RAY_raylet_client_num_connect_attempts": "500",
    }
    if not patience.keys() & os.environ.keys():
        os.environ.update(patience)


def _enter(
    of_ray: ExitStack,
    workers: int | None,
    address: str | None,
    say: Callable[[str], None],
    meanwhile: Callable[[], None],
) -> None:
    """Starts or joins Ray; `of_ray` ends it."""
    import ray
    from ray.job_config import JobConfig

    quiet: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": logging.CRITICAL,
        # as a client's job: otherwise the folder that the command runs in comes first where workers
        # look for modules, and a `torch.py` that lies there is run
        "job_config": JobConfig(_client_job=True),
    }
    if address:
        check_address(address)
        asked = {"address": address, **quiet}
    else:
        check_connections()
        folder = of_ray.enter_context(short_folder())
        asked = {
            # "local": a cluster that somebody has started on this machine is not joined unasked
            "address": "local",
            "num_cpus": workers or len(os.sched_getaffinity(0)),
            "include_dashboard": False,
            "object_store_memory": OBJECT_STORE_BYTES,
            "_temp_dir": folder,
            **quiet,
        }
    of_ray.enter_context(guarded(ray_package()))
    meanwhile()
    of_ray.enter_context(restrained_ray())
    of_ray.callback(leave_ray, say)
    # half a second of imports that stages would wait for; Ray's start is mostly waiting
    load_beside(["ray.tune"], "tune-loading")
    where = f"no Ray cluster at {address}" if address else "Ray does not start"
    died = (lambda: "") if address else Starting().died
    try:
        within_time(lambda: ray.init(**asked), where, say, died)
    except Exception as error:  # Ray raises all kinds of them, that one too
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        token = (
            "if it asks for a token: export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=FILE, with the "
            "file of the head (~/.ray/auth_token there)"
        )
        raise InputError(f"{where}: {first}; {token if address else WITHOUT_RAY}") from None


def watched_parts(own: bool) -> list[WatchedPart]:
    """What a run depends on in the Ray that this process is connected to.

    Args:
        own: Whether this process started it, so that its parts are children of this process.
    """
    import ray

    context = ray.get_runtime_context()
    parts = [answering_part(PART_NAMES["gcs_server"], context.gcs_address)]
    for node in ray.nodes():
        if node["NodeID"] == context.get_node_id():
            place = f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"
            parts.append(answering_part(PART_NAMES["raylet"], place))
    if own:
        processes = own_parts().items()
        parts = [process_part(name, pid, start) for pid, (name, start) in processes] + parts
    return parts


@contextmanager
def losses_told(watch: RayWatch) -> Iterator[None]:
    """Raises LostRayError for a part of Ray that was lost, however that made itself felt."""
    try:
        with watch:
            yield
    except (RayLost, KeyboardInterrupt):
        if not watch.lost:
            raise
        raise LostRayError(watch.lost) from None
    except (InputError, StageError):
        raise
    except Exception as error:
        # Ray may have noticed first, and says it in many ways
        lost = watch.lost or watch.gone()
        if not lost:
            raise
        raise LostRayError(lost) from error


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
