"""Study hyper: a search alone. Its arms are the settings of the file, and those that were found."""

from __future__ import annotations

from typing import ClassVar

from abl.errors import Problem
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.studies.contract import StudyAxis, study
from abl.studies.frozen import Frozen
from abl.studies.shared.single_network import SingleNetwork


class Options(Part):
    """The hyper study has no settings of its own."""


@study
class Hyper(SingleNetwork):
    """Arms as of frozen layers: usually one, with fixed and with tuned settings."""

    name: ClassVar[str] = "hyper"
    description: ClassVar[str] = "Hyperparameter search: the winner against the file's settings."
    options: ClassVar[type[Part]] = Options
    axes: ClassVar[tuple[StudyAxis, ...]] = Frozen.axes

    def problems(self, file: SweepFile) -> list[Problem]:
        # a section that is broken is told as such
        if "search" not in file.places.sections:
            return [file.problem("study: hyper needs a search: section", "study")]
        return super().problems(file)
