"""Tables of the two-step publication (Lee, Kwak, Lee, Sci. Rep. 2025), for `--published`."""

from __future__ import annotations

from collections.abc import Mapping

from abl.report.tables.stated_tables import StatedTables

# test images, benign and malignant; the rows of ViT on dermoscopy fit other counts
_TESTED = {"thyroid": (123.0, 539.0), "dermoscopy": (1287.0, 452.0)}
_DERMOSCOPY_VIT = (1278.0, 461.0)


def _tested(row: Mapping[str, str]) -> tuple[float, float] | None:
    data = row.get("dataset", "").lower()
    if data == "dermoscopy" and row.get("network", "").lower().startswith("vit"):
        return _DERMOSCOPY_VIT
    return _TESTED.get(data)


STATED = StatedTables(tested={"two_step.csv": _tested}, datasets=tuple(_TESTED))
