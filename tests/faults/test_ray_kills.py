"""Parts of a Ray that was started here are killed or stopped: the command ends or goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from faulty_runs import TESTS, attempts

from abl.processes import process_start
from abl.record.store import Store

pytestmark = pytest.mark.cluster

SEED = 22
# the promise: of the command, and of the processes that it has started
END_S, GONE_S = 120.0, 60.0

COMMAND = """
import sys
from pathlib import Path
from abl.cli.app import tells
from abl.record.store import Store
from abl.runner.engine import run_plan
from tiny_sweeps import Heard, by_digest, nap
import typer

class Told(Heard):
    def message(self, text):
        print("message:", text, flush=True)
    def finished(self, stage, seconds, reused):
        print("finished:", stage.label, flush=True)

@tells
def run(store, count, seconds):
    stages, layer = [], []
    for level in range(int(count) // 5):
        layer = [nap(f"{level}.{at}", *layer[at:at + 2], seconds=float(seconds)) for at in range(5)]
        stages += layer
    report = run_plan(by_digest(*stages), Store(Path(store)), Told(), workers=2)
    assert not report.failed and not report.blocked, report
    print("all done", flush=True)

try:
    run(*sys.argv[1:])
except typer.Exit as end:
    sys.exit(end.exit_code)
"""

# before the command: a part of Ray is killed at the moment at which the driver connects to it
KILL_AT_JOIN = """
import os, signal
from ray._private import worker
connect = worker.connect

def late(*given, **named):
    from abl.runner.ray_start import own_parts
    for pid, (name, _) in own_parts().items():
        if "{}" in name:
            os.kill(pid, signal.SIGKILL)
    return connect(*given, **named)

worker.connect = late
"""

# before the command: the raylet stands still once all is done, as the driver leaves it
STOP_AT_LEAVE = """
import os, signal, ray
shutdown = ray.shutdown

def late(*given, **named):
    from abl.runner.ray_start import own_parts
    for pid, (name, _) in own_parts().items():
        if "raylet" in name:
            os.kill(pid, signal.SIGSTOP)
    return shutdown(*given, **named)

ray.shutdown = late
"""

# what a part's command line holds
PARTS = {
    "worker": ("ray::ImplicitFunc",),
    "raylet": ("raylet/raylet",),
    "GCS": ("gcs/gcs_server",),
    "agent": ("ray::DashboardAgent", "ray::RuntimeEnvAgent"),
    "helper": ("log_monitor.py", "dashboard/dashboard.py", "autoscaler/_private/monitor.py"),
    "driver": (),
}
GUARD = "ray_guard.py"
# without these the run goes on
SPARE = ("worker", "helper")


class Command:
    """A command that runs naps on a Ray of its own."""

    def __init__(self, folder: Path, count: int, seconds: float, before: str = ""):
        self.log = folder / f"{time.monotonic_ns()}.log"
        words = [str(folder / "store"), str(count), str(seconds)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", before + COMMAND, *words],
                env=os.environ | {"PYTHONPATH": f"{TESTS.parent / 'src'}:{TESTS}"},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.family: dict[int, str | None] = {}
        self.lines: dict[int, str] = {}

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    @property
    def finished(self) -> int:
        return self.said.count("finished:")

    def look(self) -> dict[int, str]:
        """Its processes and their command lines; remembers who there was."""
        found = {}
        for pid in (self.process.pid, *descendants(self.process.pid)):
            with suppress(OSError):
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                self.family.setdefault(pid, process_start(pid))
                self.lines[pid] = found[pid]
        return found

    def part(self, name: str, draw: random.Random) -> int | None:
        """A process of a kind, None if there is none."""
        there = self.look()
        if name == "driver":
            return self.process.pid
        able = [pid for pid, line in there.items() if any(word in line for word in PARTS[name])]
        return draw.choice(sorted(able)) if able else None

    def left(self) -> list[int]:
        """Processes that still live, of all that were seen."""
        return [pid for pid, start in self.family.items() if start and process_start(pid) == start]

    def kill(self) -> None:
        self.look()
        for pid in self.left():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


@contextmanager
def running(folder: Path, count: int, seconds: float = 0.5, before: str = "") -> Iterator[Command]:
    command = Command(folder, count, seconds, before)
    try:
        yield command
    finally:
        command.kill()


def seconds_until(true, patience_s: float, what: str, command: Command) -> float:
    since = time.monotonic()
    while not true():
        command.look()
        lines = {pid: command.lines[pid][:120] for pid in command.left()}
        passed = time.monotonic() - since
        assert passed < patience_s, f"{what} not within {patience_s:g} s: {lines}\n{command.said}"
        time.sleep(0.1)
    return time.monotonic() - since


def killed(
    command: Command, name: str, draw: random.Random, kind: signal.Signals = signal.SIGKILL
) -> tuple[float, float] | None:
    """Kills a part; seconds until the command went on or ended, and until its processes were gone.

    None if there was no such part before the command ended.
    """
    found = None
    while found is None and command.process.poll() is None:
        found = command.part(name, draw)
        time.sleep(0.05)
    if found is None:
        return None
    before = command.finished
    with suppress(ProcessLookupError):
        os.kill(found, kind)
    since = time.monotonic()

    def over() -> bool:
        goes_on = name in SPARE and command.finished >= before + 3
        return goes_on or command.process.poll() is not None

    taken = seconds_until(over, END_S, f"end after a killed {name}", command)
    if command.process.poll() is None:
        return taken, 0.0
    seconds_until(lambda: not command.left(), GONE_S, f"after a killed {name}, end of all", command)
    return taken, time.monotonic() - since


def check_words(command: Command) -> None:
    """What a person reads: no traceback, nothing in Ray's words, and one line on what to do."""
    said, status = command.said, command.process.returncode
    assert "Traceback" not in said, said
    assert "(raylet)" not in said, said
    assert status in (0, 1, 2, -signal.SIGKILL), said
    lines = [line for line in said.splitlines() if line.startswith("abl: ")]
    if status == -signal.SIGKILL:
        # its guard tells it, if it had one already
        assert len(lines) <= 1, said
    else:
        assert len(lines) == (1 if status else 0), said
        assert all("--executor local" in line for line in lines), said


def check_whole(folder: Path, count: int, finished: dict[str, str], seconds: float = 0.5) -> None:
    """The same command goes on to the end: nothing that was finished is computed again."""
    with running(folder, count, seconds) as command:
        seconds_until(lambda: command.process.poll() is not None, 600, "the end", command)
        assert command.process.returncode == 0, command.said
        assert "all done" in command.said
        seconds_until(lambda: not command.left(), GONE_S, "the end of all", command)
    store = Store(folder / "store")
    assert len(store.digests()) == count
    assert finished.items() <= attempts(store).items(), "computed again though it was finished"
    assert not store.leased()


@pytest.mark.parametrize("name", ["raylet", "GCS", "driver"])
def test_a_part_of_ray_dies_and_the_same_command_goes_on(tmp_path: Path, name: str) -> None:
    with running(tmp_path, 10_000) as command:
        seconds_until(lambda: command.finished >= 2, END_S, "two stages", command)
        assert killed(command, name, random.Random(0)) is not None
        assert command.process.returncode == (-signal.SIGKILL if name == "driver" else 1)
        check_words(command)
        if name != "driver":
            # it has died by itself and knew who else had
            assert not Store(tmp_path / "store").leased()
        else:
            assert "was killed" in command.said
    finished = attempts(Store(tmp_path / "store"))
    assert len(finished) >= 2


@pytest.mark.parametrize("name", ["raylet", "GCS"])
def test_a_part_of_ray_stands_still_and_the_command_ends(tmp_path: Path, name: str) -> None:
    with running(tmp_path, 10_000) as command:
        seconds_until(lambda: command.finished >= 2, END_S, "two stages", command)
        taken = killed(command, name, random.Random(0), signal.SIGSTOP)
        print(f"{name} stopped: ended after, gone after {taken} s")
        assert command.process.returncode == 1
        check_words(command)
        assert "stands still" in command.said
        assert not Store(tmp_path / "store").leased()


def test_a_raylet_killed_as_the_driver_joins_it_is_told(tmp_path: Path) -> None:
    """Ray's library ends the driver from within then: no Python of it is run."""
    with running(tmp_path, 10_000, before=KILL_AT_JOIN.format("raylet")) as command:
        seconds_until(lambda: command.process.poll() is not None, END_S, "end", command)
        seconds_until(lambda: not command.left(), GONE_S, "the end of all", command)
        assert command.process.returncode in (1, 2)
        check_words(command)


def test_a_raylet_that_stands_still_as_it_is_left_changes_no_exit_code(tmp_path: Path) -> None:
    with running(tmp_path, 10, before=STOP_AT_LEAVE) as command:
        seconds_until(lambda: command.process.poll() is not None, END_S, "end", command)
        assert command.process.returncode == 0, command.said
        assert "all done" in command.said
        assert "message: warning: Ray did not answer" in command.said
        check_words(command)
        seconds_until(lambda: not command.left(), GONE_S, "the end of all", command)


def test_driver_and_guard_killed_together_leave_nothing(tmp_path: Path) -> None:
    with running(tmp_path, 10_000) as command:
        seconds_until(lambda: command.finished >= 2, END_S, "two stages", command)
        (guard,) = (pid for pid, line in command.look().items() if GUARD in line)
        # at once: the one must not notice the end of the other
        os.kill(guard, signal.SIGSTOP)
        os.kill(command.process.pid, signal.SIGKILL)
        os.kill(guard, signal.SIGKILL)
        command.process.wait()
        print(f"gone after {seconds_until(lambda: not command.left(), END_S, 'end', command)} s")


def test_a_guard_killed_alone_changes_nothing(tmp_path: Path) -> None:
    def guards() -> list[int]:
        return [pid for pid, line in command.look().items() if GUARD in line]

    with running(tmp_path, 10_000) as command:
        seconds_until(lambda: command.finished >= 2, END_S, "two stages", command)
        (first,) = guards()
        os.kill(first, signal.SIGKILL)
        before = command.finished
        seconds_until(lambda: command.finished >= before + 5, END_S, "more stages", command)
        # another has come and does the work of the first
        (second,) = guards()
        assert second != first
        assert killed(command, "driver", random.Random(0)) is not None
        assert "was killed" in command.said


@pytest.mark.slow
def test_thirty_kills_of_any_part_at_any_moment(tmp_path: Path) -> None:
    draw, count, kills = random.Random(SEED), 600, 30
    print(f"seed {SEED}", flush=True)
    names = [list(PARTS)[at % len(PARTS)] for at in range(kills)]
    draw.shuffle(names)
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    finished: dict[str, str] = {}
    while names:
        with running(tmp_path, count) as command:
            while names and command.process.poll() is None:
                time.sleep(draw.uniform(0, 15))
                began = command.finished > 0
                if (taken := killed(command, names[0], draw)) is not None:
                    name = names.pop(0)
                    times[name].append(taken)
                    print(f"{name}: ended or went on after {taken[0]:.1f} s,", end=" ")
                    print(f"gone after {taken[1]:.1f} s; at work: {began}", flush=True)
            if command.process.poll() is not None:
                check_words(command)
        found = attempts(Store(tmp_path / "store"))
        assert finished.items() <= found.items(), "computed again though it was finished"
        assert len(found) < count, "too few stages for so many kills"
        finished = found
    check_whole(tmp_path, count, finished)
    for name, each in times.items():
        most = [max(column) for column in zip(*each, strict=True)]
        print(f"{name}: {len(each)} kills, ended or went on {most[0]:.1f}, gone {most[1]:.1f} s")
    assert Counter(name for name in PARTS for _ in times[name]).total() == kills
