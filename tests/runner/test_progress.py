"""What is shown while a sweep runs."""

from __future__ import annotations

import io
import itertools
import os
import pty
import re
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.runner.progress import ProgressState, counts_line, duration
from abl.runner.progress_view import PlainView, make_view


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def state(clock: Clock) -> ProgressState:
    return ProgressState(slots=2, clock=clock)


class TestCounts:
    def test_a_run_from_plan_to_end(self, state: ProgressState) -> None:
        state.planned(5, {"train": 3}, shared=7, reused=2)
        state.started("a", "train a", "node-1", kind="train")
        state.started("b", "train b", "node-2", kind="train")
        now = state.snapshot()
        assert (now.total, now.reused, now.shared, now.waiting) == (5, 2, 7, 1)
        assert [stage.where for stage in now.running] == ["node-1", "node-2"]
        state.finished("a", 4.0)
        state.failed("b", "train b", "out of memory")
        state.blocked(1)
        now = state.snapshot()
        assert (now.done, now.failed, now.blocked, now.waiting) == (1, 1, 1, 0)
        assert now.failures[0].reason == "out of memory"
        assert now.running == ()

    def test_what_was_there_and_is_computed_again_counts_once(self, state: ProgressState) -> None:
        state.planned(2, {}, reused=2)
        state.started("a", "train a", "node-1", kind="train")
        assert (state.snapshot().reused, state.snapshot().waiting) == (1, 0)
        state.finished("a", 4.0)
        now = state.snapshot()
        assert (now.done, now.reused, now.total) == (1, 1, 2)

    def test_a_stage_whose_worker_was_lost_starts_again(self, state: ProgressState) -> None:
        state.planned(1, {"train": 1})
        state.started("a", "train a", "node-1", kind="train")
        state.started("a", "train a", "node-2", kind="train")
        now = state.snapshot()
        assert ([stage.where for stage in now.running], now.waiting) == (["node-2"], 0)
        state.finished("a", 1.0)
        assert state.snapshot().done == 1

    def test_the_plan_may_grow(self, state: ProgressState) -> None:
        state.planned(1, {"train": 1})
        state.started("a", "a", "", kind="train")
        state.finished("a", 1.0)
        state.planned(3, {"train": 3})
        assert state.snapshot().waiting == 2

    @given(st.lists(st.sampled_from(["start", "finish", "fail", "lose"]), max_size=40))
    def test_parts_always_add_up(self, events: list[str]) -> None:
        state = ProgressState()
        total = 60
        state.planned(total, {"train": 50}, reused=10)
        names = (f"s{index}" for index in itertools.count())
        running: list[str] = []
        for event in events:
            if event == "start":
                running.append(next(names))
                state.started(running[-1], running[-1], "", kind="train")
            elif running:
                digest = running.pop(0)
                if event == "finish":
                    state.finished(digest, 1.0)
                elif event == "fail":
                    state.failed(digest, digest, "no")
                else:
                    state.started(digest, digest, "another node", kind="train")
                    running.append(digest)
        now = state.snapshot()
        assert now.done + now.reused + now.failed + now.waiting + len(now.running) == total

    def test_many_threads_lose_nothing(self, state: ProgressState) -> None:
        state.planned(800, {"train": 800})

        def work(worker: int) -> None:
            for index in range(100):
                state.started(f"{worker}-{index}", "x", "", kind="train")
                state.snapshot()
                state.finished(f"{worker}-{index}", 1.0)

        threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert state.snapshot().done == 800


