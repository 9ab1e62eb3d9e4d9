"""The in-process executor: the same plan, one stage after another, without Ray."""

from __future__ import annotations

from abl.runner.dispatch import Dispatcher
from abl.runner.execute import run_stage


def run_in_process(dispatcher: Dispatcher) -> None:
    """Runs everything that can run, in this thread."""
    while not dispatcher.finished:
        with dispatcher.wake:
            stage = next(dispatcher.each_ready(), None)
            if stage is None:
                # a small stage of the driver is under way, or the plan is about to grow
                if not dispatcher.finished:
                    dispatcher.wake.wait(timeout=1)
                continue
        dispatcher.start(stage, "in-process")
        dispatcher.take(run_stage(dispatcher.store, stage))
