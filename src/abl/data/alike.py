"""Faults that very many rows have in common: the first are shown, the others counted."""

from __future__ import annotations

import re
from collections.abc import Sequence

from abl.data.lacking import SHOWN
from abl.errors import Problem

OF_ONE_ROW = re.compile(r"'.*'|\([^)]*\)|\d+(\.\d+)?")  # names and numbers


def first_of_each_kind(problems: Sequence[Problem]) -> list[Problem]:
    """At most SHOWN of those that differ in names and numbers alone, then how many more there are.

    Whatever they are, problems stay in their order, and those that count others come last.
    """
    shown: list[Problem] = []
    last: dict[str, Problem] = {}
    counts: dict[str, int] = {}
    for problem in problems:
        kind = OF_ONE_ROW.sub("", problem.message)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= SHOWN:
            shown.append(problem)
            last[kind] = problem
    return shown + [
        Problem(f"and {counts[kind] - SHOWN:,} more like it: {each.message}", each.file, each.line)
        for kind, each in last.items()
        if counts[kind] > SHOWN
    ]
