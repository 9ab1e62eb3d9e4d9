"""Study hyper: a search alone. Its arms are the settings of the file, and those that were found."""

from __future__ import annotations

from typing import ClassVar

from abl.spec.base import Part
from abl.studies.base import study
from abl.studies.frozen import Frozen
from abl.studies.single_network import SingleNetwork


class Options(Part):
    """The hyper study has no settings of its own."""


@study
class Hyper(Frozen):
    """Arms as of frozen layers: usually one, with fixed and with tuned settings."""

    name: ClassVar[str] = "hyper"
    description: ClassVar[str] = "Hyperparameter search: the winner against the file's settings."
    options: ClassVar[type[Part]] = Options
    # no publication stands behind it
    figures = SingleNetwork.figures
    weaknesses = SingleNetwork.weaknesses