class TestTimeLeft:
    def test_nothing_is_claimed_before_anything_is_known(self, state: ProgressState) -> None:
        state.planned(4, {"train": 4})
        assert state.snapshot().left is None

    def test_mean_seconds_of_the_kind_over_the_slots(self, state: ProgressState) -> None:
        state.planned(9, {"train": 9})
        state.started("a", "a", "", kind="train")
        state.finished("a", 10.0)
        assert state.snapshot().left == pytest.approx(8 * 10 / 2)

    def test_what_workers_load_at_first_is_not_expected_of_every_stage(
        self, state: ProgressState
    ) -> None:
        state.planned(60, {"train": 60})
        for name, seconds in (("a", 20.0), ("b", 24.0), ("c", 3.0)):
            state.started(name, name, "", kind="train")
            state.finished(name, seconds)
        assert state.snapshot().left == pytest.approx(57 * 3 / 2)

    def test_running_stages_count_with_what_is_left_of_them(
        self, state: ProgressState, clock: Clock
    ) -> None:
        state.planned(2, {"train": 2})
        state.started("a", "a", "", kind="train")
        state.finished("a", 10.0)
        state.started("b", "b", "", kind="train")
        clock.now = 4.0
        assert state.snapshot().left == pytest.approx(6.0)
        clock.now = 60.0  # longer than the mean: no negative time
        assert state.snapshot().left == 0.0

    def test_recorded_times_until_there_are_own_ones(self, clock: Clock) -> None:
        state = ProgressState(seconds_by_kind={"train": 100.0}, clock=clock)
        state.planned(3, {"train": 3})
        assert state.snapshot().left == pytest.approx(300.0)
        state.started("a", "a", "", kind="train")
        state.finished("a", 1.0)
        assert state.snapshot().left == pytest.approx(2.0)

    def test_an_unknown_kind_makes_it_a_lower_bound(self, state: ProgressState) -> None:
        state.planned(5, {"train": 3, "decide": 2})
        state.started("a", "a", "", kind="train")
        state.finished("a", 10.0)
        now = state.snapshot()
        assert now.left == pytest.approx(10.0)
        assert now.left_is_least
        assert "> 10 s left" in counts_line(now)

    def test_blocked_stages_take_no_time(self, state: ProgressState) -> None:
        state.planned(5, {"train": 5})
        state.started("a", "a", "", kind="train")
        state.finished("a", 10.0)
        state.blocked(4)
        assert state.snapshot().left == 0.0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.44, "0.4 s"),
        (9.97, "10 s"),
        (59.7, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_read_well(seconds: float, text: str) -> None:
    assert duration(seconds) == text


class TestPlain:
    def view(self, state: ProgressState) -> tuple[PlainView, io.StringIO]:
        stream = io.StringIO()
        return PlainView(state, stream, interval_s=2.0), stream

    def test_at_most_one_line_in_two_seconds(self, state: ProgressState, clock: Clock) -> None:
        view, stream = self.view(state)
        with view:
            state.planned(100, {"train": 100})
            for index in range(100):
                clock.now = index * 0.1
                state.started(f"d{index}", f"train {index}", "", kind="train")
                state.finished(f"d{index}", 0.1)
        lines = stream.getvalue().splitlines()
        assert 5 <= len(lines) <= 7
        assert lines[-1].startswith("[100/100]")  # the end is never held back

    def test_a_line_counts_the_stage_that_began_in_the_place_of_another(
        self, state: ProgressState, clock: Clock
    ) -> None:
        view, stream = self.view(state)
        with view:
            state.planned(4, {"train": 4})
            for name in "ab":
                state.started(name, name, "", kind="train")
            for clock.now, ended, begun in ((10.0, "a", "c"), (20.0, "b", "d")):
                state.finished(ended, 10.0)
                state.started(begun, begun, "", kind="train")
            clock.now = 30.0
            state.finished("c", 10.0)
        lines = stream.getvalue().splitlines()[1:]
        assert [line.partition(",")[0] for line in lines] == [
            "[1/4] 2 running", "[2/4] 2 running", "[3/4] 1 running",
        ]  # fmt: skip
        assert lines[0].endswith("| a, 10 s")

    def test_what_finished_is_told_though_nothing_begins(self, state: ProgressState) -> None:
        view, stream = self.view(state)
        with view:
            state.planned(3, {"train": 3})
            state.started("a", "a", "", kind="train")
            state.finished("a", 10.0)
            until = time.monotonic() + 10
            while "| a, 10 s" not in stream.getvalue() and time.monotonic() < until:
                time.sleep(0.02)
            assert "[1/3] 0 running" in stream.getvalue()

    def test_every_failure_and_message_at_once(self, state: ProgressState) -> None:
        view, stream = self.view(state)
        with view:
            for index in range(5):
                state.failed(f"d{index}", f"train {index}", "out of memory")
            state.message("node-2 joined")
        assert stream.getvalue().count("out of memory") == 5
        assert "node-2 joined" in stream.getvalue()

    def test_no_control_characters(self, state: ProgressState) -> None:
        view, stream = self.view(state)
        with view:
            state.failed("d", "train", "line one\nline two \x1b[31mred\r")
        assert stream.getvalue().count("\n") == 1
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", stream.getvalue())

    def test_a_stream_that_knows_ascii_alone(self, state: ProgressState) -> None:
        raw = io.BytesIO()
        with PlainView(state, io.TextIOWrapper(raw, encoding="ascii", write_through=True)):
            state.message("größer")
        assert raw.getvalue() == b"gr??er\n"

    def test_a_closed_pipe_does_not_stop_the_run(self, state: ProgressState) -> None:
        class Closed(io.StringIO):
            def write(self, text: str) -> int:
                raise BrokenPipeError

        with PlainView(state, Closed()):
            state.message("one")
            state.message("two")
        assert state.snapshot().messages == ("one", "two")

    def test_silent_outside_its_block(self, state: ProgressState) -> None:
        view, stream = self.view(state)
        state.message("before")
        with view:
            pass
        state.message("after")
        assert stream.getvalue() == ""


def test_plain_lines_need_no_rich() -> None:
    code = (
        "import sys\n"
        "from abl.runner.progress import ProgressState\n"
        "from abl.runner.progress_view import make_view\n"
        "state = ProgressState()\n"
        "with make_view(state):\n"
        "    state.message('hello')\n"
        "assert 'rich' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "hello\n"


def test_a_dumb_terminal_gets_plain_lines(
    state: ProgressState, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(make_view(state, Terminal()), PlainView)
    monkeypatch.setenv("TERM", "xterm")
    assert not isinstance(make_view(state, Terminal()), PlainView)


class TestLive:
    @pytest.mark.parametrize(("width", "height"), [(120, 30), (60, 12), (30, 6), (10, 3)])
    def test_a_frame_fits_any_terminal(self, state: ProgressState, width: int, height: int) -> None:
        from rich.console import Console

        from abl.runner.live_view import _Frame

        state.planned(100, {"train": 90}, shared=40, reused=10)
        for index in range(50):
            state.started(f"d{index}", f"train cnn1, consensus {index}", "node-17.cluster.local")
        state.failed("d3", "train [bold]cnn1[/bold]", "out of memory " * 20)
        console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True)
        lines = console.render_lines(_Frame(state.snapshot()), pad=False)
        widths = [sum(segment.cell_length for segment in line) for line in lines]
        assert len(lines) < max(height, 4)
        assert max(widths) <= width

    def test_on_a_terminal_and_interrupted(self) -> None:
        code = (
            "from abl.runner.progress import ProgressState\n"
            "from abl.runner.progress_view import make_view\n"
            "state = ProgressState()\n"
            "try:\n"
            "    with make_view(state):\n"
            "        state.planned(4, {'train': 3}, shared=9, reused=1)\n"
            "        state.started('a', 'train cnn1', 'here', kind='train')\n"
            "        raise KeyboardInterrupt\n"
            "except KeyboardInterrupt:\n"
            "    print('interrupted cleanly')\n"
        )
        leader, follower = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80", "LINES": "24"}
        done = subprocess.Popen(
            [sys.executable, "-c", code], stdout=follower, stderr=follower, env=environment
        )
        os.close(follower)
        shown = b""
        while True:
            try:
                chunk = os.read(leader, 4096)
            except OSError:  # Linux: the other side has closed
                break
            if not chunk:
                break
            shown += chunk
        os.close(leader)
        assert done.wait(timeout=30) == 0
        text = shown.decode()
        assert "1/4" in text
        assert "9 shared" in text
        assert "train cnn1" in text
        assert "interrupted cleanly" in text
        assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # the cursor is back
