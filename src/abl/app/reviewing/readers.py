"""Several readers: how far they agree, and what becomes of images on which they do not."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from abl.app.reviewing.answers import Answer
from abl.app.reviewing.sheet import KEEP, RELABEL, UNSURE
from abl.decide.agreement import cohen_kappa
from abl.decide.readers.resampled_sums import LEAST_PATIENTS
from abl.report.labels import counted

NAMELESS = "a reader without a name"
LEAST_SHARED = 2  # images of two readers without which kappa says nothing


@dataclass(frozen=True)
class Ruling:
    """What is done with an image.

    Attributes:
        new_label: Position of the class, with relabel alone.
        readers: Who decided, separated by commas.
        cause: What they name as the cause, separated by semicolons.
        disputed: Whether they did not agree.
    """

    decision: str
    new_label: int | None
    readers: str
    cause: str
    disputed: bool


def by_image(answers: Sequence[Answer]) -> dict[str, list[Answer]]:
    """Image -> its answers, in the order of their readers."""
    found: dict[str, list[Answer]] = {}
    for answer in answers:
        found.setdefault(answer.image, []).append(answer)
    return found


def rulings(answers: Sequence[Answer], resolve: str) -> dict[str, Ruling]:
    """Image -> what is done with it.

    Args:
        resolve: What holds where readers disagree: unsure, first (the first one's word), keep.
    """
    found = {}
    for image, given in by_image(answers).items():
        first = given[0].verdict
        disputed = any(each.verdict != first for each in given)
        if disputed and resolve != "first":
            first = (KEEP if resolve == KEEP else UNSURE, None)
        names = ", ".join(each.reader for each in given if each.reader)
        causes = dict.fromkeys(each.cause for each in given if each.cause)
        found[image] = Ruling(*first, names, "; ".join(causes), disputed)
    return found


def agreement_lines(
    answers: Sequence[Answer], patients: Mapping[str, str], classes: Sequence[str]
) -> list[str]:
    """How far each two readers agree, on images that both decided on, a line each.

    Cohen's kappa is over decisions, of which each new label is one; its interval is a bootstrap
    over patients.

    Args:
        patients: Image -> what intervals resample.
    """
    of_reader: dict[str, dict[str, str]] = {}
    for answer in answers:
        words = verdict_words(answer.decision, answer.new_label, classes)
        of_reader.setdefault(answer.reader, {})[answer.image] = words
    lines = []
    for one, other in itertools.combinations(of_reader, 2):
        shared = [image for image in of_reader[one] if image in of_reader[other]]
        names = f"{one or NAMELESS} and {other or NAMELESS}"
        if len(shared) < LEAST_SHARED:
            lines.append(f"{names}: {counted(len(shared), 'image')} that both decided on")
            continue
        first, second = ([of_reader[name][image] for image in shared] for name in (one, other))
        same = sum(a == b for a, b in zip(first, second, strict=True))
        whose = [patients[image] for image in shared]
        kappa = cohen_kappa(first, second, patients=whose)
        told = f"{names}: agree on {same} of {counted(len(shared), 'image')}"
        if math.isnan(kappa.estimate):
            lines.append(f"{told}; kappa is undefined where all decisions are one")
            continue
        ends = f" (95 % interval {kappa.low:.2f} to {kappa.high:.2f})"
        if math.isnan(kappa.low):
            of = counted(len(set(whose)), "patient")
            ends = f" ({of}: no interval under {LEAST_PATIENTS})"
        lines.append(f"{told}; Cohen's kappa {kappa.estimate:.2f}{ends}")
    return lines


def verdict_words(decision: str, new_label: int | None, classes: Sequence[str]) -> str:
    """A decision in words, with its new label."""
    if decision == RELABEL and new_label is not None:
        return f"{RELABEL}: {classes[new_label]}"
    return decision
