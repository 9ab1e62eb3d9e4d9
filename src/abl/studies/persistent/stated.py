"""Tables of Rafalo, Zylka 2025, for `--published`."""

from __future__ import annotations

from abl.report.tables.stated_tables import RowTable, StatedTables

STATED = StatedTables(
    row_tables={
        "features": RowTable(
            keys={"feature": "value"},
            values={"percent_of_dataset": "share", "percent_of_training": "training_share"},
            counts={"images": "flagged_images"},
            size="images",
            # two images of one patient are alike
            tested={"persistent_features.csv": 242},
            headings={"share": "share of the set", "training_share": "share of training sets"},
        )
    }
)
