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
    metric_labels,
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
    """One thing to report: what the sweep answers, and what is left to the authors ("" if none)."""

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
    sweep = facts.sweep

    def of_data(
        topic: str, guideline: str, left: str, generated: str, answer: str = ""
    ) -> ChecklistItem:
        """What generated data answer, or what real ones do and what is left then."""
        if facts.generated:
            return ChecklistItem(topic, guideline, generated)
        return ChecklistItem(topic, guideline, answer, left)

    source = data_words(sweep) if sweep else ""
    image = settings_words(sweep.image) if sweep else ""
    selected = sweep and (sweep.data.where or sweep.data.drop_missing)
    dropped = ", ".join(sweep.data.drop_missing) if sweep else ""
    missing = f"rows without {dropped} left out and counted" if dropped else ""
    question = facts.outcome.title or f"study {facts.outcome.study}"
    yield ChecklistItem("Aim, and the kind of study", BOTH, question, "intended use; hypotheses")
    left = "design, centres and dates of the collection"
    yield of_data("Prospective or retrospective; where and when", BOTH, left, "generated data")
    left = "who collected them, and under which licence"
    yield of_data("Source of the data", BOTH, left, source, source)
    topic, kept = "Eligibility, and how cases were selected", source if selected else ""
    yield of_data(topic, BOTH, "eligibility criteria", "every generated case", kept)
    left = "what was done before the images entered the sweep"
    yield of_data("Preparation of the images", BOTH, left, image, image)
    nothing = "nothing is missing from generated data"
    yield of_data("Missing data", BOTH, "what else was missing, and why", nothing, missing)
    yield of_data("Removal of identifying details", CLAIM, "how it was done", "no persons")
    left = "scanners, probes, settings, operators"
    yield of_data("Acquisition: devices and protocol", CLAIM, left, "simulated")
    left = "definition, source, and annotators' training"
    with_class = "the class that each case was generated with"
    yield of_data("Reference standard, and who set it", BOTH, left, with_class)
    left = "variability within and between them"
    yield of_data("Agreement of those who set the reference", CLAIM, left, "no annotators")
    sizes = "; ".join(
        f"{size.role}: {size.patients} patients, {size.units} {facts.unit}s"
        for size in facts.sizes.values()
    )
    yield ChecklistItem("Sample size", BOTH, sizes, "how it was arrived at")
    known = "classes by split: see the data summary" if facts.sizes else ""
    left = "age, sex, and other characteristics by split"
    yield ChecklistItem("Characteristics of the participants", BOTH, known, left)


def _model(facts: ReportFacts) -> Iterator[ChecklistItem]:
    sweep, train = facts.sweep, facts.sweep.train if facts.sweep else None
    networks = {str(arm.params["network"]) for arm in facts.arms if "network" in arm.params}
    named = ", ".join(sorted(networks)) or (train.network if train else "")
    splits = balance = weights = training = choice = ""
    if sweep and train:
        splits, balance = split_words(sweep), f"training balanced by: {train.balance}"
        weights = f"{train.weights}; seeds: {facts.seeds}"
        training = (
            f"{train.epochs} epochs of batches of {train.batch_size}; "
            f"{settings_words(train.optimizer)}; schedule {settings_words(train.schedule)}; "
            f"augmentation {settings_words(train.augment)}"
        )
        by = metric_label(sweep.select_by or sweep.primary)
        choice = f"mean of the last {train.last_k} epochs; by {by} on validation"
    has_rule = any("rule" in arm.params for arm in facts.arms)
    combined = "by rule: see the arms" if has_rule else "none"
    yield ChecklistItem("Division into training, validation and test", BOTH, splits)
    yield ChecklistItem("Class imbalance", TRIPOD, balance)
    yield ChecklistItem("The model: input, layers, output", BOTH, named, "why this architecture")
    yield ChecklistItem("Initial weights", CLAIM, weights)
    yield ChecklistItem("Training: optimizer, schedule, augmentation, epochs", BOTH, training)
    yield ChecklistItem("Choice of the final model and of thresholds", BOTH, choice)
    yield ChecklistItem("Combination of several networks", CLAIM, combined)


def _evaluation(facts: ReportFacts) -> Iterator[ChecklistItem]:
    outcome = facts.outcome
    metrics = f"{metric_labels(outcome.metrics)}; {metric_label(outcome.primary)} decides"
    tests = "Arms tested against the base by permutation of patients, corrected for their number."
    uncertain = f"{replicate_words(facts)}; 95 % intervals by resampling patients."
    controls = "controls among them" if facts.has_controls else "no controls among them"
    calibration = errors = ""
    if facts.sizes.get("test"):
        calibration = "reliability diagram and ECE"
        errors = "confusion matrices, risk and coverage"
    external = "an external set was scored" if facts.external else "none was done"
    if facts.external and facts.sweep and facts.sweep.external:
        named = "; ".join(f"{each.name} ({each.source})" for each in facts.sweep.external)
        external = f"scored, deciding nothing: {named}"
    yield ChecklistItem("Metrics, and which one decides", BOTH, metrics, "why these")
    uncertain += f" {tests}" if facts.compared else ""
    yield ChecklistItem("Uncertainty and tests", BOTH, uncertain)
    arms = f"{len(outcome.arms)} arms, {controls}"
    yield ChecklistItem("Ablation and sensitivity analyses", CLAIM, arms)
    seen = f"see the table. {readings_sentence(facts)}"
    yield ChecklistItem("Performance of the models with intervals", BOTH, seen)
    yield ChecklistItem("Calibration", TRIPOD, calibration)
    topic, left = "Errors: how many, of which kind, and why", "review of single cases"
    yield ChecklistItem(topic, CLAIM, errors, left)
    yield ChecklistItem("Evaluation on external data", BOTH, external)
    yield ChecklistItem("Fairness: performance in subgroups", TRIPOD, "", "subgroups and results")
    yield ChecklistItem("Explanation of single decisions", CLAIM, "", "whether, and validated how")


def _open(environment: Mapping[str, Any]) -> Iterator[ChecklistItem]:
    packages = environment.get("packages") or {}
    named = [f"{name} {packages[name]}" for name in ("abl", "torch") if name in packages]
    versions = f"{', '.join(named)}; see the environment" if named else ""
    yield ChecklistItem("Software and hardware", CLAIM, versions)
    commit = (environment.get("git") or {}).get("commit")
    code, left = (
        f"commit {commit[:12]}" if commit else "",
        "where code, weights and data can be had",
    )
    yield ChecklistItem("Availability of code and data", BOTH, code, left)
    for topic, guideline, left in (
        ("Ethics approval and consent", BOTH, "board, number, consent or its waiver"),
        ("Registration and protocol", BOTH, "registry and number, or that there is none"),
        ("Funding and conflicts of interest", BOTH, "sources and roles"),
        ("Involvement of patients and the public", TRIPOD, "whether and how"),
        ("Limitations, and what follows for practice", BOTH, "beyond the weak points above"),
    ):
        yield ChecklistItem(topic, guideline, "", left)
