"""A worker's side of Tune: a stage, or a bundle of them, as a trial."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from platform import python_version
from typing import Any

from abl.plan.stage import Stage, StageResources
from abl.record.opening import store_of
from abl.record.store import Store
from abl.runner.bundle_run import run_bundle
from abl.runner.execute import Report, stage_from_json, stage_to_json
from abl.runner.stage_thread import in_stage_thread
from abl.runner.worker_watch import end_with_ray

# of what a worker sends: a line for people
SAID = "said"
# a process that dies is not the stage's fault the first few times
MAX_DEATHS = 3
# a worker starts in seconds; where one does not come, the others go on without it
MEETING_PATIENCE_S = 30.0
# all workers together look about this often a second at who has come
MEETING_LOOKS = 320


def versions() -> dict[str, str]:
    """What must be equal on all nodes."""
    from importlib.metadata import version

    return {name: version(name) for name in ("abl", "torch")} | {"python": python_version()}


def run_stage_on_worker(config: dict[str, Any]) -> dict[str, Any]:
    """The trainable: one stage, with those that are one program with it, or a warm-up."""
    end_with_ray()
    store = store_of(config["store"])
    if "meeting" in config:
        wait_for_all(store.shared.meet(config["meeting"]), int(config["slots"]))
        return {"report": json.dumps(versions()), "done": True}
    sent = [json.loads(config["stage"]), *json.loads(config.get("beside", "[]"))]
    stages = [stage_from_json(each) for each in sent]
    reports = in_stage_thread(partial(run_bundle, store, stages, _tell_driver))
    if any(report.spoilt for report in reports):
        # Ray would give this process the next stage; its death has the stage started again
        os._exit(1)
    first, *others = [asdict(report) for report in reports]
    return {"report": json.dumps(first), "beside": json.dumps(others), "done": True}


def _tell_driver(line: str) -> None:
    """Sends a line to the driver, wherever this worker is."""
    from ray import tune

    tune.report({SAID: line})


def wait_for_all(come: Callable[[], int], slots: int) -> bool:
    """Whether as many workers as there are slots have come to a meeting.

    Ray starts few processes at a time, and Tune gives up one that is still starting as soon as
    another falls idle: without the meeting most slots would stay empty for the whole run.

    Args:
        come: Counts who has come, this process too.
    """
    seen, since = 0, time.monotonic()
    while (count := come()) < slots:
        if count > seen:
            seen, since = count, time.monotonic()
        if time.monotonic() - since > MEETING_PATIENCE_S:
            return False
        time.sleep(max(0.05, slots / MEETING_LOOKS))
    return True


def stage_config(
    stage: Stage, want: StageResources, node: str, store: Store, beside: Sequence[Stage] = ()
) -> dict[str, Any]:
    """What Tune is given as a trial's config; every machine finds the files that it names.

    Args:
        beside: Stages that are one program with it.
    """
    sent = [_sent(each, want, store) for each in (stage, *beside)]
    return {
        "stage": json.dumps(sent[0]),
        **({"beside": json.dumps(sent[1:])} if beside else {}),
        "store": store.address,
        "resources": asdict(want),
        "node": node,
    }


def _sent(stage: Stage, want: StageResources, store: Store) -> dict[str, Any]:
    context = dict(stage.context)
    for role in ("module", "weights"):
        if role in context and context[role] != "imagenet":
            context[role] = store.shared.name_of(str(context[role]))
    return stage_to_json(replace(stage, resources=want, context=context))


def report_from(result: dict[str, Any] | None) -> dict[str, Any] | None:
    """What a worker reported, None if it died before it could."""
    if not result or "report" not in result:
        return None
    found = json.loads(result["report"])
    return found if isinstance(found, dict) else None


def reports_beside(result: dict[str, Any] | None) -> list[Report]:
    """What a worker reported of the stages that were one program with its first."""
    return [Report(**each) for each in json.loads((result or {}).get("beside", "[]"))]
