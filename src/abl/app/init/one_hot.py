"""Tables with a column for each class, of which one a row is 1, as those of ISIC are."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from abl.data.tables.rows import Rows
from abl.data.tables.words import is_missing, whole_number

MOST_VALUES = 12  # of a column that may be one of classes
FEWEST = 2  # columns: with one alone the other class would have no name


def one_hot_classes(
    rows: Rows, names: Sequence[str], taken: Collection[str]
) -> tuple[tuple[str, ...], list[str]] | None:
    """The columns that are classes, and the class of each row; None of any other table.

    Every row must have one 1 and else 0 in these columns, and no other column may be of classes:
    beside `female`, `male` and `grade`, or with several findings an image, the person is asked.
    """
    ones: dict[str, list[bool]] = {}
    for name in names:
        if name in taken:
            continue
        texts = rows.text(name)
        numbers = [whole_number(text) for text in texts]
        if numbers and set(numbers) <= {0, 1}:
            ones[name] = [number == 1 for number in numbers]
        elif 2 <= len({text for text in texts if not is_missing(text)}) <= MOST_VALUES:
            return None
    if len(ones) < FEWEST or any(sum(row) != 1 for row in zip(*ones.values(), strict=True)):
        return None
    columns = tuple(ones)
    return columns, [columns[row.index(True)] for row in zip(*ones.values(), strict=True)]
