"""A stage as a trial of Tune: what a worker is given, what it does, what it reports."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

from abl.plan.stage import Resources, Stage
from abl.record.opening import store_of
from abl.record.store import Store
from abl.runner.execute import Report, run_stage, stage_from_json, stage_to_json

# a process that dies is not the stage's fault the first few times
MAX_DEATHS = 3
# a worker starts in seconds; where one does not come, the others go on without it
MEETING_PATIENCE_S = 30.0
# all workers together look about this often a second at who has come
MEETING_LOOKS = 320


def versions() -> dict[str, str]:
    """What must be equal on all nodes."""
    from importlib.metadata import version

    return {
        "abl": version("abl"),
        "torch": version("torch"),
        "python": platform.python_version(),
    }


def run_stage_on_worker(config: dict[str, Any]) -> dict[str, Any]:
    """The trainable: one stage, or a warm-up that brings a worker into use."""
    store = store_of(config["store"])
    if "meeting" in config:
        wait_for_all(store.shared.meet(config["meeting"]), int(config["slots"]))
        return {"report": json.dumps(versions()), "done": True}
    report = run_stage(store, stage_from_json(json.loads(config["stage"])))
    if report.spoilt:
        # Ray would give this process the next stage; its death has the stage started again
        os._exit(1)
    return {"report": json.dumps(asdict(report)), "done": True}


def wait_for_all(
    come: Callable[[], int], slots: int, *, patience_s: float = MEETING_PATIENCE_S
) -> bool:
    """Whether as many workers as there are slots have come to a meeting.

    Ray starts few processes at a time, and Tune gives up one that is still starting as soon as
    another falls idle: without the meeting most slots would stay empty for the whole run.

    Args:
        come: Counts who has come, this process too.
        patience_s: How long to wait while nobody new comes.
    """
    seen, since = 0, time.monotonic()
    while (count := come()) < slots:
        if count > seen:
            seen, since = count, time.monotonic()
        if time.monotonic() - since > patience_s:
            return False
        time.sleep(max(0.05, slots / MEETING_LOOKS))
    return True


def stage_config(stage: Stage, want: Resources, node: str, store: Store) -> dict[str, Any]:
    """What Tune is given as a trial's config."""
    stage = replace(stage, resources=want)
    return {
        "stage": json.dumps(stage_to_json(_with_shared_files(stage, store))),
        "store": store.address,
        "resources": asdict(stage.resources),
        "node": node,
    }


def _with_shared_files(stage: Stage, store: Store) -> Stage:
    """The stage with names of its files (weights, a user's module) that every machine finds."""
    context = dict(stage.context)
    for role in ("module", "weights"):
        if role in context and context[role] != "imagenet":
            context[role] = store.shared.name_of(str(context[role]))
    return replace(stage, context=context)


def warm_up_config(
    want: Resources, node: str, meeting: str, slots: int, store: Store
) -> dict[str, Any]:
    """A trial that waits for the others of its kind: one a slot brings all slots into use."""
    asked = {"resources": asdict(want), "node": node, "store": store.address}
    return {"meeting": meeting, "slots": slots, **asked}


def report_from(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a worker reported, None if it died before it could."""
    if not result or "report" not in result:
        return None
    found = json.loads(result["report"])
    return found if isinstance(found, dict) else None


def death(stage: Stage, deaths: int) -> Report:
    """The report of a stage whose worker died too often."""
    reason = f"its process or node died {deaths} times (out of memory, killed, or a crash)"
    return Report(stage.digest, "failed", 0.0, reason, died=True)
