"""The figures of a finished reader study, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd

from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.studies.readers.agreement_figure import agreement_figure
from abl.studies.readers.divided_figure import divided_figure
from abl.studies.readers.figures import (
    differences_figure,
    ratings_roc_figure,
    readers_on_roc_figure,
)
from abl.studies.readers.tables import (
    AGAINST,
    AGREEMENT,
    ANSWERS,
    DIVIDED,
    RATERS,
    TREATMENTS,
)


def reader_figures(outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
    """Name -> what draws it; {} before there are answers."""
    none = pd.DataFrame()
    known, own = outcome.facts.study.get("readers"), frames.own
    if known is None or RATERS not in own:
        return {}
    raters, answers = own[RATERS], own.get(ANSWERS, none)
    against, treatments = own.get(AGAINST, none), own.get(TREATMENTS, none)
    first = known["first_treatment"]
    divided, classes = own.get(DIVIDED, none), frames.classes(outcome)
    return {
        "readers_roc": partial(
            readers_on_roc_figure, raters, answers, first, known.get("ranked", False)
        ),
        "readers_ratings": partial(ratings_roc_figure, raters, answers, first),
        "readers_differences": partial(differences_figure, against, treatments, known["margin"]),
        "readers_agreement": partial(agreement_figure, own.get(AGREEMENT, none), first),
        "readers_divided": partial(divided_figure, frames.pictures, divided, classes),
    }
