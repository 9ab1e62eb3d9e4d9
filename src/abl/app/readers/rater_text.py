"""Each rater by itself, by class and by experience, as text."""

from __future__ import annotations

from collections.abc import Mapping

from abl.app.readers.layout import decimal_text, laid_out, wrapped_lines
from abl.app.readers.results import ReaderResults
from abl.app.readers.words import TITLES
from abl.decide.intervals import Interval
from abl.decide.readers.rater_summaries import RaterSummary
from abl.report.labels import counted

_LACKS: Mapping[str, str] = {"missing": "no answer", "missing_ratings": "no rating"}


def rater_lines(results: ReaderResults, width: int) -> list[str]:
    """Each rater by itself."""
    several = len(results.answers.treatments) > 1
    shown = [
        name
        for name in ("sen", "spe", "acc", "auc")
        if any(getattr(each, name) is not None for each in results.raters)
    ]
    lacks = [name for name in _LACKS if any(getattr(each, name) for each in results.raters)]
    counted_sides = [
        name
        for name in ("positives", "negatives")
        if any(getattr(each, name) is not None for each in results.raters)
    ]
    rows = []
    for each in results.raters:
        row = [each.reader + (f" ({each.experience})" if each.experience else "")]
        row += [each.treatment] if several else []
        row += [_interval(getattr(each, name)) for name in shown]
        row += [_right_of(each, name) for name in counted_sides]
        row += [str(getattr(each, name)) for name in lacks]
        rows.append(tuple(row))
    head = ["each rater", *(["treatment"] if several else []), *(TITLES[name] for name in shown)]
    head += [*counted_sides, *(_LACKS[name] for name in lacks)]
    lines = laid_out(tuple(head), rows, width, names=1 + several)
    if counted_sides:
        said = "Positives and negatives: right of those that were answered, or how many were rated."
        lines += wrapped_lines(said, width)
    return lines


def _right_of(each: RaterSummary, name: str) -> str:
    """How many answers of a class are right, and of how many; how many were rated of ratings."""
    read, right = getattr(each, name), each.tp if name == "positives" else each.tn
    if read is None:
        return "–"
    return f"{right} of {read}" if each.acc is not None else str(read)


def group_lines(results: ReaderResults, width: int) -> list[str]:
    """Readers of one experience together."""
    several = len(results.answers.treatments) > 1
    shown = [
        name
        for name in ("sen", "spe", "acc")
        if any(getattr(each, name) is not None for each in results.of_groups)
    ]
    rows = [
        (
            f"{each.group} ({counted(each.readers, 'reader')})",
            *([each.treatment] if several else []),
            *(_interval(getattr(each, name)) for name in shown),
        )
        for each in results.of_groups
    ]
    head = ["by experience", *(["treatment"] if several else [])]
    head += [TITLES[name] for name in shown]
    return laid_out(head, rows, width, names=1 + several)


def class_lines(results: ReaderResults, width: int) -> list[str]:
    """Each class of several against the rest, by rater."""
    several = len(results.answers.treatments) > 1
    rows = [
        (
            each.reader,
            *([each.treatment] if several else []),
            each.name,
            _interval(each.sen),
            _interval(each.spe),
        )
        for each in results.of_classes
    ]
    head = ["each class, against the rest", *(["treatment"] if several else []), "class"]
    return laid_out([*head, TITLES["sen"], TITLES["spe"]], rows, width, names=2 + several)


def _interval(found: Interval | None) -> str:
    if found is None:
        return "–"
    ends = f"[{decimal_text(found.low, 3)}, {decimal_text(found.high, 3)}]"
    return f"{decimal_text(found.estimate, 3)} {ends}"
