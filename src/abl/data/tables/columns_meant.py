"""Which column of a table may be meant by one of ours that it lacks, by its values."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import islice

from abl.data.images import is_image_name
from abl.data.tables.alike_names import nearest_name, unlike_in
from abl.data.tables.rows import Rows

TRIED = 50  # values by which a column is judged
HALF = 0.5


def column_hint(rows: Rows, ours: str, theirs: Sequence[str]) -> str:
    """What to type instead of a column that is not there.

    Of images only columns whose values look like files are named as such.

    Args:
        theirs: Columns of the table that may be meant.
    """
    alike = [name for name in theirs if unlike_in(ours, name)]
    if ours != "image" or alike:
        return nearest_name(ours, alike or theirs)
    fitting = [name for name in theirs if _are_mostly(is_image_name, rows.text(name))]
    # DICOM files have no ending as often as not
    fitting = fitting or [name for name in theirs if _are_mostly(_is_path, rows.text(name))]
    if len(fitting) == 1:
        return f"did you mean '{fitting[0]}'?"
    return nearest_name(ours, fitting) if fitting else "no other column holds names of files"


def _are_mostly(what: Callable[[str], bool], texts: Sequence[str]) -> bool:
    given = list(islice((text for text in texts if text), TRIED))
    return bool(given) and sum(map(what, given)) >= HALF * len(given)


def _is_path(text: str) -> bool:
    return len(parts := re.split(r"[/\\]", text)) > 1 and any(map(str.isalpha, parts[0][:1]))
