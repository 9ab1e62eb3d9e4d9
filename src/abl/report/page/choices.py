"""What of a sweep was chosen by predictions, and by which."""

from __future__ import annotations

import re
from collections.abc import Sequence

from abl.report.labels import metric_label
from abl.report.page.arm_settings import blocks_of, own_arms
from abl.report.page.report_facts import ReportFacts
from abl.report.page.setting_words import either

_SCORED = re.compile(r"validation_(.+)")


def choices(facts: ReportFacts, own: Sequence[str] | None = None) -> list[str]:
    """Every choice that was made, in words: what, by what, on which images.

    Args:
        own: What the outcome's study says of choices of its own; None if it is not at hand.
    """
    outcome, found = facts.outcome, list(own or ())
    if own is None:
        # a column of this name is there where a score on validation images chose
        names = {str(n) for arm in own_arms(outcome) for n in arm.replicates.columns}
        scores = sorted(match[1] for name in names if (match := _SCORED.fullmatch(name)))
        if scores:
            by = " and ".join(map(metric_label, scores))
            found.append(f"{outcome.curve_axis or 'the decision'} by {by} on validation")
    chosen = [row for row in outcome.facts.searches if row.get("chosen")]
    if chosen:
        metrics = dict.fromkeys(
            metric_label(str(each["metric"])) for row in chosen for each in row["objectives"]
        )
        many = "" if len(chosen) == 1 else f", {len(chosen)} searches"
        where = "of each split" if chosen[0].get("scope") == "by_split" else "of all replicates"
        said = f"the settings of tuned arms by {' and '.join(metrics)} on the validation images"
        found.append(f"{said} {where}{many}")
    if facts.sweep is not None:
        stops = [
            block["early_stop"]
            for block in blocks_of(facts.settings, "train")
            if isinstance(block.get("early_stop"), dict)
        ]
        if stops:
            what = either(
                "the epoch that predicts" if stop.get("restore_best") else "when training ends"
                for stop in stops
            )
            metric = either(f"{stop.get('metric')}" for stop in stops)
            found.append(f"{what} by {metric} on validation")
    return found


def choices_words(facts: ReportFacts, own: Sequence[str] | None = None) -> str:
    """The same as one sentence; `nothing` where all was given before."""
    return "; ".join(choices(facts, own)) or "nothing: every setting was given beforehand"
