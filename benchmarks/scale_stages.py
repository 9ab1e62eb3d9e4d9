"""Many stages through `run_plan`."""

from __future__ import annotations

import math
import tempfile
import time
from pathlib import Path
from typing import Any

from overhead import SLOTS, Clock, naps
from scale_child import Row, child_main, in_child

from abl.plan.stage import Stage
from abl.record.store import Store
from abl.runner.engine import Executor, run_plan


class Ends(Clock):
    """Notes when each stage ended."""

    def __init__(self) -> None:
        super().__init__()
        self.ends: list[float] = []

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        """Each is noted."""
        super().finished(stage, seconds, reused)
        self.ends.append(self.last_end)

    def tenth_ms(self, at: int) -> float:
        """Time a stage in one of ten parts of the run, in ms; each has at least two stages."""
        if len(self.ends) < 2:
            return 0.0
        size = max(2, len(self.ends) // 10)
        start = min(at * size, len(self.ends) - size)
        part = self.ends[start : start + size]
        return 1e3 * (part[-1] - part[0]) / (len(part) - 1)


def through_plan(count: int, seconds: float, executor: Executor, workers: int) -> dict[str, Any]:
    """Runs stages that wait into an empty store, then the same plan again, with nothing to do."""
    stages = naps(count, seconds)
    with tempfile.TemporaryDirectory() as folder:
        clock, cpu = Ends(), time.process_time()
        run_plan(stages, Store(Path(folder)), clock, executor=executor, workers=workers)
        cpu = time.process_time() - cpu
        if clock.ended != count:
            raise SystemExit(f"{clock.ended} of {count} stages ended well")
        began = time.perf_counter()
        report = run_plan(stages, Store(Path(folder)), Ends(), executor=executor, workers=workers)
        again = time.perf_counter() - began
        if report.ran or len(report.reused) != count:
            raise SystemExit("the same plan again had something to do")
    return {
        "start_s": clock.first_start,
        "stages_s": clock.last_end - clock.first_start,
        "together_s": clock.last_end,
        "cpu_s": cpu,
        "first_ms": clock.tenth_ms(0),
        "last_ms": clock.tenth_ms(9),
        "again_s": again,
    }


def stage_rows(no_ops: int, naps_of_1_s: int) -> list[Row]:
    """The rows of this part."""
    rows = []
    here = in_child("scale_stages.py", "plan", count=no_ops, seconds=0, executor="local", workers=1)
    rows.append(
        Row(
            "stages of 0 s in this process",
            no_ops,
            here["stages_s"],
            here["cpu_s"],
            here["peak_mib"],
            said(here),
        )
    )
    tune = in_child(
        "scale_stages.py", "plan", count=no_ops, seconds=0, executor="tune", workers=SLOTS
    )
    rows.append(
        Row(
            f"stages of 0 s on Ray Tune, {SLOTS} slots",
            no_ops,
            tune["stages_s"],
            tune["cpu_s"],
            tune["peak_mib"],
            f"{tune['stages_s'] / here['stages_s']:.1f} x in this process; {said(tune)}",
        )
    )
    if naps_of_1_s:
        ideal = math.ceil(naps_of_1_s / SLOTS)
        slow = in_child(
            "scale_stages.py", "plan", count=naps_of_1_s, seconds=1, executor="tune", workers=SLOTS
        )
        rows.append(
            Row(
                f"stages of 1 s on Ray Tune, {SLOTS} slots",
                naps_of_1_s,
                slow["together_s"],
                slow["cpu_s"],
                slow["peak_mib"],
                f"{slow['together_s'] / ideal:.2f} x ideal {ideal} s with the start of Ray "
                f"({slow['start_s']:.0f} s), {slow['stages_s'] / ideal:.2f} x without",
            )
        )
    return rows


def said(found: dict[str, Any]) -> str:
    """What else is told of a run of stages."""
    return (
        f"first and last tenth {found['first_ms']:.1f} and {found['last_ms']:.1f} ms each; "
        f"start {found['start_s']:.1f} s; "
        f"the driver alone {found['own_mib']:.0f} MiB; "
        f"again, nothing to do: {found['again_s']:.1f} s"
    )


if __name__ == "__main__":
    child_main({"plan": through_plan})
