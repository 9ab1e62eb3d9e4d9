"""Stages of a worker share one thread."""

from __future__ import annotations

import threading

import pytest

from abl.runner.stage_thread import StageThread


def test_whatever_is_given_is_done_in_one_thread_from_any_other() -> None:
    stages, found = StageThread(), []

    def from_another() -> None:
        found.append(stages.run(threading.get_ident))

    for _ in range(3):
        other = threading.Thread(target=from_another)
        other.start()
        other.join()
    assert len(set(found)) == 1
    assert threading.get_ident() not in found


@pytest.mark.parametrize("raised", [ValueError("odd"), SystemExit(0)])
def test_what_is_raised_is_raised_where_it_was_asked_and_the_thread_goes_on(
    raised: BaseException,
) -> None:
    stages = StageThread()

    def work() -> None:
        raise raised

    with pytest.raises(type(raised)) as seen:
        stages.run(work)
    assert seen.value is raised
    assert stages.run(lambda: 7) == 7
