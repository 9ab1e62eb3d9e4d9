"""The contract of a study: `problems` -> `expand` -> stages run, `grow` and `validated` where a
search adds some -> `analyse` -> `figures` and `weaknesses`; and where studies are found.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar

import abl.studies
from abl.errors import InputError, Problem
from abl.registry import Registry
from abl.spec.base import Part

if TYPE_CHECKING:  # a plan draws and scores nothing
    import pandas as pd

    from abl.plan.graph import Arm, Plan, PlannedCell
    from abl.plan.outcome import Outcome
    from abl.report.figures.arms import Draw, Frames
    from abl.report.page.report_facts import ReportFacts
    from abl.report.page.weaknesses import OwnWeaknesses
    from abl.report.tables.model import Table
    from abl.report.tables.published import Published
    from abl.report.tables.stated_tables import StatedTables
    from abl.runner.protocols import Growth
    from abl.spec.read import SweepFile
    from abl.spec.sweep import Sweep
    from abl.stages.inputs import Workspace
    from abl.studies.shared.analysis import Analysis, ScoredPart
    from abl.studies.shared.departure import Departure

OptionsOf = TypeVar("OptionsOf", bound=Part)


@dataclass(frozen=True)
class StudyAxis:
    """An axis that a study adds to the settings that any sweep can vary.

    Attributes:
        name: In YAML and in the table.
        description: One line.
        default: Value of an arm that does not name it.
        setting: Dotted path of the setting it stands for, "" for one of the study's own.
        words: Whether its values are names: then YAML's true and false mean these words.
        wide: The values that a word stands for, of an axis of words; most stand for themselves.
    """

    name: str
    description: str
    default: Any = None
    setting: str = ""
    words: bool = False
    wide: Callable[[Any, Sweep], tuple[Any, ...]] | None = None


class Study(Protocol):
    """One question a sweep can ask. A class in a module of this package registers with `@study`.

    What it gives in any case comes first, then what most studies leave as it is here.

    Attributes:
        axes: Its own, beside the settings that any sweep can vary.
        options: Model of its `options:` block.
        smoke_options: With which it runs on the little that `--smoke` leaves.
        absent_tables: Name of a table of its own -> why a sweep that was run may have none, and
            what to write to have it.
        analysed_by: Options that its analysis reads whatever the arms are: the report's protocol
            has them, though no arm makes use of them.
        departures: What its source did and an honest sweep refuses, which `published` may name.
        analysed_with: Modules of other packages that its analysis loads, besides what all do.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    axes: ClassVar[tuple[StudyAxis, ...]]
    options: ClassVar[type[Part]]
    smoke_options: ClassVar[Mapping[str, Any]]
    absent_tables: ClassVar[Mapping[str, str]] = {}
    analysed_by: ClassVar[tuple[str, ...]] = ()
    analysed_with: ClassVar[tuple[str, ...]] = ()
    departures: ClassVar[tuple[Departure, ...]] = ()

    def problems(self, file: SweepFile) -> list[Problem]:
        """Everything wrong with axes, arms and options that needs no data."""

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """Arms, replicates and stages; raises InputError with every problem."""

    def validated(
        self, file: SweepFile, arm: Arm, cell: PlannedCell, workspace: Workspace
    ) -> ScoredPart:
        """An arm's final predictions on the validation images of a replicate; nothing else is read.

        A search chooses by them.
        """

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """The table and the predictions behind it, from what the store holds.

        Arms with missing stages are marked failed.
        """

    def control(self, file: SweepFile, arm: Arm) -> str:
        """How an arm used labels of the test set, so that it can win without merit; "" if it did
        not, as most. A table says so, and never marks such an arm as the best.
        """
        return ""

    def stated(self) -> StatedTables:
        """What it knows of the tables of its source, for `--published`."""
        from abl.report.tables.stated_tables import StatedTables

        return StatedTables()

    def chosen_on_validation(self, arm: Arm, sweep: Sweep) -> list[tuple[str, str, str]]:
        """(axis or option, what, what to write instead) of all that an arm chooses on validation.

        Without a validation part it is refused. Early stops and searches of settings are known.
        """
        return []

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        """Name -> what draws it: figures of this study alone, or one of its own of a known name."""
        return {}

    def tables(
        self,
        outcome: Outcome,
        own: Mapping[str, pd.DataFrame],
        published: Published | None = None,
    ) -> Mapping[str, Table]:
        """Name, as `abl table --show` has it -> table, of this study alone.

        Args:
            own: Frames of its own, as `analyse` gave them.
            published: Values to stand beside ours, where a table has a place for them.
        """
        return {}

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> Collection[str]:
        """Of axes and options (`options.panel`), those that matter to an arm.

        Args:
            own: The arm's values of the study's own axes.
            axes: Names of axes and options.
        """
        return axes

    def meaning(self, params: dict[str, Any], file: SweepFile) -> dict[str, Any]:
        """Settings that an arm's values stand for beside those of its axes, by dotted path."""
        return {}

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        """What is weak in a sweep by what this study alone does, and what it chose."""
        from abl.report.page.weaknesses import OwnWeaknesses

        return OwnWeaknesses()

    def grow(
        self, file: SweepFile, plan: Plan, workspace: Workspace, say: Callable[[str], None]
    ) -> Growth | None:
        """What adds to the plan while it runs; most studies know all stages before."""
        return None

    def budget(self, file: SweepFile, plan: Plan, workspace: Workspace, slots: int) -> list[str]:
        """Sentences on what such a growth takes with so many stages at once."""
        return []


STUDIES: Registry[Study] = Registry("study")
StudyClass = TypeVar("StudyClass", bound=Study)


def study(cls: type[StudyClass]) -> type[StudyClass]:
    """Registers a study class. Raises InputError if its name is taken."""
    if not isinstance(cls, type):
        raise InputError("study: write @study above the class, which has its name")
    STUDIES.add(cls.name, cls(), cls, description=cls.description)
    return cls


def studies() -> Mapping[str, Study]:
    """All studies by name: the package's, and those of the user's file that is loaded."""
    for module in pkgutil.iter_modules(abl.studies.__path__):
        importlib.import_module(f"abl.studies.{module.name}")
    return dict(sorted(STUDIES.items()))


def study_named(name: str) -> Study | None:
    """A study by its name, None if there is none.

    Of the package's the one alone is imported, from the module that is called as it is; all are
    where a user's own may have taken a name of theirs.
    """
    if not any(entry.owner for entry in STUDIES.entries()):
        if name in {module.name for module in pkgutil.iter_modules(abl.studies.__path__)}:
            importlib.import_module(f"abl.studies.{name}")
        if name in STUDIES:
            return STUDIES[name]
    return studies().get(name)


def options_of(file: SweepFile, model: type[OptionsOf]) -> OptionsOf:
    """The study's own settings.

    Raises:
        InputError: With every problem and its line.
    """
    from pydantic import ValidationError

    from abl.spec.model_faults import problems_of

    try:
        return model.model_validate(file.sweep.options)
    except ValidationError as error:
        raise InputError(problems_of(error, model, file.places, ("options",))) from None
