"""Study ensembles: classifiers of the features of one or several networks, and their ensembles.

Source: Lee, Ha, Kim, Moon, Byon, Huh, Son, Yoon, Han, Kwak, Sci. Rep. 2019,
doi 10.1038/s41598-019-56395-x.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd
from pydantic import ValidationError

from abl.decide.classifiers.names import CLASSIFIERS
from abl.plan.graph import Arm, Plan
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import OwnWeaknesses
from abl.report.tables.model import Table
from abl.report.tables.published import Published
from abl.spec.base import Part
from abl.spec.read import SweepFile
from abl.spec.sweep import Sweep
from abl.stages.combine import MEAN, WEIGHTED
from abl.stages.inputs import Workspace
from abl.stages.shared_pass import share_passes
from abl.stages.train import Trainings
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.ensembles.arm_checks import faults_of_sets
from abl.studies.ensembles.fits import EnsembleStages
from abl.studies.ensembles.found import (
    CHOICES,
    GAINS,
    WIDTHS,
    choice_rows,
    gain_rows,
    places_of_arms,
    width_rows,
)
from abl.studies.ensembles.notes import (
    DEPARTURES,
    choice_notes,
    ensemble_choices,
    gain_notes,
    optimism_notes,
    seedless_notes,
    trainings_asked,
    weak_points,
)
from abl.studies.ensembles.options import Member, Options
from abl.studies.ensembles.sets import (
    CHOSEN,
    OWN,
    classifiers_of,
    expanded,
)
from abl.studies.ensembles.sources import PANEL
from abl.studies.ensembles.tables import ensemble_tables
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.departure import Departure
from abl.studies.shared.external import internal_file
from abl.studies.shared.single_network import SingleNetwork, TrainedBy

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables


def _wide_sets(value: Any, sweep: Sweep) -> tuple[Any, ...]:
    panel = sweep.options.get("panel")
    if not isinstance(value, str) or not isinstance(panel, dict):
        return (value,)
    try:
        read = {str(name): Member.model_validate(member) for name, member in panel.items()}
    except ValidationError:  # told where options are read
        return (value,)
    return expanded(value, [name for name, member in read.items() if member.in_all])


@study
class EnsemblesStudy(SingleNetwork):
    """Arms are (networks, layer, fine_tuned, classifier, ensemble)."""

    name: ClassVar[str] = "ensembles"
    description: ClassVar[str] = "Classifiers of several networks' features (Lee 2019)."
    options: ClassVar[type[Part]] = Options
    departures: ClassVar[tuple[Departure, ...]] = DEPARTURES
    axes: ClassVar[tuple[StudyAxis, ...]] = (
        StudyAxis(
            "networks",
            "Of options.panel: A+V concatenates features, A+V|R is two such sets. all, size 2, "
            "size 1-3: every such concatenation. chosen: the best on validation images, in each "
            "replicate.",
            "all",
            words=True,
            wide=_wide_sets,
        ),
        StudyAxis(
            "layer",
            "Of every network: fc1, fc2, avg, last (the last fully connected one, else avg), a "
            "module's name; panel: as options.panel says.",
            PANEL,
            words=True,
        ),
        StudyAxis(
            "fine_tuned",
            "Whether networks are trained on the training part first: yes, no, panel.",
            PANEL,
            words=True,
        ),
        StudyAxis(
            "classifier",
            "svm, svm_rbf, rf, logistic, boosting; svm+rf: both, joined as `ensemble` says; own: "
            "the fine-tuned network's; chosen: of options.candidates, the best on validation.",
            "svm",
            words=True,
        ),
        StudyAxis(
            "ensemble",
            "How predictions of several classifiers and sets become one: mean (over sets, of the "
            "means over classifiers), weighted (on validation), stacked (out of fold).",
            MEAN,
            words=True,
        ),
    )

    def relevant(self, own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
        """No layer of a network that answers itself; no ensemble of one prediction."""
        kept = super().relevant(own, axes)
        word, value = str(own.get("classifier", "svm")), str(own.get("networks", ""))
        used = classifiers_of(word)
        parts = len(used) * (1 + value.count("|"))
        if parts == 1 and not (word == OWN and "+" in value):
            kept.discard("ensemble")
        if CHOSEN in (word, value):
            kept.discard("ensemble")
        if used == (OWN,):
            kept -= {"layer", "fine_tuned"}
        if word == CHOSEN:
            return kept
        unused = {name for name in CLASSIFIERS if name not in used}
        unused |= set() if value == CHOSEN else {"candidates"}
        return {
            axis
            for axis in kept
            if axis.split(".")[:1] != ["options"] or axis.split(".")[1] not in unused
        }

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        return faults_of_sets(arm, sweep, options_of(replace(file, sweep=sweep), Options))

    def facts(self, file: SweepFile) -> dict[str, Any]:
        panel = options_of(file, Options).panel
        return {"panel": {name: member.model_dump(mode="json") for name, member in panel.items()}}

    def trained_by(
        self,
        file: SweepFile,
        arms: Sequence[Arm],
        sweeps: Sequence[Sweep],
        trainings: Callable[[Sweep], Trainings],
    ) -> TrainedBy:
        return EnsembleStages(file, arms, sweeps, trainings).trained

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """As of one network; trainings are those behind an arm's features."""
        plan = super().expand(file, workspace)
        plan.asked = trainings_asked(plan)
        plan.notes += seedless_notes(plan)
        share_passes(plan)
        return plan

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """As of one network; then gains over single networks, and what was chosen."""
        analysis = super().analyse(file, plan, workspace)
        outcome, store = analysis.outcome, workspace.store
        sweep, options = internal_file(file).sweep, options_of(file, Options)
        arms = places_of_arms(plan, outcome)
        gains = gain_rows(outcome, arms, analysis.predictions, sweep)
        choices = choice_rows(plan, store, outcome, options)
        own = {
            GAINS: pd.DataFrame(gains),
            WIDTHS: pd.DataFrame(width_rows(plan, store, outcome, options.panel)),
            CHOICES: pd.DataFrame(choices),
        }
        notes = (
            *outcome.notes,
            *gain_notes(gains, outcome),
            *choice_notes(choices, outcome),
            *optimism_notes(outcome, arms, options),
        )
        kept = {name: frame for name, frame in own.items() if not frame.empty}
        return replace(analysis, outcome=replace(outcome, notes=notes), own=kept)

    def tables(
        self,
        outcome: Outcome,
        own: Mapping[str, pd.DataFrame],
        published: Published | None = None,
    ) -> Mapping[str, Table]:
        return ensemble_tables(outcome, own, published)

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        from abl.studies.ensembles.figures import by_size_figure, heat_map_figure

        none = pd.DataFrame()
        gains, widths = frames.own.get(GAINS, none), frames.own.get(WIDTHS, none)
        return {
            "gains": lambda: heat_map_figure(outcome, gains),
            "by_size": lambda: by_size_figure(outcome, gains, widths),
        }

    def chosen_on_validation(self, arm: Arm, sweep: Sweep) -> list[tuple[str, str, str]]:
        """The combination, or the weights of an ensemble."""
        found = [
            (axis, CHOSEN, "name them")
            for axis in ("networks", "classifier")
            if arm.params.get(axis) == CHOSEN
        ]
        if arm.params.get("ensemble") == WEIGHTED:
            found.append(("ensemble", WEIGHTED, "write mean or stacked"))
        return found

    def stated(self) -> StatedTables:
        from abl.studies.ensembles.stated import STATED

        return STATED

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return OwnWeaknesses(weak_points(facts), ensemble_choices(facts))
