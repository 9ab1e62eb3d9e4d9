"""Stages on Ray whose workers are killed at random: is every one in the store, computed once?"""

from __future__ import annotations

import os
import random
import shutil
import signal
import tempfile
import threading
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

from measuring import NAPS, descendants
from scale_child import Row, child_main, in_child

from abl import api
from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.engine import run_plan

WORKERS = 4
LAYERS = 4
LONGEST_S = 1.0
MARK = "ABL_SOAK"
# a round is given up after as many commands: something does not come to an end
MOST_COMMANDS = 20
LEAVE_S = 30.0


class Killer:
    """Ends random Ray workers of this process with SIGKILL for so many minutes."""

    def __init__(self, every_s: float, minutes: float, draw: random.Random):
        self.every_s, self.draw = every_s, draw
        self.until = time.monotonic() + 60 * minutes
        self.kills = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Killer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(self.draw.expovariate(1 / self.every_s)):
            if time.monotonic() > self.until:
                return  # the round that is under way comes to its end
            found = sorted(filter(works, descendants(os.getpid())))
            if not found:
                continue
            try:
                os.kill(self.draw.choice(found), signal.SIGKILL)
            except ProcessLookupError:
                continue
            self.kills += 1


def works(pid: int) -> bool:
    """Whether a process is a Ray worker that has been given stages to compute.

    Those that are starting are left alone: of such a death Ray hears after a minute, and on a busy
    machine a run whose workers die faster than they start does nothing else.
    """
    try:
        title = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return False
    return title.startswith("ray::") and not any(word in title for word in ("Agent", "IDLE"))


class Heard(api.Callback):
    """Notes how often a stage had begun when it was first told to be finished."""

    def __init__(self, log: Path):
        self.log = log
        self.begun: dict[str, int] = {}
        self.deaths = 0

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        """Read once more at the end: no line may follow."""
        text = str(stage.settings["text"])
        self.begun.setdefault(text, beginnings(self.log)[text])

    def message(self, text: str) -> None:
        """Deaths of workers are told so."""
        self.deaths += "process died" in text


def beginnings(log: Path) -> Counter[str]:
    """How often each stage has begun."""
    return Counter(log.read_text().split()) if log.exists() else Counter()


def drawn_plan(name: str, width: int, log: Path, draw: random.Random) -> dict[str, Stage]:
    """Layers of stages of up to a second; each reads two of the layer before."""
    stages: list[Stage] = []
    before: list[Stage] = []
    for layer in range(LAYERS):
        made = []
        for at in range(width):
            text = f"{name}-{layer}-{at}"
            settings = {
                "seconds": round(draw.uniform(0, LONGEST_S), 3),
                "text": text,
                "count": str(log),
            }
            chosen = draw.sample(before, 2) if before else []
            inputs = {f"from {n}": stage.digest for n, stage in enumerate(chosen)}
            made.append(Stage("nap", 1, settings, inputs=inputs, context=NAPS, label=text))
        stages += made
        before = made
    return {stage.digest: stage for stage in stages}


def wanted_text(digest: str, plan: dict[str, Stage]) -> str:
    """What a stage writes: the texts of its inputs, then its own."""
    stage = plan[digest]
    texts = [wanted_text(source, plan) for _, source in sorted(stage.inputs.items())]
    return "".join([*texts, str(stage.settings["text"])])


def soaked(root: str, minutes: float, every_s: float, width: int, seed: int) -> dict[str, Any]:
    """Rounds of a plan, each run until nothing is missing, while workers are killed."""
    draw, store = random.Random(seed), Store(Path(root) / "store")
    heard, plan = Heard(Path(root) / "begun.txt"), {}
    rounds = commands = failed = 0
    broken: list[str] = []
    memory: list[float] = []
    began = time.monotonic()
    with Killer(every_s, minutes, random.Random(seed + 1)) as killer:
        while rounds == 0 or time.monotonic() - began < 60 * minutes:
            fresh = drawn_plan(str(rounds), width, heard.log, draw)
            plan |= fresh
            for _ in range(MOST_COMMANDS):
                commands += 1
                try:
                    # one store for all of it: a new one a command, as a command would have
                    report = run_plan(fresh, Store(store.root), heard, workers=WORKERS)
                except Exception as error:
                    broken.append(f"{type(error).__name__}: {error}".splitlines()[0])
                    continue
                failed += len(report.failed)
                if not report.failed and not report.blocked:
                    break
            rounds += 1
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            memory.append(pages * 4096 / 2**20)
    seconds = time.monotonic() - began
    looking = Store(store.root)
    counts = beginnings(heard.log)
    wrong = [
        digest
        for digest in plan
        if looking.damaged(digest)
        or looking.file(digest, "nap.txt").read_text() != wanted_text(digest, plan)
    ]
    left = [
        f"{part}/{path.name[:12]}"
        for part in ("lease", "work")
        for path in (store.root / part).iterdir()
    ]
    return {
        "seconds": seconds,
        "rounds": rounds,
        "commands": commands,
        "stages": len(plan),
        "kills": killer.kills,
        "deaths": heard.deaths,
        "failed": failed,
        "broken": broken,
        "lost": len(wrong),
        "again": sum(counts[text] > n for text, n in heard.begun.items()),
        "told": len(heard.begun),
        "begun": sum(counts.values()),
        "left": left,
        "memory": [memory[0], memory[-1]],
    }


def marked(mark: str) -> list[int]:
    """Processes that were started with this mark in their environment, but this one."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                dead = (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
                if not dead and mark.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def soak_rows(minutes: float, every_s: float, width: int) -> list[Row]:
    """The row of this part.

    Raises:
        SystemExit: A stage was lost, or computed again after it was finished, or a process left.
    """
    root, mark = tempfile.mkdtemp(prefix="abl-soak-"), uuid.uuid4().hex
    seed = random.randrange(10**6)
    os.environ[MARK] = mark
    try:
        got = in_child(
            "scale_soak.py",
            "soak",
            root=root,
            minutes=minutes,
            every_s=every_s,
            width=width,
            seed=seed,
        )
    finally:
        del os.environ[MARK]
        shutil.rmtree(root, ignore_errors=True)
    deadline = time.monotonic() + LEAVE_S
    while (processes := marked(mark)) and time.monotonic() < deadline:
        time.sleep(0.5)
    first, last = got["memory"]
    said = (
        f"seed {seed}; {got['rounds']} rounds, {got['commands']} commands; "
        f"{got['kills']} workers killed, {got['deaths']} of them at a stage; "
        f"begun {got['begun']:,}; failed of three deaths {got['failed']}; "
        f"commands broken off {len(got['broken'])}; lost {got['lost']}; "
        f"computed again after it was finished {got['again']}; "
        f"left in the store {len(got['left'])}, processes left {len(processes)}; "
        f"driver after the first and last round {first:.0f} and {last:.0f} MiB"
    )
    if got["lost"] or got["again"] or got["left"] or got["broken"] or processes:
        raise SystemExit(f"**not held**: {said}; {got['broken'][:3]} {got['left'][:3]} {processes}")
    return [
        Row(
            f"soak, rounds of {LAYERS * width} stages, {WORKERS} workers",
            got["stages"],
            got["seconds"],
            None,
            got["peak_mib"],
            said,
        )
    ]


if __name__ == "__main__":
    child_main({"soak": soaked})
