"""What a paper on the sweep must report, and which of it the sweep itself answers.

Topics of two reporting guidelines, in our words: CLAIM, 2024 update (Tejani et al., Radiology:
Artificial Intelligence 2024; 6(4):e240300) and TRIPOD+AI (Collins et al., BMJ 2024; 385:e078378).
The guidelines themselves decide what is complete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from abl.decide.rules import RULES
from abl.plan.scored_part import as_scored
from abl.report.labels import cluster_word, counted
from abl.report.page.arm_settings import blocks_of
from abl.report.page.choices import choices_words
from abl.report.page.flow import sizes_words
from abl.report.page.protocol import (
    data_words,
    marked,
    metric_labels,
    network_words,
    primary_words,
    replicate_words,
    split_words,
)
from abl.report.page.report_facts import ReportFacts
from abl.report.page.setting_words import block_words, either, value_words
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


def checklist(
    facts: ReportFacts,
    environment: Mapping[str, Any],
    own_choices: Sequence[str] | None = None,
) -> list[ChecklistItem]:
    """Every topic, with what this sweep answers.

    Args:
        own_choices: What the outcome's study says of choices of its own.
    """
    items = [
        *_aims_and_data(facts),
        *_model(facts, own_choices),
        *_evaluation(facts),
        *_open(environment),
    ]
    part = facts.outcome.scored
    return [
        replace(
            item,
            topic=as_scored(item.topic, part),
            answer=as_scored(marked(item.answer, facts), part),
            left=as_scored(item.left, part),
        )
        for item in items
    ]


def _aims_and_data(facts: ReportFacts) -> Iterator[ChecklistItem]:
    sweep = facts.sweep
    external = sweep.external if sweep else ()
    # a set from elsewhere has patients, whatever the images of the sweep are
    is_generated = facts.generated and all(each.phantom or each.centre for each in external)

    def of_data(
        topic: str, guideline: str, left: str, generated: str, answer: str = ""
    ) -> ChecklistItem:
        """What generated data answer, or what real ones do and what is left then."""
        if is_generated:
            return ChecklistItem(topic, guideline, generated)
        return ChecklistItem(topic, guideline, answer, left)

    source = "; ".join([data_words(facts), *(f"{e.name}: {e.source}" for e in external)])
    image = block_words(blocks_of(facts.settings, "image"))
    selected, missing = _left_out(facts)
    question = facts.outcome.title or f"study {facts.outcome.study}"
    yield ChecklistItem("Aim, and the kind of study", BOTH, question, "intended use; hypotheses")
    left = "design, centres and dates of the collection"
    yield of_data("Prospective or retrospective; where and when", BOTH, left, "generated data")
    left = "who collected them, and under which licence"
    yield of_data("Source of the data", BOTH, left, source, source)
    topic, every = "Eligibility, and how cases were selected", "every generated case"
    yield of_data(topic, BOTH, "eligibility criteria", selected or every, selected)
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
    sizes = sizes_words(facts.data, facts.splits, facts.outcome.scored)
    yield ChecklistItem("Sample size", BOTH, sizes, "how it was arrived at")
    known = "classes by part: see Data" if facts.sizes else ""
    left = "age, sex, and other characteristics by split"
    yield ChecklistItem("Characteristics of the participants", BOTH, known, left)


def _left_out(facts: ReportFacts) -> tuple[str, str]:
    """Which rows of the source were left out, with counts; and those that lacked something."""
    lost = [row for part in facts.data for row in part.flow.get("left_out", ())]
    known = not facts.outcome.facts.patients_unknown
    told = [
        f"{row['why']}: {counted(row['images'], 'image')}"
        + (f" of {counted(row['patients'], 'patient')}" if known else "")
        + " left out"
        for row in lost
    ]
    told = list(dict.fromkeys(told))
    missing = "; ".join(each for each in told if each.startswith("no "))
    asked = [name for each in facts.settings for name in each["data"].get("drop_missing", ())]
    if asked and not missing:
        missing = f"rows without {', '.join(dict.fromkeys(asked))} are left out"
        missing += "; there were none" if any(part.flow for part in facts.data) else ""
    return "; ".join(told), missing


def _epochs_used(train: Mapping[str, Any]) -> str:
    """Which epochs of a training predict."""
    stop = train.get("early_stop")
    if isinstance(stop, dict) and stop.get("restore_best"):
        return f"the epoch with the best {stop.get('metric')} on validation"
    last = int(train.get("last_k", 1))
    return "the last epoch" if last == 1 else f"mean of the last {last} epochs"


def _model(facts: ReportFacts, own_choices: Sequence[str] | None) -> Iterator[ChecklistItem]:
    blocks = blocks_of(facts.settings, "train")
    splits = split_words(facts) if facts.settings else ""
    named = balance = weights = training = choice = ""
    if blocks:
        networks = dict.fromkeys(str(block["network"]) for block in blocks)
        named = network_words(facts) or ", ".join(networks)
        balance = f"training balanced by: {either(str(block['balance']) for block in blocks)}"
        started = either(value_words(block["weights"]) for block in blocks)
        weights = f"{started}; {counted(facts.seeds, 'seed')}"
        training = block_words(
            [
                {n: block[n] for n in (
                    "epochs", "batch_size", "optimizer", "schedule", "augment", "early_stop"
                )}
                for block in blocks
            ]
        )  # fmt: skip
        epochs = either(_epochs_used(block) for block in blocks)
        choice = f"predictions: {epochs}; chosen: {choices_words(facts, own_choices)}"
    elif facts.settings:
        named = training = "no arm of this sweep trained a network"
    rules = [RULES.get(str(arm.params.get("rule"))) for arm in facts.arms]
    several = any(rule is not None and len(rule.uses) > 1 for rule in rules)
    combined = "by rule: see the arms" if several else "none"
    ensembles = [row["name"] for row in facts.outcome.facts.external if row["how"] == "ensemble"]
    if ensembles:
        combined += f"; mean over replicates on external sets: {', '.join(ensembles)}"
    yield ChecklistItem("Division into training, validation and test", BOTH, splits)
    yield ChecklistItem("Class imbalance", TRIPOD, balance)
    yield ChecklistItem("The model: input, layers, output", BOTH, named, "why this architecture")
    yield ChecklistItem("Initial weights", CLAIM, weights)
    yield ChecklistItem("Training: optimizer, schedule, augmentation, epochs", BOTH, training)
    yield ChecklistItem("Choice of the final model and of thresholds", BOTH, choice)
    yield ChecklistItem("Combination of several networks", CLAIM, combined)


def _evaluation(facts: ReportFacts) -> Iterator[ChecklistItem]:
    outcome = facts.outcome
    metrics = f"{metric_labels(outcome.metrics)}; {primary_words(facts)}"
    tests = "Arms tested against their bases by the same model, corrected for number."
    word = cluster_word(outcome)
    uncertain = f"{replicate_words(facts)}; 95 % intervals over {word}s and, from three "
    uncertain += "trainings on, over trainings."
    controls = "controls among them" if facts.has_controls else "no controls among them"
    has = facts.drawn
    calibration = "reliability diagram with ECE" if "reliability" in has else ""
    if calibration and len(facts.classes) == 2:
        calibration += ", calibration slope and intercept"
    if "decision_curve" in has:
        calibration += "; net benefit by decision curve"
    shown = {"confusion": "confusion matrices", "risk_coverage": "risk and coverage"}
    errors = ", ".join(words for name, words in shown.items() if name in has)
    errors += "; counts by arm" if errors and not facts.scored.empty else ""
    external = "none was done"
    if facts.external:
        scored = [row for row in outcome.facts.external if "patients" in row]
        named = "; ".join(f"{row['name']} ({row['source']})" for row in scored)
        external = f"scored, deciding nothing: {named}" if named else "asked for, none was scored"
    yield ChecklistItem("Metrics, and which one decides", BOTH, metrics, "why these")
    uncertain += f" {tests}" if facts.compared else ""
    yield ChecklistItem("Uncertainty and tests", BOTH, uncertain)
    arms = f"{counted(len(outcome.arms), 'arm')}, {controls}"
    yield ChecklistItem("Ablation and sensitivity analyses", CLAIM, arms)
    seen = f"see the table. {readings_sentence(facts)}"
    yield ChecklistItem("Performance of the models with intervals", BOTH, seen)
    left = "" if calibration else "whether predicted probabilities are calibrated"
    yield ChecklistItem("Calibration", TRIPOD, calibration, left)
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
    git = environment.get("git")
    commit = git.get("commit") if isinstance(git, dict) else None
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
