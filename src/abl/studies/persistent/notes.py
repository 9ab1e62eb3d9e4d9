"""What is said of a persistent sweep: its plan, its flags, and what is weak in it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from abl.plan.graph import Plan
from abl.record.store import Store
from abl.report.labels import counted, metric_label
from abl.report.page.report_facts import ReportFacts
from abl.stages.flag import FLAGGED
from abl.studies.persistent.findings import Findings
from abl.studies.persistent.options import BY_FLAGS, G_MEAN
from abl.studies.shared.activations import ACTIVATIONS

ABSENT_TABLES = {
    "baselines": "kept no logits of its epochs: give `train: {dynamics: true}` in the sweep file",
    "maps": "has no maps of flagged images: give `options: {maps: true}` in the sweep file; where "
    "no image is flagged there is nothing to compare",
    **dict.fromkeys(
        ("images", "networks", "features", "rare_features"),
        "has no arm that leaves nothing out, of which images are counted: give `excluded: none`",
    ),
}


def exclusion_notes(plan: Plan) -> list[str]:
    """What the arms without some images cost, of a plan."""
    flags = [stage for stage in plan.stages.values() if stage.kind == "flag"]
    if not flags:
        return []
    inner = {digest for stage in flags for digest in stage.inputs.values()}
    return [
        f"{counted(len(flags), 'flag stage')} read {counted(len(inner), 'inner training')}, inside "
        "the training parts: arms without flagged, random and matched images share them; "
        f"{counted(len(plan.stages) - len(inner) - len(flags), 'stage')} besides"
    ]


def finding_notes(found: Sequence[Findings], plan: Plan, store: Store) -> list[str]:
    """Sentences under the table."""
    notes = []
    for each in found:
        facts = each.facts
        of = f"{facts['data']}: " if len(found) > 1 else ""
        notes.append(
            f"{of}{facts['flagged']} of {counted(facts['images'], 'image')} are flagged"
            f"{_rule(facts)}; {_unseen(facts['unseen'])}."
        )
        expected = facts["expected"]
        notes.append(
            f"{of}Misclassified in more than {100 * facts['theta']:.0f} % of the test appearances: "
            f"{expected['flagged']}; expected with no label wrong {_number(expected['equal'])} if "
            f"all images were equally hard, {_number(expected['fitted'])} as difficulty differs "
            f"here (mean, 95 %); so hard in truth would be {_number(expected['truly'])}."
        )
        notes.append(
            f"{of}Leaving the flagged out of the test sets changes AUC by "
            f"{100 * facts['improvement']:+.1f} points on average: it rises by construction, and "
            "gets no verdict."
        )
        if "known" in facts:
            known = facts["known"]
            order = "none of them was tested"
            if not math.isnan(known["average_precision"]):
                order = (
                    f"average precision {known['average_precision']:.2f} by score, "
                    f"{known['by_share']:.2f} by the share of errors alone"
                )
            notes.append(
                f"{of}Known wrong labels: {100 * known['flipped']:.1f} % of the images; flags have "
                f"precision {_share(known['precision'])} and recall {_share(known['recall'])}; "
                f"{order}."
            )
    flagged = sum(int(each.facts["flagged"]) for each in found)
    if found and not flagged and plan.beside.get(ACTIVATIONS):
        notes.append("No image is flagged: no maps are compared.")
    return [*notes, *_inner_notes(plan, store)]


def _rule(facts: Mapping[str, Any]) -> str:
    if facts["posterior"] is not None:
        return (
            f": their error rate lies above {100 * facts['theta']:.0f} % with a probability over "
            f"{100 * facts['posterior']:.0f} %{_stop(facts['stopped'])}"
        )
    said = f": misclassified in more than {100 * facts['theta']:.0f} % of their test appearances"
    over, pooled = facts["expected"]["flagged"], facts["rule"]["pooled"]
    if pooled and facts["stopped"] == "cap" and over > facts["flagged"]:
        tested = facts["images"] - facts["unseen"]
        cap = f"{100 * facts['rule']['cap']:g} % of the {tested} tested"
        return f"{said} (the {over} that are would pass the cap, {cap}, so that none is taken)"
    return f"{said}{_stop(facts['stopped'])}"


def _number(expected: Mapping[str, Any]) -> str:
    return f"{expected['mean']:.1f} ({expected['low']} to {expected['high']})"


def _stop(why: str) -> str:
    said = {
        "floor": " (theta is at its floor)",
        "cap": " (more would pass the cap)",
        "kappa": " (where AUC without them has risen by kappa)",
    }
    return said.get(why, "")


def _unseen(count: int) -> str:
    return "each was tested" if not count else f"{counted(count, 'image')} in no test set: unknown"


def _share(value: float) -> str:
    return "unknown" if value != value else f"{100 * value:.0f} %"


def _inner_notes(plan: Plan, store: Store) -> list[str]:
    done = [
        found
        for digest, stage in plan.stages.items()
        if stage.kind == "flag" and (found := store.done(digest))
    ]
    if not done:
        return []
    facts = [each.facts for each in done]
    share = sum(each["flagged"] / each["images"] for each in facts) / len(facts)
    stops = Counter(str(each["stopped"]) for each in facts)
    fewer = sum(each["matched"] < each["flagged"] for each in facts)
    said = ", ".join(f"{word} in {count}" for word, count in sorted(stops.items()))
    notes = [
        f"Inner flags leave {100 * share:.1f} % of the training images out, mean over "
        f"{counted(len(facts), 'training part')}; theta ended by {said}."
    ]
    if fewer:
        notes.append(
            f"In {counted(fewer, 'training part')} a class has fewer images left than are flagged: "
            "matched leaves out fewer there."
        )
    return notes


def exclusion_weaknesses(facts: ReportFacts) -> tuple[str, ...]:
    """What is weak in a sweep by its options and arms."""
    found = []
    excluded = {str(arm.params.get("excluded", "")) for arm in facts.arms}
    if FLAGGED in excluded and not excluded & set(BY_FLAGS) - {FLAGGED}:
        found.append(
            "Flagged images leave the training parts without a control: leaving out as many at "
            "random, or as hard ones, may do the same."
        )
    return tuple(found)


def choices_made(facts: ReportFacts) -> tuple[str, ...]:
    """What was chosen by predictions, and on which images."""
    options = {} if facts.sweep is None else facts.sweep.options
    cutoff = options.get("cutoff", "gmean")
    found = []
    if cutoff != "half":
        by = metric_label(G_MEAN) if cutoff == "gmean" else facts.chooses_by
        where = "the test images, as the publication did"
        on = where if options.get("cutoff_on") == "test" else "validation"
        found.append(f"the cut-off of each training by {by} on {on}")
    if any(arm.params.get("excluded") in BY_FLAGS for arm in facts.arms):
        found.append("training images to leave out by an inner Monte Carlo in each training part")
    return tuple(found)
