"""Study compare: any settings side by side, one network an arm. What a first sweep asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from abl.spec.base import Part
from abl.studies.contract import StudyAxis, study
from abl.studies.frozen import Frozen
from abl.studies.shared.single_network import SingleNetwork

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables


class Options(Part):
    """The compare study has no settings of its own."""


@study
class Compare(SingleNetwork):
    """Arms as of frozen layers, without a question of their own: any setting may be an axis."""

    name: ClassVar[str] = "compare"
    description: ClassVar[str] = "Networks, or any settings, side by side: one network an arm."
    options: ClassVar[type[Part]] = Options
    axes: ClassVar[tuple[StudyAxis, ...]] = Frozen.axes

    def stated(self) -> StatedTables:
        from abl.studies.frozen.stated import STATED

        return STATED


@study
class Backbones(Compare):
    """Its name in sweep files of before."""

    name: ClassVar[str] = "backbones"
    description: ClassVar[str] = "Older name of compare."
