"""Tables of Lee et al., Sci. Rep. 2019, for `--published` beside networks."""

from __future__ import annotations

from collections.abc import Mapping

from abl.report.tables.stated_tables import StatedTables

TEST_IMAGES = (50.0, 100.0)  # benign, malignant


def tested(row: Mapping[str, str]) -> tuple[float, float]:
    """The one test set."""
    return TEST_IMAGES


STATED = StatedTables(
    labels={
        "cnn 1": {"networks": "A+V+Vv+R", "classifier": "svm"},
        "cnn 2": {"networks": "O+V+Vv+R", "classifier": "rf"},
        "cnn 3": {"networks": "O+V+I", "classifier": "svm+rf"},
    },
    label_columns=("reader",),
    tested={"ensembles_readers.csv": tested},
)
