"""Everything that was found, as JSON at full precision and as a table of raters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any

import numpy as np
import pandas as pd

from abl.app.readers.asked import ReadersAsked
from abl.app.readers.results import ReaderResults
from abl.data.readers.reader_answers import ReaderAnswers
from abl.decide.readers.contrast_tests import ContrastTests, contrast_tests
from abl.decide.readers.contrasts import ReaderContrast
from abl.decide.readers.error_squares import Effects
from abl.decide.readers.rater_estimates import RaterEstimates
from abl.decide.readers.rater_summaries import ClassSummary, RaterSummary
from abl.decide.readers.reader_study import (
    AlgorithmComparison,
    TreatmentComparison,
    algorithm_tests,
)
from abl.decide.readers.readings import Readings


def facts_of(results: ReaderResults, asked: ReadersAsked) -> dict[str, Any]:
    """What `--json` prints: nan is null; df and df2 are null too where they are infinite,
    and df_infinite and df2_infinite say so beside them.
    """
    answers = results.answers
    known, positive = answers.truth_of(), answers.positive
    facts: dict[str, Any] = {
        "readers": [name for name in answers.readers if name not in results.algorithms],
        "algorithms": list(results.algorithms),
        "treatments": list(answers.treatments),
        "sessions": list(answers.sessions),
        "classes": list(answers.classes),
        "positive": None if positive is None else answers.classes[positive],
        "cases": len(known),
        "patients": int(known["patient"].nunique()),
        "positives": None if positive is None else int((known["truth"] == positive).sum()),
        "negatives": None if positive is None else int((known["truth"] != positive).sum()),
        "cases_by_class": {
            name: int((known["truth"] == at).sum()) for at, name in enumerate(answers.classes)
        },
        "covariance": asked.covariance,
        "effects": asked.effects,
        "scale": asked.scale,
        "cutoff": asked.cutoff,
        "margin": asked.margin,
        "weighted": asked.weighted,
        "base": asked.base,
        "order": None if asked.order is None else list(asked.order),
        "washout": asked.washout,
        "comparisons": [_comparison(each, asked.margin, answers) for each in results.comparisons],
        "against": [
            _against(each, tests, asked.margin, answers)
            for each, tests in zip(
                results.against, algorithm_tests(results.against, asked.margin), strict=True
            )
        ],
        "raters": [asdict(each) for each in results.raters],
        "each_class": [asdict(each) for each in results.of_classes],
        "experience": [asdict(each) for each in results.of_groups],
        "pairs": [asdict(each) for each in results.pairs],
        "groups": [asdict(each) for each in results.groups],
        "sessions_compared": [asdict(each) for each in results.sessions],
        "sizes": [asdict(each) for each in results.sizes],
        "notes": list(results.notes),
    }
    plain: dict[str, Any] = _plain(facts)
    return plain


def rater_frame(
    raters: Sequence[RaterSummary], of_classes: Sequence[ClassSummary] = ()
) -> pd.DataFrame:
    """One row a reader and treatment: counts, and each value with its ends; of more than two
    classes also sen@CLASS and spe@CLASS, each against the rest.
    """
    rows = []
    for each in raters:
        row: dict[str, Any] = {
            name: getattr(each, name)
            for name in (
                "reader",
                "treatment",
                "experience",
                "tp",
                "fn",
                "fp",
                "tn",
                "positives",
                "negatives",
                "missing",
                "missing_ratings",
            )
        }
        values = {name: getattr(each, name) for name in ("sen", "spe", "acc", "auc")}
        for one in of_classes:
            if (one.reader, one.treatment) == (each.reader, each.treatment):
                values |= {f"sen@{one.name}": one.sen, f"spe@{one.name}": one.spe}
        for name, found in values.items():
            row[name] = math.nan if found is None else found.estimate
            row[f"{name}_low"] = math.nan if found is None else found.low
            row[f"{name}_high"] = math.nan if found is None else found.high
        rows.append(row)
    return pd.DataFrame(rows)


def _design(
    readings: Readings, estimates: RaterEstimates, answers: ReaderAnswers
) -> dict[str, Any]:
    one_class = len(answers.classes) == 2 or estimates.statistic != "acc"
    return {
        "statistic": estimates.statistic,
        "covariance": estimates.method,
        "design": readings.design,
        "cases": len(readings.compared),
        "positives": estimates.positives if one_class else None,
        "negatives": estimates.negatives if one_class else None,
        "units": estimates.units,
        "clustered_by_patient": estimates.clustered,
        "left_out": readings.left_out,
        "raters": [
            {
                "reader": readings.readers[reader],
                "treatment": readings.treatments[treatment],
                "value": estimates.values[at],
                "variance": estimates.covariance[at, at],
            }
            for at, (treatment, reader) in enumerate(readings.raters)
        ],
        "covariance_matrix": estimates.covariance,
    }


def _comparison(
    found: TreatmentComparison, margin: float | None, answers: ReaderAnswers
) -> dict[str, Any]:
    return _design(found.readings, found.estimates, answers) | {
        "analyses": {
            effects: {
                "treatments": each.treatments,
                "test": each.test,
                "differences": _differences(each.differences, margin),
                "mean_squares": each.squares,
                "errors": each.errors,
            }
            for effects, each in found.analyses.items()
        },
        "of_readers": found.of_readers,
    }


def _against(
    found: AlgorithmComparison,
    tests: Mapping[Effects, ContrastTests],
    margin: float | None,
    answers: ReaderAnswers,
) -> dict[str, Any]:
    return {"algorithm": found.algorithm, "treatment": found.treatment} | _design(
        found.readings, found.estimates, answers
    ) | {
        "analyses": {
            effects: {
                "algorithm": each.algorithm,
                "readers": each.readers,
                "difference": _tested(each.difference, tests[effects], margin),
                "each": [_with_margin(one, margin) for one in found.of_readers],
                "reader_mean_square": each.reader_square,
                "var": each.var,
                "cov2": each.cov2,
            }
            for effects, each in found.analyses.items()
        }
    }  # fmt: skip


def _differences(
    differences: Sequence[ReaderContrast], margin: float | None
) -> list[dict[str, Any]]:
    """Pairs of treatments; of several also the P that are corrected over them."""
    tests = contrast_tests(differences, margin)
    return [_tested(one, test, margin) for one, test in zip(differences, tests, strict=True)]


def _tested(found: ReaderContrast, test: ContrastTests, margin: float | None) -> dict[str, Any]:
    """A difference; of several also the P that are corrected over them."""
    facts = _with_margin(found, margin)
    if test.corrected:
        facts["p_holm"] = test.p
        if margin is not None:
            facts["p_noninferiority_holm"] = test.p_noninferior
    return facts


def _with_margin(found: ReaderContrast, margin: float | None) -> dict[str, Any]:
    facts = asdict(found) | {"p_superiority": found.p_above(0.0)}
    if margin is not None:
        facts["p_noninferiority"] = found.p_above(-margin)
    return facts


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, dict):
        infinite = {
            f"{name}_infinite": bool(value[name] == math.inf)
            for name in ("df", "df2")
            if name in value
        }
        return {str(name): _plain(each) for name, each in (value | infinite).items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
