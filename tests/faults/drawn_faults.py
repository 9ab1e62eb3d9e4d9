"""Faults drawn at random in a sweep of 30 stages: kill, damage, error, restart; then what is so.

Each fault has a folder of its own: a copy of the finished sweep from which some stages were taken
away, so that there is something left to compute. What was finished before the fault must not be
computed again, unless it is what was damaged.
"""

from __future__ import annotations

import builtins
import errno
import functools
import io
import json
import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faulty_runs import COMMAND, Driver, Forker, attempts, forking, store_in, tables, tidy

from abl.plan.stage import Stage
from abl.record.done import DONE
from abl.record.store import Store
from tiny_sweeps import by_digest, double, write_sweep, write_tiny_set

KINDS = ("kill", "damage", "error", "restart")
SEEDS = 6  # of five stages each
STAGES = 5 * SEEDS
DEADLINE_S = 120.0
SWEEP = ("sweep", "tiny.yaml", "--executor", "local")
UNRECORDED = ("--record", "off")
# of a disk, a network file system, other owners, and want of handles
ERRORS = ("EIO", "ESTALE", "EACCES", "EPERM", "EMFILE", "ENOSPC", "EROFS", "EDQUOT", "ETIMEDOUT")
CALLS = ("stat", "open", "replace", "rename", "mkdir", "link", "unlink", "scandir", "listdir")

DRIVER = (
    COMMAND
    + """
import drawn_faults
plain = attempt
def attempt(words):
    if words[0].startswith("{"):
        drawn_faults.arm(**json.loads(words[0]))
        words = words[1:]
    plain(words)
"""
)


def arm(root: str, at: int, times: int, error: str, note: str) -> None:
    """Lets the `at`-th call of this process on a path below `root` fail, and further ones on it.

    Args:
        times: How often calls on that path fail; 0: always.
        note: File into which is written what failed first; if `at` is 0, how many calls there were.
    """
    count, path, left, number = 0, "", times, getattr(errno, error)

    def failing(call: Callable[..., Any], name: str) -> Callable[..., Any]:
        @functools.wraps(call)
        def wrapped(*given: Any, **named: Any) -> Any:
            nonlocal count, path, left
            asked = given[0] if given else named.get("path", named.get("file"))
            text = os.fspath(asked) if isinstance(asked, str | os.PathLike) else ""
            if not isinstance(text, str) or not text.startswith(root):
                return call(*given, **named)
            count += 1
            if not at:
                write(str(count))
            elif count == at:
                path = text
                write(f"{name} {path}")
            if text == path and (left or not times):
                left -= 1
                raise OSError(number, os.strerror(number), path)
            return call(*given, **named)

        return wrapped

    opened = io.open

    def write(text: str) -> None:
        with opened(note, "w") as file:
            file.write(text)

    for name in CALLS:
        setattr(os, name, failing(getattr(os, name), name))
    io.open = builtins.open = failing(opened, "open")  # type: ignore[assignment]


# the same store, leases and executor, and stages that only write texts: ten times the faults
PLAIN = """
import hashlib
from pathlib import Path
import typer
import drawn_faults
from abl.cli.app import tells
from abl.record.store import Store
from abl.runner.engine import run_plan
from tiny_sweeps import Heard
assert "torch" not in sys.modules

@tells
def ran():
    # a driver that waited until a dead one's lease is stale would wait for long
    store, stages = Store(Path("mlruns/store").absolute()), drawn_faults.plain_stages()
    for _ in range(3):
        heard = Heard()
        report = run_plan(stages, store, heard, executor="local")
        if report.interrupted:
            raise typer.Exit(130)
        for digest, reason in report.failed.items():
            print(f"abl: {reason}", report.traces.get(digest, ""), file=sys.stderr)
        if report.failed:
            raise typer.Exit(1)
        # who makes a table reads every file, and has damaged ones computed again
        if not any([store.damaged(digest) for digest in stages]):
            break
    texts = [store.file(digest, "nap.txt").read_bytes() for digest in sorted(stages)]
    Path("table").write_bytes(b"".join(texts))

def attempt(words):
    if words[0].startswith("{"):
        drawn_faults.arm(**json.loads(words[0]))
    try:
        ran()
    except typer.Exit as end:
        raise SystemExit(end.exit_code)
"""


