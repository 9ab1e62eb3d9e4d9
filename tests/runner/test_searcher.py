"""What the searcher tells Tune, without Ray running."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from abl.errors import InputError
from abl.plan.stage import Stage, StageResources
from abl.record.store import Store
from abl.runner.dispatch import Dispatcher
from abl.runner.execute import Report, run_stage, stage_from_json
from abl.runner.ledger import Ledger, Packing
from abl.runner.tune import run_with_tune
from abl.runner.worker import MAX_DEATHS, versions
from tiny_sweeps import Heard, by_digest, double, nap

pytestmark = pytest.mark.cluster
Make = Callable[..., tuple]


@pytest.fixture
def make(tmp_path: Path):
    made = []

    def searcher_of(*stages: Stage, cpus: float = 2, memory_gb: float = 0, **more):
        from abl.runner.searcher import PlanSearcher

        heard = Heard()
        dispatcher = Dispatcher(by_digest(*stages), Store(tmp_path), heard, set(), {})
        made.append(dispatcher)
        searcher = PlanSearcher(
            dispatcher,
            Ledger({"n": StageResources(cpus, 0, memory_gb)}),
            Packing(),
            "meeting",
            **more,
        )
        return searcher, dispatcher, heard

    yield searcher_of
    for dispatcher in made:
        dispatcher.close()


def past_warm_ups(searcher) -> None:
    number = 0
    while searcher._warm_ups:
        assert "stage" not in searcher.suggest(f"w{number}")
        said = {"report": json.dumps(versions())}
        searcher.on_trial_complete(trial_id=f"w{number}", result=said)
        number += 1


def compute(searcher, trial: str, config: dict) -> None:
    stage = stage_from_json(json.loads(config["stage"]))
    report = run_stage(Store(Path(config["store"]["root"])), stage)
    searcher.on_trial_complete(trial_id=trial, result={"report": json.dumps(asdict(report))})


def test_stages_are_suggested_as_they_become_ready_until_the_end(make: Make) -> None:
    first, other = nap("a"), nap("c")
    searcher, dispatcher, _ = make(first, nap("b", first), other)
    past_warm_ups(searcher)
    one, two = searcher.suggest("1"), searcher.suggest("2")
    assert searcher.suggest("3") is None
    compute(searcher, "1", one)
    compute(searcher, "2", two)
    compute(searcher, "3", searcher.suggest("3"))
    assert searcher.suggest("4") == "FINISHED"
    assert len(dispatcher.report.ran) == 3


def test_a_dead_worker_is_given_the_stage_again_and_the_third_death_is_final(make: Make) -> None:
    stage = nap("a")
    searcher, dispatcher, heard = make(stage, nap("b", stage), nap("c"))
    past_warm_ups(searcher)
    for death in range(MAX_DEATHS):
        assert stage_from_json(json.loads(searcher.suggest(str(death))["stage"])) == stage
        searcher.on_trial_complete(trial_id=str(death), error=True)
    assert heard.messages == ["nap a: its process died, started again"] * (MAX_DEATHS - 1)
    assert "died 3 times" in dispatcher.report.failed[stage.digest]
    assert len(dispatcher.report.blocked) == 1
    compute(searcher, "c", searcher.suggest("c"))
    assert searcher.suggest("d") == "FINISHED"


def in_bundle(number: int, most: int = 4) -> Stage:
    settings, asked = {"train": {}, "bundled": 1}, StageResources(bundle=most)
    return Stage("nap", 1, settings, seed=number, label=f"nap {number}", resources=asked)


def test_a_bundle_that_dies_is_started_again_in_halves(make: Make) -> None:
    searcher, dispatcher, heard = make(*map(in_bundle, range(5)), cpus=1)
    past_warm_ups(searcher)

    def sent(config: dict) -> list[str]:
        stages = [config["stage"], *map(json.dumps, json.loads(config.get("beside", "[]")))]
        return [stage_from_json(json.loads(each)).label for each in stages]

    assert sent(searcher.suggest("1")) == ["nap 0", "nap 1", "nap 2", "nap 3"]
    assert searcher.suggest("2") is None
    searcher.on_trial_complete(trial_id="1", error=True)
    assert heard.messages == [
        "nap 0 and 3 more: their process died, started again at most 2 at once"
    ]
    config = searcher.suggest("3")
    assert sent(config) == ["nap 0", "nap 1"]
    searcher.on_trial_complete(trial_id="3", error=True)
    assert sent(searcher.suggest("4")) == ["nap 0"]
    failed = Report(in_bundle(0).digest, "failed", reason="boom")
    searcher.on_trial_complete(trial_id="4", result={"report": json.dumps(asdict(failed))})
    assert dispatcher.report.failed == {in_bundle(0).digest: "boom"}
    assert sent(searcher.suggest("5")) == ["nap 1"]


def test_what_is_ready_is_shared_out_before_bundles_grow(make: Make) -> None:
    searcher, dispatcher, _ = make(*map(in_bundle, range(5)), cpus=2)
    past_warm_ups(searcher)
    first, second = searcher.suggest("1"), searcher.suggest("2")
    assert len(json.loads(first["beside"])) == 2
    # of the two that are left one for each slot
    assert "beside" not in second
    store = dispatcher.store
    reports = [Report(in_bundle(at).digest, "failed", reason="boom") for at in range(3)]
    said = [asdict(each) for each in reports]
    result = {"report": json.dumps(said[0]), "beside": json.dumps(said[1:])}
    searcher.on_trial_complete(trial_id="1", result=result)
    assert len(dispatcher.report.failed) == 3
    assert store.leased() == []


def test_a_worker_that_ends_without_a_report_counts_as_dead(make: Make) -> None:
    searcher, _, heard = make(nap("a"))
    past_warm_ups(searcher)
    searcher.suggest("1")
    searcher.on_trial_complete(trial_id="1", result={"done": True})
    assert heard.messages == ["nap a: its process died, started again"]


def test_a_node_of_other_versions_ends_the_run(make: Make) -> None:
    searcher, _, _ = make(nap("a"))
    searcher.suggest("1")
    other = {"report": json.dumps(versions() | {"abl": "0.0.0"})}
    searcher.on_trial_complete(trial_id="1", result=other)
    assert searcher.suggest("2") == "FINISHED"
    with pytest.raises(InputError, match="other versions"):
        raise searcher.error


def test_an_error_in_the_driver_is_kept_and_not_raised_inside_tune(make: Make) -> None:
    searcher, dispatcher, heard = make(nap("a"))
    past_warm_ups(searcher)
    config = searcher.suggest("1")
    heard.finished = None
    compute(searcher, "1", config)
    assert isinstance(searcher.error, TypeError)
    assert searcher.suggest("2") == "FINISHED"
    assert dispatcher.report.ran


def test_stages_of_the_driver_are_never_suggested(make: Make) -> None:
    searcher, dispatcher, _ = make(double("nap", "small", local=True), nap("a"))
    past_warm_ups(searcher)
    config = searcher.suggest("1")
    assert stage_from_json(json.loads(config["stage"])).label == "nap a"
    while len(dispatcher.report.ran) < 1:
        pass
    compute(searcher, "1", config)
    assert searcher.suggest("2") == "FINISHED"


def test_the_address_of_a_ray_client_is_refused_with_advice(make: Make) -> None:
    _, dispatcher, _ = make(nap("a"))
    with pytest.raises(InputError, match="--address HOST:6379"):
        run_with_tune(dispatcher, address="ray://there:10001")


def test_one_that_died_gets_more_memory_but_no_more_than_there_is(make: Make) -> None:
    def asking(memory_gb: float) -> Stage:
        settings = {"text": str(memory_gb)}
        return Stage("nap", 1, settings, resources=StageResources(1, 0, memory_gb), label="nap")

    for asked, then in ((2.0, 4.0), (3.0, 3.0)):
        searcher, _, _ = make(asking(asked), memory_gb=5)
        past_warm_ups(searcher)
        assert searcher.suggest("a")["resources"]["memory_gb"] == asked
        searcher.on_trial_complete(trial_id="a", error=True)
        assert searcher.suggest("b")["resources"]["memory_gb"] == then


def test_nodes_that_come_are_used_and_lost_ones_are_not(make: Make) -> None:
    nodes, now = {"n": StageResources(1)}, [0.0]
    stages = [nap(str(number)) for number in range(4)]
    searcher, _, heard = make(*stages, cpus=1, nodes=lambda: dict(nodes), clock=lambda: now[0])
    past_warm_ups(searcher)
    assert searcher.suggest("a")["node"] == "n"
    assert searcher.suggest("b") is None
    nodes["new"] = StageResources(1)
    now[0] = 6
    assert searcher.suggest("b")["node"] == "new"
    del nodes["n"]
    searcher.on_trial_complete(trial_id="a", error=True)
    assert heard.messages[:2] == ["node new has come", "node n was lost"]
    assert searcher.suggest("c") is None
    assert not searcher.stuck


def test_a_run_whose_stages_wait_for_a_lost_node_is_ended_and_begun_anew(make: Make) -> None:
    nodes, now = {"n": StageResources(1), "m": StageResources(1)}, [0.0]
    stages = [nap(str(number)) for number in range(2)]
    searcher, dispatcher, _ = make(*stages, cpus=1, nodes=lambda: dict(nodes), clock=lambda: now[0])
    past_warm_ups(searcher)
    assert searcher.suggest("a")["node"] == "n"
    del nodes["n"]
    now[0] = 6
    assert searcher.suggest("b")["node"] == "m"
    now[0] = 60
    with pytest.raises(Exception, match="n"):
        searcher.suggest("c")
    assert searcher.stuck
    searcher.give_up()
    assert len(list(dispatcher.each_ready())) == 2


def test_stages_wait_for_nodes_for_less_than_two_minutes(make: Make) -> None:
    nodes, now = {"n": StageResources(1)}, [0.0]
    searcher, _, _ = make(nap("a"), cpus=1, nodes=lambda: dict(nodes), clock=lambda: now[0])
    past_warm_ups(searcher)
    nodes.clear()
    for now[0] in (6, 12, 30):
        assert searcher.suggest("a") is None
    # one that comes back in time is used
    nodes["m"] = StageResources(1)
    now[0] = 36
    assert searcher.suggest("a")["node"] == "m"
    searcher.on_trial_complete(trial_id="a", error=True)
    nodes.clear()
    for now[0] in (60, 80, 99):
        assert searcher.suggest("b") is None
    now[0] = 120
    searcher.suggest("b")
    assert searcher.suggest("b") == "FINISHED"
    assert "no node is left that could run nap a" in str(searcher.error)
    assert "--executor local" in str(searcher.error)


def test_a_death_while_others_wait_for_a_lost_node_puts_its_stage_back(make: Make) -> None:
    nodes, now = {"n": StageResources(1), "m": StageResources(1)}, [0.0]
    stages = [nap(str(number)) for number in range(2)]
    searcher, dispatcher, _ = make(*stages, cpus=1, nodes=lambda: dict(nodes), clock=lambda: now[0])
    past_warm_ups(searcher)
    searcher.suggest("a")
    del nodes["n"]
    now[0] = 6
    assert searcher.suggest("b")["node"] == "m"
    now[0] = 60
    searcher.on_trial_complete(trial_id="b", error=True)
    assert searcher.error is None
    assert len(list(dispatcher.each_ready())) == 1
