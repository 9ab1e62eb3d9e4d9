"""How a table is printed: apart from the sweep file, as tables that are kept say it too."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from abl.spec.base import Part


class TableStyle(Part):
    """How numbers are printed."""

    per_cent: bool = Field(True, description="Per cent, or fractions.")
    decimals: Annotated[int, Field(ge=0, le=6)] | None = Field(
        None, description="Digits after the point; default: 1 in per cent, 3 in fractions."
    )
    spread: bool = Field(
        False,
        description="Mean ± standard deviation over replicates, instead of the 95 % interval.",
    )
    intervals: bool = Field(
        False, description="Beside spread: true, 95 % intervals too; without it always."
    )
    runs: bool = Field(
        False,
        description="A column beside each metric with its mean and 95 % interval over runs "
        "(replicates, Student's t), as many papers print it; it tells nothing of other patients.",
    )
