"""Commands in this process and in forked ones that can be killed; what they left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from typer.testing import Result

from abl.processes import process_start
from abl.record.done import DONE
from abl.record.store import Store
from commands import abl

TESTS = Path(__file__).parents[1]


def local(folder: Path, *words: str, file: str = "tiny.yaml") -> Result:
    """Runs a sweep file in this process, unrecorded."""
    return abl(folder, "sweep", file, "--executor", "local", "--record", "off", *words)


def store_in(folder: Path) -> Store:
    """The store of a folder's mlruns as a new process sees it."""
    return Store(folder / "mlruns/store")


def attempts(store: Store) -> dict[str, str]:
    """Digest -> name of the attempt that committed it: another name is another computation."""
    return {d: done.attempt for d, done in Store(store.root).known(store.digests()).items()}


def tables(folder: Path, sweep: str = "tiny") -> dict[str, bytes]:
    """The newest table of a sweep in two formats, to the byte."""
    place = store_in(folder).sweep_folder(sweep)
    key = json.loads((place / "latest.json").read_text())["key"]
    return {kind: (place / key / f"table.{kind}").read_bytes() for kind in ("md", "csv")}


def contents(store: Store) -> dict[str, str]:
    """Digest -> hash over the files that were committed, where these are what they were then."""
    seen = Store(store.root)
    assert {digest: seen.damaged(digest) for digest in seen.digests()} == dict.fromkeys(
        seen.digests(), ""
    )
    return seen.content(seen.digests())


def tidy(store: Store) -> bool:
    """Whether nothing of broken attempts is left."""
    left = [store.root / "lease", store.root / "work"]
    return not any(list(path.iterdir()) for path in left if path.is_dir()) and all(
        (path / DONE).exists() for path in (store.root / "done").iterdir()
    )


def only_lines(text: str) -> list[str]:
    """Lines that a person reads on stderr; fails on a traceback."""
    assert "Traceback" not in text, text
    return [line for line in text.splitlines() if line.startswith("abl: ")]


# imports once; a line on stdin starts a driver in a forked process, or waits for one
FORKER = """
import json, os, sys, traceback
sys.path[:0] = {paths!r}
{code}
for line in sys.stdin:
    asked = json.loads(line)
    if "wait" in asked:
        print(os.waitstatus_to_exitcode(os.waitpid(asked["wait"], 0)[1]), flush=True)
        continue
    child = os.fork()
    if child:
        print(child, flush=True)
        continue
    status = 1
    try:
        os.chdir(asked["folder"])
        with open(asked["said"], "w") as said:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
        attempt(asked["words"])
        status = 0
    except SystemExit as stop:
        status = stop.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status if isinstance(status, int) else 1)
"""

# `abl` with what its imports take seconds for
COMMAND = """
import abl.cli, abl.api, abl.app.watching, abl.stages.train, faulty_nets, tiny_sweeps
import abl.app.session, abl.record.mlflow_writer, abl.studies.compare, abl.studies.two_step
import torch, mlflow, abl.train.fit, abl.nets.model
# drawing takes longer than tiny trainings
abl.app.session._draw = lambda *given: None
def attempt(words):
    if words == ["reach"]:  # what a command does first where it records
        abl.record.mlflow_writer.MlflowRecord("mlruns").check_reachable()
        return
    sys.argv = ["abl", *words]
    abl.cli.main()
"""


class Driver:
    """A driver in a process of its own; what it says goes into a file."""

    def __init__(self, ask: Callable[[dict[str, object]], int], pid: int, said: Path):
        self._ask = ask
        self.pid = pid
        self._said = said

    @property
    def said(self) -> str:
        """All that it has printed, on stdout and stderr."""
        return self._said.read_text()

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        return process_start(self.pid) is not None

    def kill(self) -> int:
        """kill -9; its exit status, which is not -9 if it had ended before."""
        os.kill(self.pid, signal.SIGKILL)
        return self.wait()

    def wait(self, patience_s: float = 240) -> int:
        """Its exit status once it has ended; fails the test if it does not end."""
        wait_for(lambda: not self.is_alive(), "the end of the driver", patience_s)
        return self._ask({"wait": self.pid})


class Forker:
    """A process whose children are new drivers, without the seconds that imports take."""

    def __init__(self, process: subprocess.Popen[str], said: Path):
        self._process = process
        self._said = said
        self._started = 0

    def start(self, folder: Path, *words: str) -> Driver:
        """Starts a driver in a folder."""
        self._started += 1
        said = self._said / f"{self._started}.txt"
        said.touch()
        asked = {"folder": str(folder), "words": words, "said": str(said)}
        return Driver(self._ask, self._ask(asked), said)

    def run(self, folder: Path, *words: str) -> tuple[int, str]:
        """Exit status of a driver, and what it said."""
        driver = self.start(folder, *words)
        return driver.wait(), driver.said

    def _ask(self, asked: dict[str, object]) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def forking(folder: Path, code: str = COMMAND) -> Iterator[Forker]:
    """Starts the process that forks; ends it and what it has started."""
    text = FORKER.format(paths=[str(TESTS), str(Path(__file__).parent)], code=code)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    folder.mkdir(exist_ok=True)
    process = subprocess.Popen(
        [sys.executable, "-c", text],
        env=kept | {"MLFLOW_DISABLE_TELEMETRY": "true", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Forker(process, folder)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def wait_for(true: Callable[[], bool], what: str, patience_s: float = 120) -> None:
    """Polls until something is so; fails the test if it does not come."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come within {patience_s:g} s"
        time.sleep(0.005)
