"""A Tune searcher that suggests what the plan can start now. Imported only where Tune runs."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from ray.tune.search import Searcher

from abl.errors import InputError, StageError
from abl.plan.stage import Stage, StageResources
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import Report
from abl.runner.ledger import Ledger, Packing
from abl.runner.ray_guard import ADVICE
from abl.runner.worker import (
    MAX_DEATHS,
    SAID,
    report_from,
    reports_beside,
    stage_config,
    versions,
)

# how often it is asked which nodes there are
LOOK_S = 5.0
# stages that ran on a lost node have ended with an error by then
LOST_S = 30.0
# with what it takes to notice that a node was lost: less than two minutes in all
NOWHERE_S = 40.0


class LostNodeError(Exception):
    """A node was lost, and stages wait for it."""


class PlanSearcher(Searcher):
    """Suggests stages, critical path first, as resources become free.

    Nothing here may raise inside Tune's loop: an error is kept in `error` and ends the run.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        ledger: Ledger,
        packing: Packing,
        meeting: str,
        *,
        nodes: Callable[[], dict[str, StageResources]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.dispatcher = dispatcher
        self.ledger = ledger
        self.packing = packing
        self.error: Exception | None = None
        self.stuck = False  # stages wait for a node that was lost: Tune would wait with them
        self._stages: dict[str, Stage] = {}
        self._beside: dict[str, list[Stage]] = {}  # trial -> what is one program with its stage
        self._largest: dict[str, int] = {}  # of stages whose bundle died: how large one may be
        self._places: dict[str, str] = {}  # trial -> node
        self._deaths: Counter[str] = Counter()
        self._nodes, self._clock = nodes, clock
        self._looked = clock()
        self._lost: dict[str, float] = {}  # node -> when it was missed
        self._nowhere: float | None = None  # since when no node has room for what waits
        self._warm_ups = self._plan_warm_ups(meeting)

    def _plan_warm_ups(self, meeting: str) -> list[dict[str, Any]]:
        """Trials that wait for each other: one a slot brings all slots into use."""
        waiting = self.dispatcher.for_workers()
        if not waiting:
            return []
        want = self.packing.wanted(waiting[0])
        places: list[dict[str, str]] = []
        for number in range(min(self.ledger.slots(want), len(waiting))):
            name = f"warm-up-{number}"
            stage = Stage("warm_up", 1, {"number": number}, resources=want, label=name)
            chosen = self.ledger.choose([stage])
            if chosen is None:
                break
            self.ledger.take(name, chosen[1], want)
            places.append({"name": name, "node": chosen[1]})
        asked = {"resources": asdict(want), "store": self.dispatcher.store.address}
        return [{"meeting": meeting, "slots": len(places), **asked, **each} for each in places]

    def suggest(self, trial_id: str) -> Any:
        """The next stage, None while nothing can start, FINISHED at the end.

        Raises:
            LostNodeError: To end a run in which stages wait for a node that does not come back.
        """
        if self.error is not None:
            return str(Searcher.FINISHED)
        if self._nodes is not None and self._clock() - self._looked > LOOK_S:
            self._look_at_nodes()
            self._end_if_stuck()
            self._end_if_nowhere()
        if self._warm_ups:
            config = self._warm_ups.pop(0)
            want = StageResources(**config["resources"])
            self._stages[trial_id] = Stage("warm_up", 1, {}, resources=want, label=config["name"])
            self._places[trial_id] = config["node"]
            return config
        with self.dispatcher.lock:
            if self.dispatcher.finished:
                return str(Searcher.FINISHED)
            chosen = self.ledger.choose(self.dispatcher.each_ready(), self._wanted)
            if chosen is None:
                return None
            stage, node = chosen
            want = self._wanted(stage)
            self.ledger.take(stage.digest, node, want)
            self._stages[trial_id], self._places[trial_id] = stage, node
            beside = self.dispatcher.alike(stage, self.ledger.slots(want), self._most)
            self._beside[trial_id] = beside
        for each in (stage, *beside):
            self.dispatcher.start(each, node)
        return stage_config(stage, want, node, self.dispatcher.store, beside)

    def _most(self, stage: Stage) -> int:
        return self._largest.get(stage.digest, stage.resources.bundle)

    def _wanted(self, stage: Stage) -> StageResources:
        want = self.packing.wanted(stage)
        # more memory after a death, but never more than a node has: it would wait for ever
        if want is stage.resources or self.ledger.possible(want):
            return want
        return stage.resources

    def _look_at_nodes(self) -> None:
        """Takes nodes that have come, and no longer counts on those that were lost."""
        if self._nodes is None:
            return
        self._looked = self._clock()
        lost, come = self.ledger.renew(self._nodes())
        for name in sorted(lost):
            self._lost[name] = self._looked
            self.dispatcher.listener.message(f"node {name} was lost")
        for name in sorted(come):
            self._lost.pop(name, None)
            self.dispatcher.listener.message(f"node {name} has come")

    def _end_if_stuck(self) -> None:
        # what ran there ends with an error; what had not begun there would wait for ever
        gone = {name for name, since in self._lost.items() if self._looked - since > LOST_S}
        if gone & set(self._places.values()):
            self.stuck = True
            raise LostNodeError(", ".join(sorted(gone)))

    def _end_if_nowhere(self) -> None:
        # nodes that are brought back in time are used; a cluster that is gone is not waited for
        with self.dispatcher.lock:
            waiting = next(self.dispatcher.each_ready(), None)
            ready = self.dispatcher.each_ready()
            possible = any(self.ledger.possible(stage.resources) for stage in ready)
        if waiting is None or possible or self._stages or self.dispatcher.busy:
            self._nowhere = None
        elif self._nowhere is None:
            self._nowhere = self._looked
        elif self._looked - self._nowhere > NOWHERE_S:
            self.error = StageError(
                f"no node is left that could run {waiting.label}; bring nodes back, {ADVICE}"
            )

    def give_up(self) -> None:
        """Lets another run of Tune have the stages that this one was at."""
        for trial, stage in self._stages.items():
            name = stage.label if stage.kind == "warm_up" else stage.digest
            self.ledger.give_back(name)
            if stage.kind != "warm_up":
                for each in (stage, *self._beside.pop(trial, [])):
                    self.dispatcher.again(each)
            self._places.pop(trial, None)
        self._stages.clear()

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passes on what a worker says before it has ended."""
        if SAID in result:
            self.dispatcher.listener.message(str(result[SAID]))

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Takes a worker's report; a dead worker's stage is started again, three times at most."""
        stage, beside = self._stages.pop(trial_id, None), self._beside.pop(trial_id, [])
        self._places.pop(trial_id, None)
        if stage is None:
            return
        try:
            said = None if error else report_from(result)
            if stage.kind == "warm_up":
                self.ledger.give_back(stage.label)
                if said is not None and said != versions():
                    raise InputError(f"a node has other versions: {said}, here {versions()}")
                return
            self.ledger.give_back(stage.digest)
            if said is not None:
                for report in (Report(**said), *reports_beside(result)):
                    self.dispatcher.take(report)
                done = self.dispatcher.store.done(stage.digest) if stage.resources.gpus else None
                if done is not None:
                    self.packing.learn(stage, done.facts)
                return
            self._look_at_nodes()
            if beside:
                self._in_halves([stage, *beside])
                return
            self._deaths[stage.digest] += 1
            deaths = self._deaths[stage.digest]
            self.packing.died(stage)
            if deaths >= MAX_DEATHS:
                why = "out of memory, killed, or a crash"
                reason = f"its process or node died {deaths} times ({why})"
                self.dispatcher.take(Report(stage.digest, "failed", reason=reason, died=True))
            else:
                self.dispatcher.listener.message(f"{stage.label}: its process died, started again")
                self.dispatcher.again(stage)
        except Exception as problem:
            self.error = problem

    def _in_halves(self, stages: list[Stage]) -> None:
        """Starts the stages of a bundle again whose process died, perhaps for want of memory."""
        half = (len(stages) + 1) // 2
        for each in stages:
            self._largest[each.digest] = half
            self.dispatcher.again(each)
        count = f"{stages[0].label} and {len(stages) - 1} more"
        self.dispatcher.listener.message(
            f"{count}: their process died, started again at most {half} at once"
        )

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher to resume from; the store is what abl resumes from
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""
