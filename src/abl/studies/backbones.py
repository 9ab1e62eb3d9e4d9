"""Study backbones: one network an arm, side by side. What a first sweep over new images asks."""

from __future__ import annotations

from typing import ClassVar

from abl.report.tables.stated_tables import StatedTables
from abl.spec.base import Part
from abl.studies.contract import StudyAxis, study
from abl.studies.frozen import Frozen
from abl.studies.shared.single_network import SingleNetwork


class Options(Part):
    """The backbones study has no settings of its own."""


@study
class Backbones(SingleNetwork):
    """Arms as of frozen layers, without a question of their own: any setting may be an axis."""

    name: ClassVar[str] = "backbones"
    description: ClassVar[str] = "Networks, or any settings, side by side: one network an arm."
    options: ClassVar[type[Part]] = Options
    axes: ClassVar[tuple[StudyAxis, ...]] = Frozen.axes
    stated: ClassVar[StatedTables] = Frozen.stated
