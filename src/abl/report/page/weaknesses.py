"""What is weak in the protocol of a sweep, from its design, its data and its analysis."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from abl.data.tables.who_is_who import name_notes
from abl.decide.intervals import FEW_PATIENTS
from abl.plan.outcome import Outcome
from abl.plan.scored_part import as_scored_role
from abl.report.collapse import collapse_words
from abl.report.labels import counted, metric_label
from abl.report.named import words_of
from abl.report.page.arm_settings import blocks_of, own_arms
from abl.report.page.choices import choices
from abl.report.page.data_parts import DataPart, SplitSize
from abl.report.page.protocol import metric_labels
from abl.report.page.report_facts import ReportFacts
from abl.report.prediction_frames import one_class_note
from abl.report.tables.external_table import OF_PREVALENCE, prevalence_sentence

FEW_SEEDS = 3
FEW_OF_A_CLASS = 30
MOST_NAMED = 12
MOSTLY = 0.65  # share of one class in a test set
# shares of a class in two parts that differ by more than this are called different
PREVALENCE_GAP = 0.1


@dataclass(frozen=True)
class OwnWeaknesses:
    """What a study says of itself.

    Attributes:
        design: What is weak in a sweep by what this study alone does.
        choices: What it chose by predictions, by what, on which images; None if it does not say.
    """

    design: tuple[str, ...] = ()
    choices: tuple[str, ...] | None = None


def weaknesses(facts: ReportFacts, own: Sequence[str] = ()) -> list[str]:
    """What is weak in this sweep, a sentence or two each; `own` is what its study says of it."""
    return [*_of_the_design(facts, own), *_of_the_data(facts), *_of_the_analysis(facts)]


def readings_sentence(facts: ReportFacts) -> str:
    """How many times the test set was read, and what was decided by it."""
    arms, replicates = len(own_arms(facts.outcome)), len(facts.replicates)
    text = (
        f"The test set of a replicate was read once by each arm: {counted(arms, 'arm')} on "
        f"{counted(replicates, 'replicate')}, {counted(facts.test_reads, 'reading')} in all."
    )
    if facts.imported:
        text += (
            f" How often the makers of {counted(len(facts.imported), 'imported arm')} looked at "
            "these images is not known."
        )
    if any(arm.test_curve is not None for arm in facts.arms):
        text += " Curves over the tuned value were drawn on it too, in the exploratory appendix."
    by_test = [str(row["by_test"]) for row in facts.outcome.facts.departures if row["by_test"]]
    if by_test:
        return f"{text} Chosen by its labels, as published: {', '.join(by_test)}; see above."
    text += " No setting, epoch or threshold was chosen by it."
    if len(facts.arms) > 1:
        text += (
            " Which arm is called the best, and which of many arms a figure shows, was read off "
            "it: that is no choice to be reported as a result."
        )
    return text


def _of_the_design(facts: ReportFacts, own: Sequence[str]) -> Iterator[str]:
    if facts.splits == 1:
        yield "One split only: how much results depend on who fell into the test set is unknown."
    if facts.seeds == 1:
        yield (
            "1 seed: differences of initialisation and image order are not told from differences "
            "between arms; three or more would show them."
        )
    elif 0 < facts.seeds < FEW_SEEDS:
        yield (
            f"{counted(facts.seeds, 'seed')}: what seeds differ by is hardly known; three or more "
            "would make intervals narrower."
        )
    if not facts.external:
        yield "No external set: nothing is known of other centres, devices or times."
    kept = [str(block["by"]) for block in blocks_of(facts.settings, "splits")]
    kept = kept or [facts.outcome.facts.patients_by_split]
    for by in dict.fromkeys(kept):
        if by not in ("", "patient") and f"splits_by_{by}" not in facts.departures:
            yield (
                f"Splits are by {by}, not by patient{_some(kept)}: images of one patient may lie "
                "on two sides, which makes every result look better than it is."
            )
    looked = [str(block["duplicates"]) for block in blocks_of(facts.settings, "data")]
    if set(looked) - {"refuse"}:
        yield f"Near-duplicate images on two sides of a split were allowed{_some(looked)}."
    yield from own
    if len(facts.outcome.arms) > 1 and not facts.has_controls:
        yield (
            "No controls among the arms: a gain may come from more training, from averaging two "
            "networks or from capacity rather than from the mechanism under study."
        )
    failed = [arm for arm in facts.outcome.arms if arm.failed]
    if failed:
        yield f"{counted(len(failed), 'arm')} failed: the comparison is incomplete."


def _some(values: Sequence[str]) -> str:
    """` for some arms`, where not all have the same."""
    return " for some arms" if len(set(values)) > 1 else ""


def _of_a_part(facts: ReportFacts, part: DataPart) -> Iterator[str]:
    where = f" of {part.name}" if part.name else ""
    # of splits that are not all known nothing is said of all
    of = "in all" if part.splits >= facts.splits else "in the first split"
    scored = facts.outcome.scored
    for role in ("validation", "test"):
        size = part.sizes.get(role)
        if size is not None and size.patients < FEW_PATIENTS:
            what = "choices are noisy" if role == "validation" else "intervals are wide"
            if role == "validation" and not choices(facts):
                what = "what is read off them is noisy"
            yield (
                f"Fewer than {FEW_PATIENTS} {part.cluster}s in the {as_scored_role(role, scored)} "
                f"sets{where} "
                f"({size.patients} {of}): {what}."
            )
    test = part.sizes.get("test")
    if test is not None and test.by_class and min(test.by_class) < FEW_OF_A_CLASS:
        share = "sensitivity or specificity" if len(test.by_class) == 2 else "what is found of it"
        yield (
            f"A test set{where} holds about {min(test.by_class):.0f} {part.unit}s of its smallest "
            f"class: each of them moves {share} by "
            f"{100 / max(min(test.by_class), 1):.0f} points."
        )
    gap = _largest_gap(list(part.sizes.values()))
    if gap is not None:
        one, other, at = gap
        name = facts.classes[at] if at < len(facts.classes) else f"class {at}"
        yield (
            f"Prevalence differs between the parts{where}: {name} {100 * one.shares[at]:.0f} % in "
            f"{as_scored_role(one.role, scored)}, {100 * other.shares[at]:.0f} % in "
            f"{as_scored_role(other.role, scored)}."
        )


def _of_the_data(facts: ReportFacts) -> Iterator[str]:
    if facts.generated:
        yield "The images are generated: they show how a method behaves, and nothing of patients."
    if facts.outcome.facts.patients_unknown:
        alone = " without a group" if facts.outcome.facts.clusters == "group" else ""
        yield (
            f"Patients are unknown: each image{alone} counts as a patient of its own, so that "
            "images of one person may lie on two sides of a split, and intervals and P are too "
            "sure."
        )
    if facts.outcome.facts.clusters == "group":
        yield (
            "Images of a group (column group) were kept on one side and resampled together; groups "
            "are not patients, whose number is not known by them."
        )
    yield from name_notes(facts.outcome.notes)
    for part in facts.data:
        yield from _of_a_part(facts, part)
    test = facts.sizes.get("test")
    if said := prevalence_sentence(facts.outcome.facts.external, facts.outcome.metrics):
        yield said
    if test is not None and facts.outcome.primary in OF_PREVALENCE and max(test.shares) > MOSTLY:
        yield _of_prevalence(facts, test.shares)


def _of_prevalence(facts: ReportFacts, shares: Sequence[float]) -> str:
    """What a primary metric tells where a test set is mostly of one class."""
    primary, most = facts.outcome.primary, max(range(len(shares)), key=lambda at: shares[at])
    said = f"{metric_label(primary)} is the primary metric, and depends on prevalence: with "
    if len(facts.classes) != 2 or primary == "acc":
        return f"{said}{100 * shares[most]:.0f} % of one class it mostly reflects that class."
    said += f"{100 * shares[1]:.0f} % {facts.classes[1]} "
    if primary == "f1" and most == 1:
        also = ", and so does ACC" if "acc" in facts.outcome.metrics else ""
        return f"{said}it mostly reflects sensitivity{also}."
    return (
        f"{said}its value is one of this test set; at another prevalence the same network has "
        "another."
    )


def _of_the_analysis(facts: ReportFacts) -> Iterator[str]:
    arms = len(facts.arms)
    if arms > 1:
        yield (
            f"The best of {arms} arms is the best on these test sets: its value is optimistic, "
            "and would be lower on new data."
        )
    if arms > 1 and not facts.compared:
        yield "No base is declared: arms are not tested against one another."
    if facts.compared and facts.sweep is not None and facts.sweep.margin is None:
        yield "No margin is declared: equivalence of two arms cannot be shown, only difference."
    searches = facts.outcome.facts.searches
    tuned = sum(arm.params.get("settings") == "tuned" for arm in facts.arms)
    if tuned > 1 and any(row.get("each_arm") is False for row in searches):
        yield (
            "Settings were tuned for one arm and given to the others: tuned arms are not compared "
            "fairly."
        )
    yield from _of_the_predictions(facts.outcome)
    cells = [(name, cell) for arm in facts.arms for name, cell in arm.cells.items()]
    undefined = {name for name, cell in cells if cell.undefined}
    if named := metric_labels(name for name in facts.outcome.metrics if name in undefined):
        yield f"Undefined in some replicates: {named}; means leave these out."


def _of_the_predictions(outcome: Outcome) -> Iterator[str]:
    """Arms that call everything one class, that collapsed, or that used labels of the test set."""
    named = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    done = [(named[arm.key], one_class_note(outcome, arm)) for arm in outcome.arms]
    if found := [f"{name} ({said})" for name, said in done if said]:
        yield (
            f"Networks that call every {outcome.facts.unit or 'case'} of a test set one class, so "
            f"that no share of them says that they learned anything: {_some_of(found)}."
        )
    for arm in outcome.arms:
        for row in outcome.facts.collapsed.get(arm.key, ()):
            said = collapse_words(outcome, arm, row).removeprefix("warning: ")
            yield f"{named[arm.key]}: {said}."
    by_reason: dict[str, list[str]] = {}
    for key, why in outcome.facts.controls.items():
        by_reason.setdefault(why, []).append(named.get(key, key[:8]))
    for why, arms in by_reason.items():
        yield f"Controls, which are never the best arm: {_some_of(arms)}; {why}."


def _some_of(names: Sequence[str]) -> str:
    more = f"; and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return "; ".join(names[:MOST_NAMED]) + more


def _largest_gap(sizes: list[SplitSize]) -> tuple[SplitSize, SplitSize, int] | None:
    """The two parts, and the class, whose shares differ most; None if none by PREVALENCE_GAP."""
    gaps = [
        (abs(one.shares[at] - other.shares[at]), one, other, at)
        for one, other in combinations(sizes, 2)
        for at in range(min(len(one.shares), len(other.shares)))
    ]
    widest = max(gaps, key=lambda gap: (gap[0], gap[3]), default=None)
    return None if widest is None or widest[0] < PREVALENCE_GAP else widest[1:]
