"""What is said of rows that lack something which others of their data set have."""

from __future__ import annotations

from collections.abc import Iterable

from abl.errors import Problem

SHOWN = 20  # rows named in an error


def lacking_problems(images: Iterable[str], text: str, what: str, column: str) -> list[Problem]:
    """A problem for each of the first rows, and one that counts the others.

    Args:
        images: Names of the rows.
        text: What is wrong with each.
        what: What is missing.
        column: Its word in `data.drop_missing`.
    """
    names = [str(image) for image in images]
    advice = f"leave such rows out with data: {{drop_missing: [{column}]}}"
    problems = [Problem(f"{text}; {advice}", file=name) for name in names[:SHOWN]]
    if len(names) > SHOWN:
        problems.append(Problem(f"and {len(names) - SHOWN:,} more rows without {what}"))
    return problems
