"""What the parts of scale.py share: a measurement in a process of its own, and how it is told."""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import run_measured

COLUMNS = ("what", "number", "wall, s", "CPU, s", "wall each, ms", "peak MiB", "beside")


@dataclass(frozen=True)
class Row:
    """A row of a part's table.

    Attributes:
        what: What was done.
        number: How many of it.
        seconds: Wall time.
        cpu: CPU seconds of the process that does it (the driver), not of its children.
        mib: Peak memory.
        beside: Against what it is compared with, and whatever else is to be said.
    """

    what: str
    number: int
    seconds: float
    cpu: float | None = None
    mib: float | None = None
    beside: str = ""

    def cells(self) -> Sequence[str]:
        """As `COLUMNS`."""
        return (
            self.what,
            f"{self.number:,}",
            _short(self.seconds),
            "" if self.cpu is None else _short(self.cpu),
            f"{1e3 * self.seconds / self.number:.1f}" if self.number > 1 else "",
            "" if self.mib is None else f"{self.mib:,.0f}",
            self.beside,
        )


def _short(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 1 else f"{seconds:.3f}"


def in_child(script: str, what: str, **options: Any) -> dict[str, Any]:
    """What a script beside this one measures in a process of its own; peak_mib is of its tree."""
    file = Path(__file__).with_name(script).resolve()
    run = run_measured([sys.executable, str(file), what, json.dumps(options)])
    found: dict[str, Any] = json.loads(run.output.splitlines()[-1])
    return {**found, "peak_mib": run.peak_mib, "wall_s": run.seconds}


def child_main(measurements: dict[str, Callable[..., dict[str, Any]]]) -> None:
    """The other side of `in_child`: the last line of the output is JSON."""
    what, options = sys.argv[1:]
    found = measurements[what](**json.loads(options))
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print("\n" + json.dumps({**found, "own_mib": kib / 1024}), flush=True)
