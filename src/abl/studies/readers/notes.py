"""What is said of a reader study: in the notes under its table and in its report."""

from __future__ import annotations

from typing import Any

from abl.data.readers.reader_answers import ReaderAnswers
from abl.report.labels import counted
from abl.report.page.report_facts import ReportFacts
from abl.studies.readers.options import Options
from abl.studies.readers.simulated import planted_auc
from abl.studies.shared.departure import NO_VALIDATION, SPLITS_BY_IMAGE, Departure

# Lee, Ha, Kim et al., Sci. Rep. 2019
DEPARTURES = (
    Departure(
        "networks_chosen_on_test",
        "the networks that readers are held against",
        "The networks that readers are held against were chosen, among many, by results on the "
        "very images that readers answered.",
        lambda arm, sweep: True,
        by_test="the networks that readers are held against",
        declared=True,
    ),
    NO_VALIDATION,
    SPLITS_BY_IMAGE,
)
FEW_READERS = 5


def answer_notes(answers: ReaderAnswers, options: Options) -> list[str]:
    """Who answered on how many images, and under what conditions."""
    frame = answers.frame
    said = frame["answer"].notna() | frame["rating"].notna()
    lacks = int((~said).sum())
    missing = f", {counted(lacks, 'answer')} missing" if lacks else ""
    who = "simulated reader" if options.simulated else "reader"
    notes = [
        f"{counted(len(answers.readers), who)} on {counted(len(answers.cases), 'image')}{missing}."
    ]
    named = [name for name in answers.treatments if name]
    if len(named) > 1:
        notes.append(f"Treatments: {', '.join(named)}. {_protocol(options)}")
    return [*notes, *answers.notes]


def _protocol(options: Options) -> str:
    first, days = options.first_treatment, options.washout_days
    order = f"{first} was read first" if first else "Which was read first is not stated"
    washout = "the washout is not stated" if days is None else f"washout {days:g} days"
    return f"{order}; {washout}."


def skill_facts(options: Options) -> dict[str, Any]:
    """What is planted in simulated readers; {} of people."""
    if not options.simulated:
        return {}
    return {
        "planted": [
            {
                "reader": reader.name,
                "treatment": treatment,
                "sen": skill.sensitivity,
                "spe": skill.specificity,
                "auc": planted_auc(skill),
            }
            for reader in options.simulated
            for treatment, skill in (("unaided", reader), ("aided", reader.aided))
            if skill is not None
        ]
    }


def reader_weaknesses(facts: ReportFacts) -> tuple[str, ...]:
    """What is weak in a reader study by its readers and its protocol."""
    known = facts.outcome.facts.study.get("readers")
    if known is None:
        return ("No answers of readers are known: the networks alone are compared.",)
    found = []
    if "planted" in known:
        found.append("The readers are simulated: their answers say nothing of people.")
    if len(known["readers"]) < FEW_READERS:
        few = counted(len(known["readers"]), "reader")
        found.append(f"{few}: of other readers little can be said.")
    if known.get("ranked"):
        found.append(
            "An arm's images were tested by networks of several folds: its AUC beside readers is "
            "of ranks within each network's test images, which are taken as known; one network "
            "with one scale may do worse on all of them."
        )
    if len(known["treatments"]) > 1:
        if known["first_treatment"] is None:
            found.append(
                "Which treatment was read first is not stated (options: first_treatment): what is "
                "read second may be better for being read again."
            )
        if known["washout_days"] is None:
            found.append(
                "The time between treatments is not stated (options: washout_days): readers may "
                "remember images."
            )
    return tuple(found)
