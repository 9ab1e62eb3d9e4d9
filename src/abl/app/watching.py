"""What the command line shows beside the table: progress, plans, status, lists, pages."""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from abl.app.loaded import LoadedSweep
from abl.app.plan_words import arms_in_words, notes_in_words, stages_in_words
from abl.app.spent import last_spent
from abl.data.cache_folders import without_checksums
from abl.errors import InputError, disk_told, nearest
from abl.plan.graph import wanted_stages
from abl.plan.stage import Stage
from abl.record.lease import is_held
from abl.record.opening import store_at
from abl.record.store import Store
from abl.report.labels import counted
from abl.runner.engine import expected_seconds
from abl.runner.progress import ProgressState
from abl.runner.progress_view import make_view
from abl.runner.protocols import Listener
from abl.spec.data import Image
from abl.spec.train import Train
from abl.studies.contract import studies


class _Progress:
    """Events of a run, for the progress view."""

    def __init__(self, state: ProgressState, names: Mapping[str, str]):
        self._state, self._names = state, names  # digest -> what a stage is called, if not itself
        self._blocked = 0

    def started(self, stage: Stage, where: str) -> None:
        self._state.started(stage.digest, self._name(stage), where, kind=stage.kind)

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        self._state.finished(stage.digest, seconds)

    def failed(self, stage: Stage, reason: str) -> None:
        self._state.failed(stage.digest, self._name(stage), reason)

    def blocked(self, stages: list[Stage], cause: Stage) -> None:
        self._blocked += len(stages)
        self._state.blocked(self._blocked)

    def given_up(self, stage: Stage) -> None:
        self._state.given_up(stage.digest)

    def grown(self, stages: list[Stage]) -> None:
        self._state.grown(Counter(stage.kind for stage in stages))

    def message(self, text: str) -> None:
        self._state.message(text)

    def _name(self, stage: Stage) -> str:
        return self._names.get(stage.digest, stage.label)


@contextlib.contextmanager
def watched(loaded: LoadedSweep, *, executor: str, workers: int | None) -> Iterator[Listener]:
    """Shows a run while it lasts; gives the listener to run it with."""
    loaded.fetch_weights()
    plan = loaded.plan
    done, _ = loaded.store.usable(plan.stages)
    wanted = wanted_stages(plan.stages, done)
    missing = {digest: stage for digest, stage in wanted.items() if digest not in done}
    expected = expected_seconds(missing, loaded.store)
    by_kind = Counter(stage.kind for stage in missing.values())
    seconds = {
        kind: sum(times) / len(times)
        for kind in by_kind
        if (times := [expected[d] for d, s in missing.items() if s.kind == kind and d in expected])
    }
    slots = 1 if executor == "local" else workers or len(os.sched_getaffinity(0))
    state = ProgressState(slots=slots, seconds_by_kind=seconds)
    trainings = sum(stage.kind == "train" for stage in plan.stages.values())
    with make_view(state):
        state.planned(len(wanted), by_kind, shared=max(plan.asked - trainings, 0), reused=len(done))
        yield _Progress(state, stages_in_words(loaded))


