"""Tables of Qin et al., IEEE JBHI 2020, for `--published`."""

from __future__ import annotations

from collections.abc import Mapping

from abl.report.tables.stated_tables import StatedTables

# of 1156 images 539 are benign; how many a row was tested on, its values tell
_BENIGN, _ALL = 539, 1156
_ONE, _MIXED, _LATE = 174, 347, 132


def _of(images: int) -> tuple[float, float]:
    benign = images * _BENIGN / _ALL
    return benign, images - benign


def tested_alone(row: Mapping[str, str]) -> tuple[float, float]:
    """Images of class 0 and 1 in one evaluation of one modality."""
    return _of(_ONE)


def tested_by_mode(row: Mapping[str, str]) -> tuple[float, float]:
    """The same of a row of the fusion table."""
    return _of({"mixed": _MIXED, "late": _LATE}.get(row.get("mode", ""), _ONE))


WORDS = {"bmode": "first", "b-mode": "first", "conventional": "first", "elasticity": "second"}
STATED = StatedTables(
    words={"modality": WORDS},
    implied={
        "frozen_layers.csv": {"weights": "pretrained"},
        "scratch_networks.csv": {"weights": "random"},
    },
    tested={"frozen_layers.csv": tested_alone, "scratch_networks.csv": tested_alone},
)
OF_FUSION = StatedTables(tested={"fusion.csv": tested_by_mode})
