"""Faults drawn at random in a sweep of 30 stages: is anything lost, computed again, doubled, hung?

    python benchmarks/faults.py                       # 1,000 faults
    python benchmarks/faults.py --count 40 --seed 7   # fewer, others
    python benchmarks/faults.py --plain               # stages that only write texts: quicker
    python benchmarks/faults.py --only 17             # one of them again; its folder stays

Kinds in turn: the driver killed (SIGKILL) at a random moment; a byte flipped, a file cut or deleted
in a finished stage, before the run or meanwhile; an OSError once, three times or always on a random
path of the store; the same command again beside the first, which was asked to stop or not. Each
begins from the finished sweep without a random part of its stages, and is followed by the same
command to the end. Every --record-th fault is recorded in MLflow too, which takes longer. --plain
has the same store, leases and executor, and 30 stages that train nothing.

It fails if a stage that was finished and not damaged is computed again, a record is doubled, a
command takes longer than its deadline or prints a traceback, or a final table differs by a byte.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from measuring import machine_line, markdown_table

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS), str(TESTS / "faults")]

from drawn_faults import KINDS, Seen, trials  # noqa: E402

HEAD = (
    "fault", "drawn", "hit", "finished stages", "computed again", "recorded", "doubled records",
    "hangs", "tracebacks", "other tables", "otherwise wrong", "s a fault",
)  # fmt: skip


def row(name: str, every: list[Seen]) -> tuple[object, ...]:
    """Sums over faults of a kind."""
    return (
        name,
        len(every),
        sum(each.hit for each in every),
        f"{sum(each.finished for each in every):,}",
        sum(each.again for each in every),
        sum(each.recorded for each in every),
        sum(each.doubled for each in every),
        sum(each.hangs for each in every),
        sum(each.tracebacks for each in every),
        sum(each.other_tables for each in every),
        sum(bool(each.wrong) for each in every),
        f"{sum(each.seconds for each in every) / max(1, len(every)):.1f}",
    )


def main() -> None:
    """Draws, prints a table, and fails if a promise was broken."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=int, default=20, help="0: none is recorded")
    parser.add_argument("--plain", action="store_true", help="stages that only write texts")
    parser.add_argument("--only", type=int)
    parser.add_argument("--minutes", type=float, default=0, help="no fault is begun after that")
    asked = parser.parse_args()
    machine, began = machine_line(), time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="abl-faults-"))
    numbers = range(asked.count) if asked.only is None else [asked.only]
    found: list[Seen] = []
    with trials(folder, plain=asked.plain) as drawn:
        if asked.record and not asked.plain:
            drawn.prepare_record()
        for number in numbers:
            if asked.minutes and time.monotonic() - began > 60 * asked.minutes:
                break
            # every kind is recorded at times
            recorded = (
                bool(asked.record)
                and not asked.plain
                and number // len(KINDS) % asked.record == number % 4
            )
            seen = drawn.trial(number, asked.seed, recorded=recorded)
            found.append(seen)
            if not seen.held or asked.only is not None:
                print(f"{number}: {seen}", file=sys.stderr, flush=True)
    rows = [row(kind, [each for each in found if each.kind == kind]) for kind in KINDS]
    minutes = (time.monotonic() - began) / 60
    print(f"{machine}\n\n{markdown_table(HEAD, [*rows, row('all', found)])}\n")
    print(f"Seed {asked.seed}, {minutes:.0f} min.")
    if not all(each.held for each in found):
        raise SystemExit(f"not held; folders of what is above are below {folder}")
    if asked.only is None:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