def plain_stages() -> dict[str, Stage]:
    """Five layers of six stages that write texts; each reads all of the layer before."""
    stages: list[Stage] = []
    layer: list[Stage] = []
    for level in range(5):
        layer = [
            double("nap", f"{level}.{at}", *layer, seconds=0.01, local=level == 2)
            for at in range(6)
        ]
        stages += layer
    return by_digest(*stages)


@dataclass
class Seen:
    """What became of one fault.

    Attributes:
        kind, what: Of the fault; in words what was done.
        hit: Whether it came while there was something to hit.
        finished: Stages that were finished before it.
        again: Of these, those computed again without proof of damage.
        wrong: Everything else that is not as promised, a line each.
        seconds: Wall time of the broken run and of the one to the end.
        recorded: Whether MLflow was written.
    """

    kind: str
    what: str = ""
    hit: bool = False
    finished: int = 0
    again: int = 0
    doubled: int = 0
    hangs: int = 0
    tracebacks: int = 0
    other_tables: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0
    recorded: bool = False

    @property
    def held(self) -> bool:
        """Whether all that is promised was so."""
        return not (
            self.again
            or self.doubled
            or self.hangs
            or self.tracebacks
            or self.other_tables
            or self.wrong
        )


class Trials:
    """The finished sweep, and faults in copies of it.

    Args:
        plain: Stages that only write texts, instead of a sweep that trains networks.
    """

    def __init__(self, folder: Path, drivers: Forker, *, plain: bool = False):
        self.folder, self.drivers, self.plain = folder, drivers, plain
        self.good = folder / "good"
        self.good.mkdir()
        if not plain:
            write_tiny_set(self.good / "images")
            write_sweep(self.good, {"replicates.seeds": list(range(SEEDS)), "train.epochs": 2})
        self._whole(*UNRECORDED)  # decodes the images
        began = time.monotonic()
        shutil.rmtree(self.good / "mlruns/store/done")
        self._whole(*UNRECORDED)
        self.seconds = time.monotonic() - began
        self.tables = self._tables(self.good)
        store = store_in(self.good)
        self.contents = store.content(store.digests())
        assert len(self.contents) == STAGES, len(self.contents)
        self.calls = self._calls()
        self.empty_record: Path | None = None
        self.keys: list[str] = []

    def _tables(self, folder: Path) -> dict[str, bytes]:
        return {"": (folder / "table").read_bytes()} if self.plain else tables(folder)

    def _whole(self, *words: str) -> None:
        status, said = self.drivers.run(self.good, *SWEEP, *words)
        assert status == 0, said

    def _calls(self) -> int:
        """How many calls on paths of the store a whole run makes."""
        folder = self._copy("counted", recorded=False)
        shutil.rmtree(folder / "mlruns/store/done")
        note = self.folder / "count"
        said = _armed(folder, 0, 1, "EIO", note)
        status, said = self.drivers.run(folder, said, *SWEEP, *UNRECORDED)
        assert status == 0, said
        shutil.rmtree(folder)
        return int(note.read_text())

    def prepare_record(self) -> None:
        """An empty record, and the keys that a whole run writes into one."""
        from abl.record.mlflow_writer import MlflowRecord
        from recorded import all_keys

        root = self.folder / "record" / "mlruns"
        MlflowRecord(root).check_reachable()
        self.empty_record = root
        folder = self._copy("keys", recorded=True)
        status, said = self.drivers.run(folder, *SWEEP)
        assert status == 0, said
        self.keys = sorted(all_keys(MlflowRecord(folder / "mlruns")))
        shutil.rmtree(folder)

    def _copy(self, name: str, *, recorded: bool) -> Path:
        folder = Path(shutil.copytree(self.good, self.folder / name))
        if recorded:
            assert self.empty_record is not None
            shutil.copytree(self.empty_record, folder / "mlruns", dirs_exist_ok=True)
        return folder

    def trial(self, number: int, seed: int, *, recorded: bool = False) -> Seen:
        """One fault, decided by its number and the seed, and what became of it."""
        draw = random.Random(f"{seed} {number}")
        seen = Seen(KINDS[number % len(KINDS)], recorded=recorded)
        folder = self._copy(f"{number}", recorded=recorded)
        store = store_in(folder)
        left = draw.randint(0, STAGES)
        for digest in draw.sample(store.digests(), STAGES - left):
            shutil.rmtree(store.folder(digest))
        if left < STAGES or draw.random() < 0.5:
            shutil.rmtree(store.root / "sweeps", ignore_errors=True)
        seen.finished = left
        words = () if recorded else UNRECORDED
        before, harmed = attempts(store), set[str]()
        began = time.monotonic()
        with _deadline(seen):
            for driver in getattr(self, f"_{seen.kind}")(draw, seen, folder, words, harmed):
                self._ended(driver, seen, any_status=True)
            self._compare(before, store, harmed, seen, whole=False)
            driver = self.drivers.start(folder, *SWEEP, *words)
            self._ended(driver, seen, any_status=False)
            self._compare(before, store, harmed, seen, whole=True)
            if self._tables(folder) != self.tables:
                seen.other_tables = 1
            if not tidy(store):
                seen.wrong.append("leases or work are left")
            if recorded:
                self._records(folder, seen)
        seen.seconds = time.monotonic() - began
        if seen.held:
            shutil.rmtree(folder)
        return seen

    def _ended(self, driver: Driver, seen: Seen, *, any_status: bool) -> None:
        try:
            status = driver.wait(DEADLINE_S)
        except AssertionError:
            seen.hangs += 1
            driver.kill()
            raise
        if "Traceback" in driver.said:
            seen.tracebacks += 1
            seen.wrong.append("traceback: " + driver.said.strip().splitlines()[-1])
        if any_status:
            if status not in (0, 1, 2, 130, 143, -signal.SIGKILL, -signal.SIGTERM):
                seen.wrong.append(f"exit status {status}")
            if status in (1, 2) and "abl: " not in driver.said:
                seen.wrong.append(f"exit status {status} without a line: {driver.said[-300:]}")
        elif status:
            seen.wrong.append(f"the run to the end has exit status {status}: {driver.said[-300:]}")

    def _compare(
        self, before: dict[str, str], store: Store, harmed: set[str], seen: Seen, *, whole: bool
    ) -> None:
        found = attempts(store)
        again = {
            digest
            for digest, name in before.items()
            if digest not in harmed and found.get(digest) != name
        }
        seen.again = max(seen.again, len(again))
        if whole:
            content = Store(store.root).content(found)
            other = {d for d in self.contents if content.get(d) != self.contents[d]}
            if other:
                seen.wrong.append(f"{len(other)} stages lack or have other content")

    def _records(self, folder: Path, seen: Seen) -> None:
        from abl.record.mlflow_writer import MlflowRecord
        from recorded import all_keys, incomplete_runs

        record = MlflowRecord(folder / "mlruns")
        keys = sorted(all_keys(record))
        seen.doubled = len(keys) - len(set(keys))
        if set(keys) != set(self.keys):
            seen.wrong.append(f"{len(set(keys))} records instead of {len(set(self.keys))}")
        if left := incomplete_runs(record):
            seen.wrong.append(f"{len(left)} records are not complete")

    # each starts what is to be broken, and gives the drivers whose ends are to be waited for

    def _kill(
        self, draw: random.Random, seen: Seen, folder: Path, words: tuple[str, ...], _: set[str]
    ) -> Iterator[Driver]:
        driver = self.drivers.start(folder, *SWEEP, *words)
        moment = draw.uniform(0, self._length(seen))
        time.sleep(moment)
        seen.what = f"kill -9 after {moment:.2f} s"
        seen.hit = driver.kill() == -signal.SIGKILL
        if "Traceback" in driver.said:
            seen.tracebacks += 1
        yield from ()

    def _restart(
        self, draw: random.Random, seen: Seen, folder: Path, words: tuple[str, ...], _: set[str]
    ) -> Iterator[Driver]:
        """The same command again while the one that was asked to stop is at its end, or goes on."""
        first = self.drivers.start(folder, *SWEEP, *words)
        moment = draw.uniform(0, self._length(seen))
        time.sleep(moment)
        sent = draw.choice([signal.SIGINT, signal.SIGTERM, None])
        seen.what = f"{sent.name if sent else 'nothing'} after {moment:.2f} s, and the same again"
        seen.hit = first.is_alive()
        if sent and seen.hit:
            os.kill(first.pid, sent)
        yield self.drivers.start(folder, *SWEEP, *words)
        yield first

    def _damage(
        self,
        draw: random.Random,
        seen: Seen,
        folder: Path,
        words: tuple[str, ...],
        harmed: set[str],
    ) -> Iterator[Driver]:
        store = store_in(folder)
        during = draw.random() < 0.5
        driver = self.drivers.start(folder, *SWEEP, *words) if during else None
        if during:
            time.sleep(draw.uniform(0, self._length(seen)))
        digests = [d for d in store.digests() if (store.folder(d) / DONE).exists()]
        if digests:
            digest = draw.choice(digests)
            file = draw.choice(sorted(store.folder(digest).iterdir()))
            harm = draw.choice([_flipped, _cut, _gone])
            harmed.add(digest)
            harm(file, draw)
            seen.hit = True
            seen.what = f"{file.name} of {digest[:8]} {harm.__name__[1:]}"
            seen.what += " meanwhile" if during else ""
        yield driver or self.drivers.start(folder, *SWEEP, *words)

    def _error(
        self, draw: random.Random, seen: Seen, folder: Path, words: tuple[str, ...], _: set[str]
    ) -> Iterator[Driver]:
        share = 1 - seen.finished / STAGES
        at = draw.randint(1, max(20, int(self.calls * share)))
        times, name = draw.choice([1, 3, 0]), draw.choice(ERRORS)
        note = folder / "note"
        yield self.drivers.start(folder, _armed(folder, at, times, name, note), *SWEEP, *words)
        seen.hit = note.exists()
        where = note.read_text().replace(str(folder), "") if seen.hit else "nothing"
        seen.what = f"{name} {'always' if not times else f'{times} times'} on {where}"

    def _length(self, seen: Seen) -> float:
        """About as long as the run takes, seconds."""
        return self.seconds * (0.3 + 0.7 * (1 - seen.finished / STAGES))


def _armed(folder: Path, at: int, times: int, error: str, note: Path) -> str:
    root = str(folder / "mlruns/store")
    said = {"root": root, "at": at, "times": times, "error": error, "note": str(note)}
    return json.dumps(said)


@contextmanager
def _deadline(seen: Seen) -> Iterator[None]:
    """Whatever cannot be looked at is told with the fault, and the next one is drawn."""
    try:
        yield
    except AssertionError as error:
        seen.wrong.append(str(error).splitlines()[0] if str(error) else "not so")
    except Exception as error:
        seen.wrong.append(f"{type(error).__name__}: {error}")


def _flipped(file: Path, draw: random.Random) -> None:
    data = bytearray(file.read_bytes())
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    file.write_bytes(data)


def _cut(file: Path, draw: random.Random) -> None:
    os.truncate(file, draw.randrange(file.stat().st_size))


def _gone(file: Path, draw: random.Random) -> None:
    file.unlink()


@contextmanager
def trials(folder: Path, *, plain: bool = False) -> Iterator[Trials]:
    """A sweep that is finished, in a folder, for faults in copies of it."""
    with forking(folder / "drivers", PLAIN if plain else DRIVER) as drivers:
        yield Trials(folder, drivers, plain=plain)
