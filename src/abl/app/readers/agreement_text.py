"""Two raters at a time, and how far readers agree, as text."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from abl.app.readers.layout import decimal_text, laid_out, p_words, wrapped_lines
from abl.app.readers.results import ReaderResults
from abl.app.readers.words import TITLES
from abl.decide.agreement import agreement_band
from abl.decide.intervals import Interval
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.krippendorff import MOST_LEVELS
from abl.decide.readers.rater_pairs import RaterPair
from abl.decide.readers.resampled_sums import LEAST_PATIENTS
from abl.report.labels import counted

MOST_PAIRS = 15  # of readers, beyond which only pairs with an algorithm are printed
_NAMES: Mapping[str, str] = {
    "fleiss": "Fleiss' kappa",
    "ac1": "Gwet's AC1",
    "alpha_nominal": "alpha, nominal",
    "alpha_classes": "alpha, ordinal, of classes",
    "alpha_ordinal": "alpha, ordinal",
    "alpha_interval": "alpha, interval",
}


def agreement_tables(results: ReaderResults, width: int) -> list[list[str]]:
    """Parts, each the lines of one table."""
    shown = [
        each
        for each in results.pairs
        if {each.first, each.second} & set(results.algorithms) or len(results.pairs) <= MOST_PAIRS
    ]
    parts = [_differences(results, shown, width), _kappas(results, shown, width)]
    parts += [_groups(results, width), _sessions(results, width)]
    if hidden := len(results.pairs) - len(shown):
        parts.append([f"{hidden} pairs of readers are in --json alone."])
    parts.append(_gaps(results, width))
    return [part for part in parts if part]


def _gaps(results: ReaderResults, width: int) -> list[str]:
    """Why some coefficients or their intervals are not there."""
    kappas = [each.kappa for each in results.pairs] + [each.kappa for each in results.sessions]
    found = [each for each in kappas if each is not None]
    found += [one for each in results.groups for one in each.coefficients.values()]
    said = []
    if any(math.isnan(each.estimate) for each in found):
        said.append(
            "Undefined: all answers are one, or there are none of the same cases; ordinal alpha "
            f"also of more than {MOST_LEVELS} distinct ratings."
        )
    if any(math.isnan(each.low) and not math.isnan(each.estimate) for each in found):
        said.append(f"No interval of fewer than {LEAST_PATIENTS} patients.")
    return [line for each in said for line in wrapped_lines(each, width)]


def _named(results: ReaderResults, each: RaterPair) -> str:
    under = f" ({each.treatment})" if len(results.answers.treatments) > 1 else ""
    return f"{each.first} - {each.second}{under}"


def _differences(results: ReaderResults, pairs: Sequence[RaterPair], width: int) -> list[str]:
    answered = [each for each in pairs if each.acc is not None]
    apart = _apart_on_cases(results, pairs, width)
    if not answered:
        return apart
    shown = [
        name
        for name in ("sen", "spe", "acc")
        if any(getattr(each, name) is not None for each in answered)
    ]
    rows = [
        (_named(results, each), *(_apart(getattr(each, name)) for name in shown))
        for each in answered
    ]
    said = "Two raters on the cases that both read, P by GEE over patients, not corrected for "
    said += f"{counted(len(rows), 'pair')}:"
    head = ("difference (P)", *(TITLES[name] for name in shown))
    return [*wrapped_lines(said, width), *laid_out(head, rows, width), *apart]


def _apart_on_cases(results: ReaderResults, pairs: Sequence[RaterPair], width: int) -> list[str]:
    """Pairs that answered, and none of the same cases."""
    answers = results.answers.of_first_session().frame
    answers = answers[answers["answer"].notna().to_numpy()]
    there = set(zip(answers["treatment"], answers["reader"], strict=True))
    found = [
        _named(results, each)
        for each in pairs
        if not each.cases and {(each.treatment, each.first), (each.treatment, each.second)} <= there
    ]
    if not found:
        return []
    names = ", ".join(found[:5]) + (", ..." if len(found) > 5 else "")
    said = f"Not compared, as they read none of the same cases: {counted(len(found), 'pair')} "
    return wrapped_lines(f"{said}({names}).", width)


def _apart(found: ReaderContrast | None) -> str:
    if found is None:
        return "–"
    if found.why:
        return f"{decimal_text(found.estimate, 3)} (no P)"
    return f"{decimal_text(found.estimate, 3)} ({p_words(found.p)})"


def _kappas(results: ReaderResults, pairs: Sequence[RaterPair], width: int) -> list[str]:
    weighted = any(each.weighted is not None for each in pairs)
    rows = [
        (_named(results, each).replace(" - ", ", "), f"{each.same} of {each.cases}",
         *_shown(each.kappa), *(_shown(each.weighted)[:2] if weighted else ()))
        for each in pairs
        if each.kappa is not None
    ]  # fmt: skip
    if not rows:
        return []
    head = ["Cohen's kappa", "agree", "kappa", "95 % interval", ""]
    head += ["weighted", "95 % interval"] if weighted else []
    return laid_out(head, rows, width)


def _groups(results: ReaderResults, width: int) -> list[str]:
    several = len(results.answers.treatments) > 1
    rows = []
    for each in results.groups:
        who = f"{len(each.readers)} {each.group or 'readers'}"
        who += f" ({each.treatment})" if several else ""
        rows += [(who, _NAMES[name], *_shown(found)) for name, found in each.coefficients.items()]
    if not rows:
        return []
    head = ("agreement of", "", "value", "95 % interval", "")
    return laid_out(head, rows, width, names=2)


def _sessions(results: ReaderResults, width: int) -> list[str]:
    rows = []
    for each in results.sessions:
        who = f"{each.reader}, {' and '.join(each.sessions)}"
        if each.kappa is not None:
            name = f"kappa ({each.same} of {each.cases} agree)"
            rows.append((who, name, *_shown(each.kappa)))
        if each.weighted is not None:
            rows.append((who, "kappa, weighted", *_shown(each.weighted)))
        if each.alpha is not None:
            rows.append((who, f"alpha, ordinal ({each.cases} cases)", *_shown(each.alpha)))
    if not rows:
        return []
    head = ("within readers", "", "value", "95 % interval", "")
    return laid_out(head, rows, width, names=2)


def _shown(found: Interval | None) -> tuple[str, str, str]:
    if found is None or found.estimate != found.estimate:
        return "–", "undefined", ""
    ends = "none"
    if not math.isnan(found.low):
        ends = f"{decimal_text(found.low, 3)} to {decimal_text(found.high, 3)}"
    return decimal_text(found.estimate, 3), ends, agreement_band(found.estimate)
