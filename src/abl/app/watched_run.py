"""`abl watch`: a run as any terminal that sees its store can tell it, whoever drives it.

What runs is read off leases and the rows that trainings write by epoch; what is finished, off the
store. So it works from another machine, and after the driver has died.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from abl.app.loaded import LoadedSweep
from abl.app.plan_words import stages_in_words
from abl.app.results import BEGUN, outcome_named
from abl.errors import InputError, StageError, nearest
from abl.kept_files import json_kept, read_kept
from abl.plan.graph import Plan, PlannedCell
from abl.plan.outcome import Outcome
from abl.processes import machine
from abl.record.done import write_atomically
from abl.record.lease import is_held
from abl.record.live_curve import epochs_of
from abl.record.patient import ABSENT, UnreadableError
from abl.record.store import Store
from abl.report.labels import counted
from abl.runner.progress import duration
from abl.spec.train import Train
from abl.visible import visible_line, without_middle

INDENT = "  "  # of lines of columns, which are cut rather than wrapped
_BARS = "▁▂▃▄▅▆▇█"
MOST_LETTERS = 56  # of a name, so that 80 columns hold an epoch beside it
_WIDE = 24  # epochs of a curve that are shown
MOST_RUNNING = 12


@dataclass(frozen=True)
class RunSeen:
    """One look at a run.

    Attributes:
        lines: What is told of it.
        running: Whether a living run plans this sweep.
        complete: Cells that have everything they are computed from.
        whole: Whether every stage is finished.
    """

    lines: tuple[str, ...]
    running: bool
    complete: frozenset[int]
    whole: bool


def note_begun(store: Store, name: str, file: Path, data: Sequence[Path]) -> None:
    """Keeps where the file of a sweep that begins lies, so that it can be watched by name."""
    said = {"file": str(file.absolute()), "data": [str(path.absolute()) for path in data]}
    folder = store.sweep_folder(name)
    with suppress(OSError):  # a run does not end for want of a watcher
        if (folder / BEGUN).is_file() and (folder / BEGUN).read_text() == json.dumps(said):
            return
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / BEGUN, json.dumps(said))


def begun(store: Store, name: str) -> tuple[Path, list[Path]]:
    """The file and data folders of the last run of a sweep.

    Raises:
        InputError: None was begun here, or its file has gone.
    """
    path = store.sweep_folder(name) / BEGUN
    try:
        said = json_kept(read_kept(path))
        file, data = Path(said["file"]), [Path(each) for each in said["data"]]
    except (*ABSENT, ValueError, KeyError, TypeError):
        known = [each.parent.name for each in (store.root / "sweeps").glob(f"*/{BEGUN}")]
        advice = nearest(name, known) if known else "give its file: abl watch FILE"
        raise InputError(f"no run of '{name}' was begun here: {advice}") from None
    if not file.is_file():
        raise InputError(f"the file of '{name}' is no longer at {file}: give it: abl watch FILE")
    return file, data


def looked_at_run(loaded: LoadedSweep) -> RunSeen:
    """How far the run of a sweep is."""
    store, plan = loaded.store, loaded.plan
    done = set(store.known(list(plan.stages)))
    waiting = [digest for digest in plan.stages if digest not in done]
    at_work = [d for d in waiting if is_held(store.lease_place(d), store.stale_s)]
    running = False
    with suppress(UnreadableError):
        running = any(each.sweep == loaded.name and each.running for each in store.plans.kept())
    kinds = Counter(plan.stages[digest].kind for digest in waiting)
    left = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    lines = [
        f"{loaded.name}: {len(done)} of {counted(len(plan.stages), 'stage')} finished, "
        f"{len(at_work)} at work" + (f"; to come: {left}" if left else "")
    ]
    if waiting and not running:
        lines.append(
            "no run is at work on it: it was stopped or has died; `abl sweep` goes on from here"
        )
    names = stages_in_words(loaded) if at_work else {}
    rows = [
        [
            without_middle(names.get(digest, plan.stages[digest].label), MOST_LETTERS),
            *_curve(loaded, digest),
            _holder(store, digest),
        ]
        for digest in at_work[:MOST_RUNNING]
    ]
    lines += [INDENT + line for line in _in_columns(rows)]
    if len(at_work) > MOST_RUNNING:
        lines.append(f"{INDENT}and {len(at_work) - MOST_RUNNING} more")
    complete = frozenset(
        at for at, cell in enumerate(plan.cells) if all(d in done for d in cell.uses.values())
    )
    return RunSeen(tuple(map(visible_line, lines)), running, complete, not waiting)


def _in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of cells below one another; a column that is empty throughout is left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([f"{cell:{w}}" for cell, w in zip(row, widths, strict=True) if w] for row in rows)
    return ["  ".join(cells).rstrip() for cells in padded]


def _holder(store: Store, digest: str) -> str:
    """`1 min, pid 17`, `1 min, node3 pid 17`, as far as the lease says it."""
    try:
        said = json_kept(store.lease_place(digest).read() or "")
        since = (datetime.now(UTC) - datetime.fromisoformat(said["since"])).total_seconds()
        node = str(said["machine"]).partition("/")[0]
        elsewhere = "" if said["machine"] == machine() else f"{node} "
        return f"{duration(max(since, 0.0))}, {elsewhere}pid {int(said['pid'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _curve(loaded: LoadedSweep, digest: str) -> tuple[str, str, str]:
    """Epoch, validation loss (training loss where there is none), and its course."""
    rows = epochs_of(loaded.store.root, digest)
    if not rows:
        return "", "", ""
    stage = loaded.plan.stages[digest]
    train: dict[str, Any] = stage.settings.get("train") or {}
    # settings at their default are left out of a stage
    of = train.get("epochs", Train.model_fields["epochs"].default)
    epoch = f"epoch {rows[-1]['epoch']}/{of}"
    for column, word in (("validation_loss", "val. loss"), ("train_loss", "train loss")):
        values = [_number(row.get(column)) for row in rows]
        if math.isfinite(values[-1]):
            return epoch, f"{word} {values[-1]:.3f}", spark(values)
    return epoch, "", ""


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def spark(values: Sequence[float]) -> str:
    """The last values as a line of bars, the lowest one empty."""
    shown = [value for value in values[-_WIDE:] if math.isfinite(value)]
    if len(shown) < 2:
        return ""
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(_BARS[min(int((v - low) / span * len(_BARS)), len(_BARS) - 1)] for v in shown)


def first_estimates(loaded: LoadedSweep, complete: frozenset[int]) -> tuple[Outcome | None, str]:
    """The table over the replicates that are complete, and what must be said of it.

    Arms are compared on the replicates that all of the shown ones have: of the arms with any, those
    with the fewest are left out until there are some.

    Args:
        complete: Positions of cells, as `looked_at_run` gives them.
    """
    plan = loaded.plan
    if loaded.file.sweep.search is not None:
        return None, "arms of a search have no numbers before it has ended"
    arms, replicates = _shared(plan, complete)
    if not arms:
        return None, "no arm has a whole replicate yet"
    part, why = _part_of(plan, arms, replicates), ""
    asked = loaded.file.sweep
    # comparisons with arms that are not there yet come later
    for without in ({}, {"contrasts": ()}, {"contrasts": (), "base": None}):
        file = replace(loaded.file, sweep=asked.model_copy(update=without))
        try:
            outcome = loaded.study.analyse(file, part, loaded.workspace).outcome
            break
        except (InputError, StageError, ValueError, KeyError, IndexError) as error:
            why = why or visible_line((str(error).splitlines() or [type(error).__name__])[0])
    else:
        return None, f"no first estimates: {why}"
    if not without and len(arms) == len(plan.arms) and len(replicates) == len(plan.replicates):
        return outcome, _final(loaded, outcome)
    outcome = replace(outcome, title=f"NOT FINAL · {outcome.title or outcome.name}")
    return outcome, (
        f"Not final: {counted(len(replicates), 'replicate')} of {len(plan.replicates)}, "
        f"{len(arms)} of {counted(len(plan.arms), 'arm')}. Intervals and P hold for a run that was "
        "planned so; who stops at what they see here makes them wrong."
        + (" Comparisons with arms that are not there yet are left out." if without else "")
    )


def _final(loaded: LoadedSweep, outcome: Outcome) -> str:
    """What is said where nothing is to come: where the table is, or what writes it."""
    with suppress(InputError):
        if outcome_named(loaded.store, loaded.name).key == outcome.key:
            return f"Finished: `abl table {loaded.name}` shows this table with all its notes."
    return "Every stage is finished; the table is not kept yet: `abl sweep FILE` writes it."


def _shared(plan: Plan, complete: frozenset[int]) -> tuple[list[int], list[Any]]:
    """Arms, and the replicates that each of them has."""
    of_arm: dict[int, set[Any]] = {}
    for at in complete:
        of_arm.setdefault(plan.cells[at].arm, set()).add(plan.cells[at].replicate)
    ranked = sorted(of_arm, key=lambda arm: -len(of_arm[arm]))
    while ranked:
        common = set.intersection(*(of_arm[arm] for arm in ranked))
        if common:
            return sorted(ranked), [each for each in plan.replicates if each in common]
        ranked.pop()
    return [], []


def _part_of(plan: Plan, arms: Sequence[int], replicates: Sequence[Any]) -> Plan:
    """The plan of some arms on some replicates."""
    place = {arm: at for at, arm in enumerate(arms)}
    cells = [
        PlannedCell(place[cell.arm], cell.replicate, cell.uses)
        for cell in plan.cells
        if cell.arm in place and cell.replicate in replicates
    ]
    kept = [plan.arms[arm] for arm in arms]
    without = {place[arm]: why for arm, why in plan.without.items() if arm in place}
    return replace(plan, arms=kept, replicates=list(replicates), cells=cells, without=without)