def numbers_of(
    loaded: LoadedSweep, why: str | None = None, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """A plan in numbers, with reasons for what is to be computed; no stage is executed.

    Images that are not in the cache are decoded, as a sweep does before it trains.

    Args:
        why: Words for an arm, whose stages are told one by one.
        say: Is told what takes long.

    Raises:
        InputError: What a sweep refuses; no such arm, or several.
    """
    from abl.report.plan_text import arm_reasons, plan_numbers, reason_numbers

    plan = loaded.plan
    meant = None if why is None else _arm_meant(loaded, why)
    plan.notes.extend(note for note in _of_the_images(loaded, say) if note not in plan.notes)
    done, said = loaded.store.usable(plan.stages)
    plan.notes.extend(said.values())
    slots = max(int(len(os.sched_getaffinity(0)) / loaded.file.sweep.resources.cpus), 1)
    seconds = expected_seconds(plan.stages, loaded.store)
    plan.notes += loaded.study.budget(loaded.file, plan, loaded.workspace, slots)
    wanted = wanted_stages(plan.stages, done)
    unknown = [d for d in wanted if d not in done and d not in seconds]
    flops = _flops(loaded, unknown) if loaded.file.sweep.resources.gpus else 0.0
    reasons = loaded.reasons(done, said)
    numbers = plan_numbers(plan, done, seconds, slots) | {"flops_of_unknown": flops}
    if unknown and not loaded.file.sweep.resources.gpus:
        numbers["rough_seconds"] = _rough_seconds(loaded, unknown, slots)
    numbers["last_run"] = last_spent(loaded.store.sweep_folder(loaded.name))
    numbers["reasons"] = reason_numbers(reasons)
    numbers["notes"] = notes_in_words(loaded)
    if meant is not None:
        numbers["why"] = arm_reasons(meant[1], plan, meant[0], reasons)
    return numbers


def _of_the_images(loaded: LoadedSweep, say: Callable[[str], None]) -> list[str]:
    """What a sweep would say of its images; raises InputError with what it would refuse."""
    cache = loaded.store.cache
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    if not _can_write(there):
        return [f"images are not looked at: {there} cannot be written; `abl sweep` needs that"]
    with disk_told(loaded.store.root), without_checksums():
        return loaded.workspace.looked_through(say)


def _can_write(folder: Path) -> bool:
    return os.access(folder, os.W_OK)


def _arm_meant(loaded: LoadedSweep, words: str) -> tuple[int, str]:
    """Position and title of the arm, found as in a table."""
    from abl.report.named import planned_outcome
    from abl.report.pairs.arm_words import arm_named

    rows = planned_outcome(loaded.plan.arms, loaded.name, loaded.file.sweep.labels)
    at = int(arm_named(rows, words, alone=True).key)
    return at, arms_in_words(loaded)[at]


def _rough_seconds(loaded: LoadedSweep, digests: list[str], slots: int) -> float | None:
    """Of trainings that no machine's times are known of here, by the rule of thumb of `abl init`;
    None if one is of a network that it does not know.
    """
    from abl.app.init.machine import estimated_training_s
    from abl.spec.splits import SharedSplits

    plan, workspace, total = loaded.plan, loaded.workspace, 0.0
    for digest in digests:
        stage = plan.stages[digest]
        if stage.kind != "train":
            continue  # short beside it
        if "splits" not in stage.context:
            return None
        opened, given = workspace.behind(str(stage.context["view"])), stage.settings["train"]
        splits = SharedSplits.model_validate(stage.context["splits"])
        split = opened.split(splits, int(stage.context["repeat"]), int(stage.context["fold"]))
        train = Train.model_validate({n: v for n, v in given.items() if n != "weights"})
        size = Image.model_validate(stage.settings["image"]).size
        each = estimated_training_s(train.network, size, len(split.train), train.epochs)
        if each is None:
            return None
        total += each
    return total / max(slots, 1) or None


def _flops(loaded: LoadedSweep, digests: list[str]) -> float:
    """Of trainings whose time is not known, each on its whole training part."""
    from abl.nets.cost import network_cost, training_flops
    from abl.nets.mask_guided import segmenter_flops
    from abl.nets.registry import FUSIONS

    plan, total = loaded.plan, 0.0
    for digest in digests:
        stage = plan.stages[digest]
        if stage.kind not in ("train", "segment"):
            continue
        given = dict(stage.settings["train"])
        given.pop("weights", None)  # may be the hash of a file
        train, image = Train.model_validate(given), Image.model_validate(stage.settings["image"])
        images = len(loaded.workspace.behind(str(stage.context["view"])).dataset)
        if stage.kind == "segment" or train.attention.is_predicted:
            branch = train.attention.segmentation
            once = segmenter_flops(branch, image.channels, image.size)
            total += 3.0 * once * images * train.epochs
        if stage.kind == "segment":
            continue
        cost = network_cost(
            train.network,
            classes=int(stage.settings["classes"]),
            channels=image.channels,
            image_size=image.size,
        )
        front, joined = plan.fronts.get(digest), FUSIONS.get(train.fusion)
        total += training_flops(
            cost,
            images=images,
            epochs=train.epochs,
            branches=2 if joined is not None and joined.at == "features" else 1,
            frozen=0.0 if front is None else front.share,
            kept=bool(stage.shortcuts),
        )
    return total


def status_text(root: Path, url: str | None = None) -> str:
    """Sweeps with a table, and what the store holds.

    Raises:
        InputError: The object store at `url` cannot be read.
    """
    from abl.app.results import outcome_named, sweep_names

    store = store_at(root, url)
    store.check(writing=False)
    digests = store.digests()
    finished = store.known(digests)
    lines = []
    for name in sweep_names(store):
        outcome = outcome_named(store, name)
        failed = sum(bool(arm.failed) for arm in outcome.arms)
        missing = {d for arm in outcome.arms for d in arm.stages if d not in finished}
        state = f"{counted(failed, 'arm')} failed" if failed else "complete"
        if missing:
            state += f", {counted(len(missing), 'stage')} not in the store"
        arms = "arm " if len(outcome.arms) == 1 else "arms"  # columns of lines
        lines.append(f"{name:32} {len(outcome.arms):4} {arms}  {state}")
    kinds: Counter[str] = Counter()
    size = 0
    for digest in digests:
        done = finished.get(digest)
        kinds[str(done.stage.get("kind")) if done else "damaged"] += 1
        size += sum(bytes_ for bytes_, _ in done.files.values()) if done else 0
    stages = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "nothing"
    lines.append(f"store: {stages}; {size / 2**20:.1f} MiB")
    running, left = _at_work(store)
    if running:
        lines.append(f"running: {counted(running, 'stage')}")
    if left:
        lines.append(
            f"failed or broken off: {counted(left, 'stage')}; `abl sweep` again goes on from there"
        )
    return "\n".join(lines) + "\n"


def _at_work(store: Store) -> tuple[int, int]:
    """Stages that a living process is at, and others that an attempt has left behind."""
    started = {path.name for path in (store.root / "work").glob("*")} | set(store.leased())
    digests = {digest for digest in started if not store.has(digest)}
    running = {digest for digest in digests if is_held(store.lease_place(digest), store.stale_s)}
    left = {digest for digest in digests - running if (store.root / "work" / digest).is_dir()}
    return len(running), len(left)


def ui_addresses(root: Path, name: str | None) -> dict[str, str]:
    """Sweep -> page of its arms, below MLflow's address.

    Raises:
        InputError: No such sweep, or nothing recorded.
    """
    from abl.app.results import outcome_named, sweep_names
    from abl.record.mlflow_writer import MlflowRecord

    store = store_at(root)
    names = sweep_names(store)
    if name is not None and name not in names:
        advice = nearest(name, names) if names else "run `abl sweep FILE` first"
        raise InputError(f"no sweep '{name}' was run here: {advice}")
    record = MlflowRecord(root)
    chosen = names if name is None else [name]
    return {each: record.address(outcome_named(store, each), "") for each in chosen}


def full_schema() -> str:
    """The JSON Schema of sweep files, with the studies, axes and metrics there are."""
    from abl.decide.metrics import METRICS
    from abl.spec.reference import schema_text, sweep_schema

    known = studies()
    return schema_text(
        sweep_schema(
            {name: study.options for name, study in known.items()},
            {axis.name: axis.description for study in known.values() for axis in study.axes},
            {name: metric.description for name, metric in METRICS.items()},
        )
    )


def full_reference() -> str:
    """The page that describes sweep files, with the studies there are."""
    from abl.spec.reference import sweep_reference

    known = studies()
    axes = {n: {axis.name: axis.description for axis in s.axes} for n, s in known.items()}
    return sweep_reference({name: study.options for name, study in known.items()}, axes)
