"""Tables of Lee et al., Sci. Rep. 2019, for `--published` beside readers."""

from __future__ import annotations

from abl.report.tables.stated_tables import RowTable, StatedTables

_SHARES = ("acc", "sen", "spe")

STATED = StatedTables(
    row_tables={
        "readers": RowTable(
            keys={"reader": "rater", "treatment": "treatment"},
            values={name: name for name in _SHARES},
        )
    }
)
