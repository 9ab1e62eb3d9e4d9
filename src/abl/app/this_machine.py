"""What trainings ask for and this machine has not: of a cluster's machines Ray knows."""

from __future__ import annotations

from abl.app.loaded import LoadedSweep
from abl.data.workers import available_workers
from abl.errors import Problem, raise_if_any
from abl.report.environment import memory_gib
from abl.runner.engine import something_for_workers


def check_machine(sweep: LoadedSweep) -> None:
    """Raises InputError if stages that are to be computed in this process ask for more than it has.

    A sweep that is finished asks for nothing.
    """
    if something_for_workers(sweep.plan.stages, sweep.store):
        raise_if_any(_lacking(sweep))


def _lacking(sweep: LoadedSweep) -> list[Problem]:
    asked, found = sweep.file.sweep.resources, list[Problem]()
    others = "or run it on machines that have them (--address)"
    if asked.gpus and asked.gpus > (gpus := _gpus()):
        lower = f"write at most {gpus}" if gpus else "take it out"
        text = f"resources.gpus: {asked.gpus:g}, and this machine has {gpus}: {lower}, {others}"
        found.append(sweep.file.problem(text, "resources", "gpus"))
    if asked.cpus > (cpus := available_workers()):
        text = f"resources.cpus: {asked.cpus:g}, and this machine has {cpus}: write fewer, {others}"
        found.append(sweep.file.problem(text, "resources", "cpus"))
    memory = memory_gib()
    if memory is not None and asked.memory_gb > memory:
        text = f"resources.memory_gb: {asked.memory_gb:g}, and this machine has {memory:.0f}"
        text += f": write less, {others.replace('them', 'it')}"
        found.append(sweep.file.problem(text, "resources", "memory_gb"))
    return found


def _gpus() -> int:
    import torch  # seconds, which sweeps of CPUs need not wait for here

    return torch.cuda.device_count()
