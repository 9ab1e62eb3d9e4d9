"""What is said of an ensembles sweep under its table and in its report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from abl.decide.metric_names import metric_named
from abl.plan.graph import Plan
from abl.plan.outcome import Outcome
from abl.report.labels import counted, label_in
from abl.report.named import words_of
from abl.report.numbers import MINUS, scale_of
from abl.report.page.report_facts import ReportFacts
from abl.stages.combine import MEAN
from abl.studies.ensembles.found import ArmPlace
from abl.studies.ensembles.options import Options
from abl.studies.ensembles.sets import CHOSEN, candidate_names, sets_of, written
from abl.studies.shared.departure import NO_VALIDATION, SPLITS_BY_IMAGE, Departure

# Lee et al., Sci. Rep. 2019
DEPARTURES = (
    Departure(
        "panel_chosen_on_test",
        "options: {panel: ...}",
        "The panel (which layer of which network, fine-tuned or not) was chosen by results on the "
        "very test images: the best of many on a test set is better than it will be elsewhere.",
        lambda arm, sweep: True,
        by_test="the panel",
        declared=True,
    ),
    NO_VALIDATION,
    SPLITS_BY_IMAGE,
)


def trainings_asked(plan: Plan) -> int:
    """Trainings if each arm on each replicate had networks of its own."""
    behind: dict[str, frozenset[str]] = {}
    for digest, stage in plan.stages.items():  # inputs come before what reads them
        of = [behind[each] for each in stage.inputs.values()]
        own = {digest} if stage.kind == "train" else set()
        behind[digest] = frozenset(own).union(*of)
    return sum(len(behind[digest]) for cell in plan.cells for digest in cell.uses.values())


def seedless_notes(plan: Plan) -> list[str]:
    """What seeds do not change."""
    if len({each.seed for each in plan.replicates}) < 2:
        return []
    still = {
        str(stage.settings["classifier"])
        for stage in plan.stages.values()
        if stage.kind == "fit" and stage.seed is None
    }
    if not still:
        return []
    return [
        f"{', '.join(sorted(still))}: nothing is drawn, so that all seeds of a split share one fit "
        "unless its features are fine-tuned; verdicts on it are about the fits at hand"
    ]


def optimism_notes(outcome: Outcome, arms: Sequence[ArmPlace], options: Options) -> list[str]:
    """How much better the best on the test sets is than what was chosen without them.

    The best of those that it was chosen among, as far as they are arms of the table.
    """
    primary = outcome.primary
    sign = -1.0 if metric_named(primary).higher_is_better is False else 1.0
    named = [
        each for each in arms if CHOSEN not in (each.params["networks"], each.params["classifier"])
    ]
    notes = []
    for each in arms:
        value, word = str(each.params["networks"]), str(each.params["classifier"])
        if CHOSEN not in (value, word):
            continue
        candidates = set(candidate_names(value, word, options))
        others = [
            one
            for one in named
            if one.others == each.others
            and str(one.params.get("ensemble", MEAN)) == MEAN
            and _name_of(one, options) in candidates
            and not np.isnan(one.row.cells[primary].mean)
        ]
        own = each.row.cells[primary].mean
        if not others or np.isnan(own):
            continue
        best = max(others, key=lambda one: sign * one.row.cells[primary].mean)
        top = best.row.cells[primary].mean
        scale = scale_of(primary, [own, top], per_cent=outcome.facts.table.per_cent)
        notes.append(
            f"{words_of(each.row, outcome)}: {label_in(outcome, primary)} {scale.number(own)} by a "
            f"choice on validation images in each replicate; the best of {len(others)} on the test "
            f"sets themselves ({words_of(best.row, outcome)}) has {scale.number(top)}: "
            f"{_optimism(scale.number(sign * (top - own)))}."
        )
    return notes


def _optimism(apart: str) -> str:
    """How much better the best on test is, a number as it is shown."""
    if apart.startswith(MINUS):
        return f"no optimism, the choice in each replicate is better by {apart.removeprefix(MINUS)}"
    return f"{apart} of optimism" if apart.strip("0.") else "no optimism, the choice is as good"


def _name_of(arm: ArmPlace, options: Options) -> tuple[str, str]:
    """Networks and classifier of an arm, written as those of a candidate are."""
    value = str(arm.params["networks"])
    return written(sets_of(value, tuple(options.panel))), str(arm.params["classifier"])


def choice_notes(rows: Sequence[dict[str, Any]], outcome: Outcome) -> list[str]:
    """How often which combination was chosen."""
    titles = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
    notes = []
    for key in dict.fromkeys(row["arm"] for row in rows):
        of_arm = [row for row in rows if row["arm"] == key]
        counts = Counter(f"[{row['networks']}] {row['classifier']}" for row in of_arm)
        most, times = counts.most_common(1)[0]
        notes.append(
            f"{titles[key]}: {counted(len(counts), 'choice')} in {len(of_arm)} replicates, "
            f"{most} in {times}."
        )
    return notes


def gain_notes(rows: Sequence[dict[str, Any]], outcome: Outcome) -> list[str]:
    """How many combinations are better than their best network, and how many surely."""
    primary = [row for row in rows if row["metric"] == outcome.primary]
    if not primary:
        return []
    below = sum(row["ratio"] < 1 for row in primary)
    sure = sum(row["low"] > 0 for row in primary)
    corrected = sum(row.get("p_corrected", 1.0) < 0.05 and row["difference"] > 0 for row in primary)
    return [
        f"{counted(len(primary), 'combination')} against the best of its networks alone, by "
        f"{label_in(outcome, outcome.primary)}: {below} below 1, {sure} with an interval above 0, "
        f"{corrected} after correction over all; see --show j."
    ]


def weak_points(facts: ReportFacts) -> tuple[str, ...]:
    """What is weak in a sweep by its arms."""
    chosen = any(
        CHOSEN in (arm.params.get("networks"), arm.params.get("classifier")) for arm in facts.arms
    )
    sets = {str(arm.params.get("networks", "")) for arm in facts.arms}
    if len(sets) > 10 and not chosen:
        return (
            "Many combinations stand in the table and none is chosen without the test images: the "
            "best of them is optimistic. `networks: chosen` shows by how much.",
        )
    return ()


def ensemble_choices(facts: ReportFacts) -> tuple[str, ...]:
    """What was chosen by predictions, and on which images."""
    found = []
    if any(
        CHOSEN in (arm.params.get("networks"), arm.params.get("classifier")) for arm in facts.arms
    ):
        found.append("the combination of networks and classifier on validation images")
    ensembles = {arm.params.get("ensemble") for arm in facts.arms}
    if "weighted" in ensembles:
        found.append("weights of an ensemble on validation images")
    if "stacked" in ensembles:
        found.append("coefficients of stacking by out-of-fold predictions in each training part")
    return tuple(found)
