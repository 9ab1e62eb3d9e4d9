"""Never more than a node has; a large stage does not wait behind a stream of small ones."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from abl.plan.stage import Stage, StageResources
from abl.runner.ledger import Ledger, fits


def stage(number: int, cpus: float = 1, gpus: float = 0, memory_gb: float = 0) -> Stage:
    return Stage(
        "nap", 1, {"n": number}, resources=StageResources(cpus, gpus, memory_gb), label=f"{number}"
    )


def one_node(cpus: float = 4, gpus: float = 0) -> Ledger:
    return Ledger({"a": StageResources(cpus, gpus)})


def test_the_first_that_fits_starts() -> None:
    ledger = one_node(2)
    assert ledger.choose([stage(1), stage(2)]) == (stage(1), "a")


def test_a_large_stage_is_not_starved_by_small_ones() -> None:
    ledger = one_node(2)
    running = [stage(1), stage(2)]
    for each in running:
        ledger.take(each.digest, "a", each.resources)
    waiting = [stage(0, cpus=2), *(stage(number) for number in range(3, 50))]
    for each in running:
        assert ledger.choose(waiting) is None
        ledger.give_back(each.digest)
    assert ledger.choose(waiting) == (waiting[0], "a")


def test_small_stages_run_beside_a_large_one_that_waits_if_both_fit() -> None:
    ledger = one_node(4, gpus=1)
    ledger.take("x", "a", StageResources(1, gpus=1))
    large = stage(0, cpus=2, gpus=1)
    assert ledger.choose([large, stage(1)]) == (stage(1), "a")
    ledger.take("y", "a", StageResources(1))
    assert ledger.choose([large, stage(1)]) is None


def test_other_nodes_go_on_while_one_is_held_back() -> None:
    ledger = Ledger({"a": StageResources(2), "b": StageResources(4)})
    ledger.take("x", "b", StageResources(3))
    assert ledger.choose([stage(0, cpus=4), stage(1)]) == (stage(1), "a")


def test_gpus_are_shared_as_asked() -> None:
    ledger = one_node(20, gpus=1)
    for number in range(10):
        each = stage(number, gpus=0.1)
        assert ledger.choose([each]) == (each, "a")
        ledger.take(each.digest, "a", each.resources)
    assert ledger.choose([stage(11, gpus=0.1)]) is None
    ledger.give_back(stage(0, gpus=0.1).digest)
    assert ledger.choose([stage(11, gpus=0.1)]) is not None


def test_what_no_node_has_is_known_beforehand() -> None:
    ledger = Ledger({"a": StageResources(2, 0, 8), "b": StageResources(1, 1, 8)})
    assert ledger.possible(StageResources(2))
    assert ledger.possible(StageResources(1, 1))
    assert not ledger.possible(StageResources(2, 1))
    assert not ledger.possible(StageResources(1, 0, 9))


def test_slots_count_the_stages_that_run_at_once() -> None:
    ledger = Ledger({"a": StageResources(4, 1, 8), "b": StageResources(2, 0, 8)})
    assert ledger.slots(StageResources(1)) == 6
    assert ledger.slots(StageResources(2)) == 3
    assert ledger.slots(StageResources(1, 0.25)) == 4
    assert ledger.slots(StageResources(1, 0, 4)) == 4


machines = st.builds(StageResources, st.integers(1, 4), st.integers(0, 2), st.integers(0, 6))
sizes = st.builds(
    StageResources,
    st.sampled_from([0.3, 0.5, 1, 2, 3]),
    st.sampled_from([0, 0.1, 0.5, 1]),
    st.sampled_from([0, 1, 3]),
)


@settings(deadline=None)
@given(
    st.lists(machines, min_size=1, max_size=3),
    st.lists(sizes, min_size=1, max_size=15),
    st.randoms(use_true_random=False),
)
def test_nothing_is_oversubscribed_and_all_that_is_possible_runs(nodes, wanted, draw) -> None:
    ledger = Ledger({str(at): have for at, have in enumerate(nodes)})
    stages = [Stage("nap", 1, {"n": at}, resources=want) for at, want in enumerate(wanted)]
    waiting = [each for each in stages if ledger.possible(each.resources)]
    running: list[tuple[Stage, str]] = []
    ran = 0
    while waiting or running:
        chosen = ledger.choose(waiting)
        if chosen is not None and (not running or draw.random() < 0.7):
            each, node = chosen
            assert fits(each.resources, ledger.nodes[node].free())
            ledger.take(each.digest, node, each.resources)
            waiting.remove(each)
            running.append(chosen)
        else:
            # nothing running and nothing chosen would be a standstill
            assert running
            done, _ = running.pop(draw.randrange(len(running)))
            ledger.give_back(done.digest)
            ran += 1
        for node in ledger.nodes.values():
            free = node.free()
            assert min(free.cpus, free.gpus, free.memory_gb) > -1e-6
    assert ran == sum(ledger.possible(each.resources) for each in stages)
