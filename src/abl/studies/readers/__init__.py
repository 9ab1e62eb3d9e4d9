"""Study readers: what readers and networks say of the same test images.

Sources: Lee, Ha, Kim et al., Sci. Rep. 2019, doi 10.1038/s41598-019-56395-x (readers beside
networks); Obuchowski, Rockette, Commun. Stat. Simul. Comput. 24, 1995, and Hillis, Stat. Med. 26,
2007 (readers and cases as samples).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pandas as pd

from abl.data.readers.reader_answers import ReaderAnswers
from abl.errors import InputError, Problem, nearest
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
from abl.stages.inputs import Workspace
from abl.studies.contract import StudyAxis, options_of, study
from abl.studies.frozen import Frozen
from abl.studies.readers.agreeing import agreement_rows
from abl.studies.readers.divided import divided_images, divided_pictures
from abl.studies.readers.findings import reader_findings
from abl.studies.readers.joined import answers_on, compared_on_tests, image_rows_of
from abl.studies.readers.notes import (
    DEPARTURES,
    answer_notes,
    reader_weaknesses,
    skill_facts,
)
from abl.studies.readers.options import Options
from abl.studies.readers.tables import (
    AGAINST,
    AGREEMENT,
    ANSWERS,
    DIFFERENCES,
    DIVIDED,
    RATERS,
    TREATMENTS,
    reader_tables,
)
from abl.studies.shared.analysis import Analysis
from abl.studies.shared.departure import Departure
from abl.studies.shared.external import internal_file
from abl.studies.shared.single_network import SingleNetwork

if TYPE_CHECKING:
    from abl.report.tables.stated_tables import StatedTables


@study
class Readers(SingleNetwork):
    """Arms are networks, of any settings; readers answer on their test images."""

    name: ClassVar[str] = "readers"
    description: ClassVar[str] = "Readers and networks on the same test images."
    options: ClassVar[type[Part]] = Options
    departures: ClassVar[tuple[Departure, ...]] = DEPARTURES
    axes: ClassVar[tuple[StudyAxis, ...]] = Frozen.axes

    def faults(self, arm: Arm, sweep: Sweep, file: SweepFile) -> list[tuple[str, str]]:
        faults = []
        if len(sweep.data.classes) != 2:
            text = (
                f"data.classes: {len(sweep.data.classes)} of them: readers are compared on two, "
                "the positive one last"
            )
            faults.append(("data.classes", text))
        if sweep.data.unit != "image":
            text = f"data.unit: {sweep.data.unit}: readers answer on images: write unit: image"
            faults.append(("data.unit", text))
        same = sweep.data.with_changes({"modality": file.sweep.data.modality})
        if same != file.sweep.data or "mixed" in (sweep.data.modality, file.sweep.data.modality):
            text = "data: readers answer on one set of images, and arms have several"
            faults.append(("data", text))
        return faults or super().faults(arm, sweep, file)

    def expand(self, file: SweepFile, workspace: Workspace) -> Plan:
        """As of one network; the answers are read too, so that their faults are told first."""
        plan = super().expand(file, workspace)
        if (answers := _answers(file, workspace)) is not None:
            plan.notes += answer_notes(answers, options_of(file, Options))
        else:
            plan.notes.append(
                "No answers of readers yet: `abl readers page` writes the page to collect them"
            )
        return plan

    def analyse(self, file: SweepFile, plan: Plan, workspace: Workspace) -> Analysis:
        """As of one network; then readers beside the arms."""
        analysis = super().analyse(file, plan, workspace)
        answers = _answers(file, workspace)
        if answers is None or analysis.predictions.empty:
            return analysis
        options, margin = options_of(file, Options), file.sweep.margin
        compared = compared_on_tests(answers, analysis.outcome, analysis.predictions)
        found = reader_findings(compared, options.covariance, margin, options.first_treatment)
        own = {
            RATERS: found.raters,
            DIFFERENCES: found.differences,
            AGAINST: found.against,
            TREATMENTS: found.treatments,
            AGREEMENT: agreement_rows(compared),
            ANSWERS: compared.together.frame,
            DIVIDED: divided_images(compared),
        }
        own = {name: frame for name, frame in own.items() if len(frame)}
        said = (*answer_notes(answers, options), *compared.notes, *found.notes)
        outcome = analysis.outcome
        facts: dict[str, Any] = {
            "margin": margin,
            "arms": list(compared.arms),
            "ranked": compared.ranked,
            "readers": list(compared.answers.readers),
            "treatments": [name for name in answers.treatments if name],
            "first_treatment": options.first_treatment,
            "washout_days": options.washout_days,
            **skill_facts(options),
            # a kept outcome is written anew where its text changes: answers change frames alone
            "frames": {
                name: int(pd.util.hash_pandas_object(frame.astype(str), index=False).sum() % 2**32)
                for name, frame in own.items()
            },
        }
        study_facts = {**outcome.facts.study, "readers": facts}
        return replace(
            analysis,
            outcome=replace(
                outcome,
                notes=(*outcome.notes, *said),
                facts=replace(outcome.facts, study=study_facts),
            ),
            own=own,
            pictures=divided_pictures(
                own.get(DIVIDED, pd.DataFrame()), internal_file(file).sweep.data, workspace
            ),
        )

    def tables(
        self,
        outcome: Outcome,
        own: Mapping[str, pd.DataFrame],
        published: Published | None = None,
    ) -> Mapping[str, Table]:
        return reader_tables(outcome, own)

    def figures(self, outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
        """Readers on the arms' ROC, ROC of ratings, differences, agreement, divided images."""
        from abl.studies.readers.drawn import reader_figures

        return reader_figures(outcome, frames)

    def stated(self) -> StatedTables:
        from abl.studies.readers.stated import STATED

        return STATED

    def weaknesses(self, facts: ReportFacts) -> OwnWeaknesses:
        return OwnWeaknesses(reader_weaknesses(facts))


def _answers(file: SweepFile, workspace: Workspace) -> ReaderAnswers | None:
    """The answers of the options on the images of the sweep; None if there are none."""
    options, inner = options_of(file, Options), internal_file(file)
    if not options.answers and not options.simulated:
        return None
    dataset = workspace.data(inner.sweep.data).dataset
    files: list[Path] = []
    problems: list[Problem] = []
    for name in options.answers:
        try:
            files.append(workspace.file(name, "options.answers"))
        except InputError as error:
            told = (each.message for each in error.problems)
            problems += [file.problem(message, "options", "answers") for message in told]
    if problems:
        raise InputError(problems)
    answers = answers_on(image_rows_of(dataset), dataset.classes, options, files)
    first, known = options.first_treatment, answers.treatments
    if first is not None and first not in known:
        valid = nearest(first, known) if any(known) else "the answers have no column treatment"
        text = f"options.first_treatment: '{first}': {valid}"
        raise InputError([file.problem(text, "options", "first_treatment")])
    return answers
