"""What a paper on the sweep must report, and which of it the sweep itself answers.

Topics of two reporting guidelines, in our words: CLAIM, 2024 update (Tejani et al., Radiology:
Artificial Intelligence 2024; 6(4):e240300) and TRIPOD+AI (Collins et al., BMJ 2024; 385:e078378).
The guidelines themselves decide what is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from abl.report.labels import metric_label
from abl.report.page.protocol import (
    data_words,
    replicate_words,
    settings_words,
    split_words,
)
from abl.report.page.report_facts import ReportFacts
from abl.report.page.weaknesses import readings_sentence

BOTH, CLAIM, TRIPOD = "CLAIM, TRIPOD+AI", "CLAIM", "TRIPOD+AI"
TO_STATE = "to be stated by the authors"


@dataclass(frozen=True)
class ChecklistItem:
    """One thing to report.

    Attributes:
        topic: In a few words.
        guideline: Which guidelines ask for it.
        answer: What the sweep answers, or "".
        left: What is to be stated by the authors, or "".
    """

    topic: str
    guideline: str
    answer: str = ""
    left: str = ""

    @property
    def status(self) -> str:
        """answered by the sweep | answered in part | to be stated by the authors."""
        if not self.answer:
            return TO_STATE
        return "answered in part" if self.left else "answered by the sweep"


def checklist(facts: ReportFacts, environment: Mapping[str, Any]) -> list[ChecklistItem]:
    """Every topic, with what this sweep answers."""
    return [*_aims_and_data(facts), *_model(facts), *_evaluation(facts), *_open(environment)]


def _aims_and_data(facts: ReportFacts) -> Iterator[ChecklistItem]:
    sweep, made = facts.sweep, facts.generated
    question = facts.outcome.title or f"study {facts.outcome.study}"
    yield ChecklistItem("Aim, and the kind of study", BOTH, question, "intended use; hypotheses")
    yield ChecklistItem(
        "Prospective or retrospective; where and when",
        BOTH,
        "generated data" if made else "",
        "" if made else "design, centres and dates of the collection",
    )
    yield ChecklistItem(
        "Source of the data",
        BOTH,
        data_words(sweep) if sweep else "",
        "" if made else "who collected them, and under which licence",
    )
    kept = bool(sweep and (sweep.data.where or sweep.data.drop_missing))
    yield ChecklistItem(
        "Eligibility, and how cases were selected",
        BOTH,
        "every generated case" if made else data_words(sweep) if sweep and kept else "",
        "" if made else "eligibility criteria",
    )
    yield ChecklistItem(
        "Preparation of the images",
        BOTH,
        settings_words(sweep.image) if sweep else "",
        "" if made else "what was done before the images entered the sweep",
    )
    yield ChecklistItem(
        "Missing data",
        BOTH,
        "nothing is missing from generated data"
        if made
        else "rows without " + ", ".join(sweep.data.drop_missing) + " left out and counted"
        if sweep and sweep.data.drop_missing
        else "",
        "" if made else "what else was missing, and why",
    )
    yield ChecklistItem(
        "Removal of identifying details",
        CLAIM,
        "no persons" if made else "",
        "" if made else "how it was done",
    )
    yield ChecklistItem(
        "Acquisition: devices and protocol",
        CLAIM,
        "simulated" if made else "",
        "" if made else "scanners, probes, settings, operators",
    )
    yield ChecklistItem(
        "Reference standard, and who set it",
        BOTH,
        "the class that each case was generated with" if made else "",
        "" if made else "definition, source, and annotators' training",
    )
    yield ChecklistItem(
        "Agreement of those who set the reference",
        CLAIM,
        "no annotators" if made else "",
        "" if made else "variability within and between them",
    )
    sizes = "; ".join(
        f"{size.role}: {size.patients} patients, {size.units} {facts.unit}s"
        for size in facts.sizes.values()
    )
    yield ChecklistItem("Sample size", BOTH, sizes, "how it was arrived at")
    yield ChecklistItem(
        "Characteristics of the participants",
        BOTH,
        "classes by split: see the data summary" if facts.sizes else "",
        "age, sex, and other characteristics by split",
    )


def _model(facts: ReportFacts) -> Iterator[ChecklistItem]:
    sweep = facts.sweep
    train = sweep.train if sweep else None
    yield ChecklistItem(
        "Division into training, validation and test", BOTH, split_words(sweep) if sweep else ""
    )
    yield ChecklistItem(
        "Class imbalance", TRIPOD, f"training balanced by: {train.balance}" if train else ""
    )
    networks = {str(arm.params["network"]) for arm in facts.arms if "network" in arm.params}
    named = ", ".join(sorted(networks)) or (train.network if train else "")
    yield ChecklistItem("The model: input, layers, output", BOTH, named, "why this architecture")
    yield ChecklistItem(
        "Initial weights", CLAIM, f"{train.weights}; seeds: {facts.seeds}" if train else ""
    )
    yield ChecklistItem(
        "Training: optimizer, schedule, augmentation, epochs",
        BOTH,
        f"{train.epochs} epochs of batches of {train.batch_size}; "
        f"{settings_words(train.optimizer)}; schedule {settings_words(train.schedule)}; "
        f"augmentation {settings_words(train.augment)}"
        if train
        else "",
    )
    yield ChecklistItem(
        "Choice of the final model and of thresholds",
        BOTH,
        f"mean of the last {train.last_k} epochs; by "
        f"{metric_label(sweep.select_by or sweep.primary)} on validation"
        if train and sweep
        else "",
    )
    yield ChecklistItem(
        "Combination of several networks",
        CLAIM,
        "by rule: see the arms" if any("rule" in arm.params for arm in facts.arms) else "none",
        "",
    )


def _evaluation(facts: ReportFacts) -> Iterator[ChecklistItem]:
    outcome = facts.outcome
    metrics = ", ".join(metric_label(name) for name in outcome.metrics)
    yield ChecklistItem(
        "Metrics, and which one decides",
        BOTH,
        f"{metrics}; {metric_label(outcome.primary)} decides",
        "why these",
    )
    tests = (
        " Arms tested against the base by permutation of patients, corrected for their number."
        if facts.compared
        else ""
    )
    yield ChecklistItem(
        "Uncertainty and tests",
        BOTH,
        f"{replicate_words(facts)}; 95 % intervals by resampling patients.{tests}",
    )
    controls = "controls among them" if facts.has_controls else "no controls among them"
    yield ChecklistItem(
        "Ablation and sensitivity analyses", CLAIM, f"{len(outcome.arms)} arms, {controls}"
    )
    yield ChecklistItem(
        "Performance of the models with intervals",
        BOTH,
        f"see the table. {readings_sentence(facts)}",
    )
    known = bool(facts.sizes.get("test"))
    yield ChecklistItem("Calibration", TRIPOD, "reliability diagram and ECE" if known else "")
    yield ChecklistItem(
        "Errors: how many, of which kind, and why",
        CLAIM,
        "confusion matrices, risk and coverage" if known else "",
        "review of single cases",
    )
    yield ChecklistItem(
        "Evaluation on external data",
        BOTH,
        _external_words(facts) if facts.external else "none was done",
    )
    yield ChecklistItem("Fairness: performance in subgroups", TRIPOD, "", "subgroups and results")
    yield ChecklistItem("Explanation of single decisions", CLAIM, "", "whether, and validated how")


def _external_words(facts: ReportFacts) -> str:
    """Which external sets were scored, as far as that is known."""
    sets = facts.sweep.external if facts.sweep else ()
    named = "; ".join(f"{each.name} ({each.source})" for each in sets)
    return f"scored, deciding nothing: {named}" if named else "an external set was scored"


def _open(environment: Mapping[str, Any]) -> Iterator[ChecklistItem]:
    packages = environment.get("packages") or {}
    versions = ", ".join(
        f"{name} {packages[name]}" for name in ("abl", "torch") if name in packages
    )
    yield ChecklistItem(
        "Software and hardware", CLAIM, f"{versions}; see the environment" if versions else ""
    )
    commit = (environment.get("git") or {}).get("commit")
    yield ChecklistItem(
        "Availability of code and data",
        BOTH,
        f"commit {commit[:12]}" if commit else "",
        "where code, weights and data can be had",
    )
    for topic, guideline, left in (
        ("Ethics approval and consent", BOTH, "board, number, consent or its waiver"),
        ("Registration and protocol", BOTH, "registry and number, or that there is none"),
        ("Funding and conflicts of interest", BOTH, "sources and roles"),
        ("Involvement of patients and the public", TRIPOD, "whether and how"),
        ("Limitations, and what follows for practice", BOTH, "beyond the weak points above"),
    ):
        yield ChecklistItem(topic, guideline, "", left)
