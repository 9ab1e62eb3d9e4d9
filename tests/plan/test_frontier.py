"""Every stage starts once, after its inputs; a failure blocks exactly what reads it."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from abl.plan.frontier import Frontier
from abl.plan.graph import Arm, Plan, PlannedCell, Replicate, wanted_stages
from abl.plan.stage import Stage
from tiny_sweeps import by_digest, nap


def random_graph(draw: random.Random) -> dict[str, Stage]:
    """Stages of an acyclic graph, inputs first."""
    stages: list[Stage] = []
    for number in range(draw.randint(1, 15)):
        inputs = draw.sample(stages, min(draw.randint(0, 3), len(stages)))
        stages.append(nap(str(number), *inputs))
    return by_digest(*stages)


def blocked_by(stages: dict[str, Stage], digest: str, done: set[str]) -> set[str]:
    """What reads a stage, directly or through others, and is not there already."""
    found: set[str] = set()
    for other, stage in stages.items():
        if other not in done and any(
            source == digest or source in found for source in stage.inputs.values()
        ):
            found.add(other)
    return found


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_each_stage_starts_once_after_its_inputs_and_failures_block_their_readers(
    seed: int,
) -> None:
    draw = random.Random(seed)
    stages = random_graph(draw)
    # what is done was done with its inputs, which may have been cleaned away since
    done = {digest for digest in stages if draw.random() < 0.3}
    frontier = Frontier(stages, done)
    finished, failed, started, running = set(done), set(), [], []
    while not frontier.finished:
        step = draw.choice(["start", "finish", "finish", "fail", "again"])
        if step == "start" or not running:
            stage = next(frontier.each_ready(), None)
            if stage is None:
                continue
            frontier.start(stage.digest)
            assert set(stage.inputs.values()) <= finished
            started.append(stage.digest)
            running.append(stage.digest)
            continue
        digest = running.pop(draw.randrange(len(running)))
        if step == "finish":
            frontier.finish(digest)
            finished.add(digest)
        elif step == "fail":
            blocked = frontier.fail(digest, "reason")
            new = blocked_by(stages, digest, done) - set().union(
                *(blocked_by(stages, other, done) for other in failed)
            )
            assert set(blocked) == new
            failed.add(digest)
        else:
            frontier.again(digest)
            started.remove(digest)
    blocked = set().union(*(blocked_by(stages, digest, done) for digest in failed))
    assert len(started) == len(set(started))
    assert not set(started) & done
    assert finished | failed | blocked == set(stages)
    assert finished.isdisjoint(failed | blocked)
    assert set(frontier.failed) == failed | blocked


def test_the_longest_remaining_path_goes_first() -> None:
    short, long = nap("short"), nap("long")
    after = nap("after", long)
    stages = by_digest(short, long, after)
    assert [s.label for s in Frontier(stages).each_ready()] == ["nap long", "nap short"]
    slow = Frontier(stages, seconds={short.digest: 10.0})
    assert [s.label for s in slow.each_ready()] == ["nap short", "nap long"]


def test_blocked_stages_name_what_failed() -> None:
    first = nap("first")
    reader = nap("reader", first)
    frontier = Frontier(by_digest(first, reader, nap("other")))
    frontier.start(first.digest)
    assert frontier.fail(first.digest, "broken") == [reader.digest]
    assert frontier.failed[reader.digest] == "blocked: needs nap first, which failed"
    assert [stage.label for stage in frontier.each_ready()] == ["nap other"]


def test_a_plan_holds_each_stage_once_and_knows_who_uses_it() -> None:
    plan = Plan()
    first, reader = nap("first"), nap("reader", nap("first"))
    assert plan.add(first) == plan.add(nap("first"))
    plan.add(reader)
    plan.arms = [Arm({"rule": "a"}), Arm({"rule": "b"})]
    plan.cells = [
        PlannedCell(0, Replicate(0, 0, 0), {"original": first.digest}),
        PlannedCell(1, Replicate(0, 0, 0), {"true": reader.digest}),
    ]
    assert len(plan.stages) == 2
    assert plan.arms_using() == {first.digest: {0, 1}, reader.digest: {1}}
    with pytest.raises(KeyError, match="input_0 is not in the plan"):
        plan.add(nap("late", nap("unknown")))


def with_shortcut(stage: Stage, source: Stage) -> Stage:
    return replace(stage, shortcuts={"features": source.digest})


def test_a_stage_waits_for_its_shortcut_and_does_without_if_that_fails() -> None:
    first, source, last = nap("first"), nap("source"), nap("last")
    reader = with_shortcut(nap("reader", first), source)
    after = nap("after", reader)
    frontier = Frontier(by_digest(first, source, reader, after, last))
    for stage in (first, source, last):
        frontier.start(stage.digest)
    frontier.finish(first.digest)
    assert reader.digest not in {stage.digest for stage in frontier.each_ready()}
    assert frontier.fail(source.digest, "no room") == []
    assert [stage.digest for stage in frontier.each_ready()] == [reader.digest]


def test_a_shortcut_is_no_part_of_an_identity() -> None:
    assert with_shortcut(nap("reader"), nap("source")).digest == nap("reader").digest


def test_shortcuts_that_nobody_needs_any_more_are_left_out() -> None:
    source, own = nap("source"), nap("own")
    reader = with_shortcut(nap("reader", own), source)
    other = with_shortcut(nap("other"), source)
    stages = by_digest(own, source, reader, other)
    everything = set(stages)
    assert set(wanted_stages(stages, [])) == everything
    assert set(wanted_stages(stages, [own.digest, reader.digest])) == everything
    done = [own.digest, reader.digest, other.digest]
    assert set(wanted_stages(stages, done)) == everything - {source.digest}
    assert Frontier(wanted_stages(stages, done), done).finished
    # what is there stays there
    assert set(wanted_stages(stages, [*done, source.digest])) == everything


def test_after_a_halt_nothing_starts_and_what_runs_may_end() -> None:
    first, second, waiting = nap("first"), nap("second"), nap("waiting")
    reader = nap("reader", first)
    stages = by_digest(first, second, waiting, reader)
    frontier = Frontier(stages)
    frontier.start(first.digest)
    frontier.start(second.digest)
    frontier.fail(second.digest, "full")
    assert frontier.halt("full") == [waiting.digest, reader.digest]
    assert list(frontier.each_ready()) == []
    assert not frontier.finished
    # a process that dies now has its stage not begun again
    frontier.again(first.digest)
    assert frontier.finished
    assert frontier.failed == dict.fromkeys(stages, "full")
    later = nap("later")
    frontier.extend({later.digest: later})
    assert list(frontier.each_ready()) == []
