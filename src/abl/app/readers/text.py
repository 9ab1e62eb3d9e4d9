"""What `abl readers` prints, within the terminal's width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from abl.app.readers.agreement_text import agreement_tables
from abl.app.readers.asked import ReadersAsked
from abl.app.readers.layout import decimal_text, laid_out, p_words, spread_words, wrapped_lines
from abl.app.readers.rater_text import class_lines, group_lines, rater_lines
from abl.app.readers.results import ReaderResults
from abl.app.readers.sizes import size_lines
from abl.app.readers.words import (
    FLOORED,
    REACH,
    TITLES,
    algorithm_verdict,
    treatment_verdict,
)
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.contrast_tests import ContrastTests, contrast_tests
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.error_squares import EFFECTS, Effects
from abl.decide.readers.obuchowski_rockette import TreatmentTest
from abl.decide.readers.reader_study import (
    AlgorithmComparison,
    TreatmentComparison,
    algorithm_tests,
)
from abl.report.labels import counted

NARROWEST = 60


def readers_text(results: ReaderResults, asked: ReadersAsked, width: int) -> str:
    """Design, comparisons over readers and cases, each reader, notes."""
    width = max(width, NARROWEST)
    lines = [*_opening(results, width), ""]
    for comparison in results.comparisons:
        lines += [*_comparison(comparison, asked, width), ""]
    tests = algorithm_tests(results.against, asked.margin)
    for against, of_it in zip(results.against, tests, strict=True):
        lines += [*_against(against, of_it, asked, width), ""]
    for size in results.sizes:
        lines += [*size_lines(size, asked, width), ""]
    if results.raters:
        lines += [*rater_lines(results, width), ""]
    if results.of_classes:
        lines += [*class_lines(results, width), ""]
    if results.of_groups:
        lines += [*group_lines(results, width), ""]
    lines += [line for part in agreement_tables(results, width) for line in [*part, ""]]
    lines += [line for note in results.notes for line in wrapped_lines(note, width)]
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _opening(results: ReaderResults, width: int) -> list[str]:
    answers = results.answers
    known = answers.truth_of()
    readers = [name for name in answers.readers if name not in results.algorithms]
    parts = [counted(len(readers), "reader")]
    if results.algorithms:
        parts.append(counted(len(results.algorithms), "algorithm"))
    named = [each for each in answers.treatments if each]  # arms of a sweep stand in none
    if len(named) > 1:
        parts.append(f"{len(named)} treatments ({', '.join(named)})")
    cases = counted(len(known), "case")
    if answers.has_truth:
        cases += f" ({_by_class(answers)})"
    if (patients := known["patient"].nunique()) < len(known):
        cases += f" of {counted(patients, 'patient')}"
    if len(answers.sessions) > 1:
        parts.append(f"{len(answers.sessions)} sessions, of which the first is compared")
    return wrapped_lines(", ".join([*parts, cases]) + ".", width)


def _by_class(answers: ReaderAnswers) -> str:
    """How many cases are positive; of more than two classes, of each."""
    truth = answers.truth_of()["truth"]
    if len(answers.classes) == 2:
        positive = "positive" if answers.classes[1] == "1" else answers.classes[1]
        return f"{int((truth == 1).sum())} {positive}"
    counts = [f"{int((truth == at).sum())} {name}" for at, name in enumerate(answers.classes)]
    return ", ".join(counts)


def _comparison(found: TreatmentComparison, asked: ReadersAsked, width: int) -> list[str]:
    effects = asked.effects
    analysis = found.analyses[effects]
    title = TITLES[found.estimates.statistic]
    said = f"{title} for {REACH[effects]}; covariance {found.estimates.method}"
    lines = wrapped_lines(f"{said}; means on the {asked.scale} scale", width)
    lines += wrapped_lines(_design(found), width, "  ")
    one = len(analysis.treatments) == 1
    means = [
        (
            "mean of readers" if one else each.name,
            decimal_text(each.estimate, 4),
            spread_words(each, 4),
        )
        for each in analysis.treatments
    ]
    lines += laid_out(("treatment", "mean", "95 % interval"), means, width, right=(1,))
    if one:
        return lines + _without_interval({effects: analysis.treatments}, width)
    tests = contrast_tests(analysis.differences, asked.margin)
    lines += ["", *_pairs(analysis.differences, tests, asked, width)]
    lines += ["", *_by_what_is_random(found, width)]
    differences = {each: one.differences for each, one in found.analyses.items()}
    lines += _without_interval(differences, width)
    for each, test in zip(analysis.differences, tests, strict=True):
        lines += wrapped_lines(treatment_verdict(each, asked.margin, effects, test), width)
    if found.of_readers:
        lines += ["", *_each(found.of_readers, width)]
        if tests[0].corrected:
            said = f"P of each reader alone, not corrected for {len(found.of_readers)} differences."
            lines += wrapped_lines(said, width)
    return lines


def _pairs(
    differences: Sequence[ReaderContrast],
    tests: Sequence[ContrastTests],
    asked: ReadersAsked,
    width: int,
) -> list[str]:
    """Every two treatments, or each and the base; of several with P corrected over them, and a note
    of that.
    """
    several = tests[0].corrected
    rows = [
        (
            each.name,
            decimal_text(each.estimate, 4),
            spread_words(each, 4),
            _t(each),
            p_words(each.p),
            *([p_words(test.p)] if several else []),
        )
        for each, test in zip(differences, tests, strict=True)
    ]
    head = ["difference", "", "95 % interval", "t (df)", "P", *(["P, Holm"] if several else [])]
    lines = laid_out(head, rows, width, right=(1,))
    if several:
        of = "pairs" if asked.base is None else f"differences to {asked.base}"
        said = _holm_words(f"{tests[0].family} {of}", asked.margin)
        lines += wrapped_lines(f"{said} Each interval is that of its pair alone.", width)
    return lines


def _holm_words(family: str, margin: float | None) -> str:
    one_sided = ", as is the one-sided P" if margin is not None else ""
    return f"P, Holm: corrected over {family}{one_sided}; verdicts go by it."


def _by_what_is_random(found: TreatmentComparison, width: int) -> list[str]:
    rows = []
    for effects in EFFECTS:
        analysis = found.analyses[effects]
        test = analysis.test
        rows.append((REACH[effects], _test(test), p_words(test.p)))
    return laid_out(("for", "all treatments equal", "P"), rows, width)


def _without_interval(
    analyses: Mapping[Effects, Sequence[ReaderContrast]], width: int
) -> list[str]:
    """Why some values have no interval, each reason once, and where the error is a floor."""
    reasons: dict[str, list[str]] = {}
    for effects, found in analyses.items():
        for each in found:
            if each.why:
                reasons.setdefault(each.why, []).append(REACH[effects])
    said = [
        f"No interval for {' or for '.join(dict.fromkeys(kinds))}: {why}."
        for why, kinds in reasons.items()
    ]
    if any(each.floored for found in analyses.values() for each in found):
        said.append(FLOORED)
    return [line for each in said for line in wrapped_lines(each, width)]


def _design(found: TreatmentComparison | AlgorithmComparison) -> str:
    estimates, readings = found.estimates, found.readings
    used = {"sen": estimates.positives, "spe": estimates.negatives}.get(estimates.statistic)
    cases = counted(len(readings.compared), "case")
    if used is not None:
        cases = f"{used} of {cases}"
    elif estimates.statistic == "auc":
        cases += f" ({estimates.positives} positive)"
    lost = f"; {counted(readings.left_out, 'case')} without an answer of each left out"
    clusters = "; patients with several cases are one unit" if estimates.clustered else ""
    return f"{readings.design}; {cases}{lost if readings.left_out else ''}{clusters}."


def _against(
    found: AlgorithmComparison,
    tests: Mapping[Effects, ContrastTests],
    asked: ReadersAsked,
    width: int,
) -> list[str]:
    """An algorithm and the readers; of several algorithms with P corrected over them."""
    effects = asked.effects
    analysis = found.analyses[effects]
    title = f"{TITLES[found.estimates.statistic]}: {found.algorithm} against readers"
    title += f" ({found.treatment})" if found.treatment else ""
    title += f"; covariance {found.estimates.method}; values on the {asked.scale} scale"
    lines = wrapped_lines(title, width)
    lines += wrapped_lines(_design(found), width, "  ")
    rows = [
        (found.algorithm, *_row(analysis.algorithm)),
        (f"mean of {counted(len(found.of_readers), 'reader')}", *_row(analysis.readers)),
    ]
    lines += [*laid_out(("", "value", "95 % interval"), rows, width, right=(1,)), ""]
    several = any(test.corrected for test in tests.values())
    apart = [
        (
            REACH[each],
            *_row(one),
            _t(one),
            p_words(one.p),
            *([p_words(tests[each].p)] if several else []),
        )
        for each in EFFECTS
        for one in (found.analyses[each].difference,)
    ]
    head = ("for", "difference", "95 % interval", "t (df)", "P", *(["P, Holm"] if several else []))
    lines += laid_out(head, apart, width, right=(1,))
    if several:
        family = max(test.family for test in tests.values())
        said = _holm_words(f"{family} algorithms", asked.margin)
        lines += wrapped_lines(f"{said} Intervals are those of this algorithm alone.", width)
    lines += _without_interval(
        {each: [one.difference] for each, one in found.analyses.items()}, width
    )
    lines += wrapped_lines(algorithm_verdict(found, effects, asked.margin, tests), width)
    return [*lines, "", *_each(found.of_readers, width)]


def _each(found: Sequence[ReaderContrast], width: int) -> list[str]:
    rows = [(each.name, *_row(each), p_words(each.p)) for each in found]
    return laid_out(("each reader, other cases", "", "95 % interval", "P"), rows, width, right=(1,))


def _row(found: ReaderContrast) -> tuple[str, str]:
    return decimal_text(found.estimate, 4), spread_words(found, 4)


def _t(found: ReaderContrast) -> str:
    if found.why:
        return ""
    df = "inf" if found.df == float("inf") else f"{found.df:.2f}"
    return f"{decimal_text(found.t, 3)} ({df})"


def _test(test: TreatmentTest) -> str:
    if test.why:
        return "no test"
    if test.kind == "chi2":
        return f"chi2({test.df1:g}) = {test.value:.3f}"
    df2 = "inf" if test.df2 == float("inf") else f"{test.df2:.2f}"
    return f"F({test.df1:g}, {df2}) = {test.value:.3f}"
