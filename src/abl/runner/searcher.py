"""A Tune searcher that suggests what the plan can start now. Imported only where Tune runs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from ray.tune.search import Searcher

from abl.errors import InputError
from abl.plan.stage import Resources, Stage
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import Report
from abl.runner.ledger import Ledger
from abl.runner.tune import MAX_DEATHS, death, report_from, stage_config, versions, warm_up_config


class PlanSearcher(Searcher):
    """Suggests stages, critical path first, as resources become free.

    Nothing here may raise inside Tune's loop: an error is kept in `error` and ends the run.
    """

    def __init__(self, dispatcher: Dispatcher, ledger: Ledger, meeting: str):
        super().__init__()
        self.dispatcher = dispatcher
        self.ledger = ledger
        self.error: Exception | None = None
        self._stages: dict[str, Stage] = {}
        self._deaths: Counter[str] = Counter()
        self._warm_ups = self._plan_warm_ups(meeting)

    def _plan_warm_ups(self, meeting: str) -> list[dict[str, Any]]:
        every = list(self.dispatcher.frontier.stages.values())  # it may grow meanwhile
        waiting = [s for s in every if not s.local]
        waiting = [s for s in waiting if s.digest not in self.dispatcher.frontier.done]
        if not waiting:
            return []
        want = waiting[0].resources
        places: list[tuple[str, str]] = []
        for number in range(min(self.ledger.slots(want), len(waiting))):
            name = f"warm-up-{number}"
            stage = Stage("warm_up", 1, {"number": number}, resources=want, label=name)
            chosen = self.ledger.choose([stage])
            if chosen is None:
                break
            self.ledger.take(name, chosen[1], want)
            places.append((name, chosen[1]))
        store, slots = self.dispatcher.store, len(places)
        return [
            {**warm_up_config(want, node, meeting, slots, store), "name": name}
            for name, node in places
        ]

    def suggest(self, trial_id: str) -> Any:
        """The next stage, None while nothing can start, FINISHED at the end."""
        if self.error is not None:
            return str(Searcher.FINISHED)
        if self._warm_ups:
            config = self._warm_ups.pop(0)
            want = Resources(**config["resources"])
            self._stages[trial_id] = Stage("warm_up", 1, {}, resources=want, label=config["name"])
            return config
        with self.dispatcher.lock:
            if self.dispatcher.finished:
                return str(Searcher.FINISHED)
            chosen = self.ledger.choose(self.dispatcher.ready())
            if chosen is None:
                return None
            stage, node = chosen
            self.ledger.take(stage.digest, node, stage.resources)
            self._stages[trial_id] = stage
        self.dispatcher.start(stage, node)
        return stage_config(stage, node, self.dispatcher.store)

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Takes a worker's report; a dead worker's stage is started again, three times at most."""
        stage = self._stages.pop(trial_id, None)
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
                self.dispatcher.take(Report(**said))
                return
            self._deaths[stage.digest] += 1
            if self._deaths[stage.digest] >= MAX_DEATHS:
                self.dispatcher.take(death(stage, self._deaths[stage.digest]))
            else:
                self.dispatcher.listener.message(f"{stage.label}: its process died, started again")
                self.dispatcher.again(stage)
        except Exception as problem:
            self.error = problem

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher to resume from; the store is what abl resumes from
        return {}

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the store is the state."""
