"""The figures of a finished persistent sweep, by name."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import pandas as pd
from matplotlib.figure import Figure

from abl.plan.outcome import Outcome
from abl.report.figures.arms import Draw, Frames
from abl.report.figures.maps import maps_figure
from abl.report.labels import cluster_word
from abl.studies.persistent.described import EXPECTED
from abl.studies.persistent.feature_figure import feature_forest_figure
from abl.studies.persistent.features import FEATURES
from abl.studies.persistent.figures import shares_figure, sorted_rates_figure
from abl.studies.persistent.findings import CURVE, IMAGES
from abl.studies.persistent.maps import MAPS
from abl.studies.persistent.network_figures import exclusion_figure, network_pairs_figure

OF_MAPS = (
    "Flagged: those to look at first. Right: of each class as many, drawn at random from those "
    "that no network ever misclassified, of which the first are shown. Both by the cut-off of each "
    "training, so that the most probable class may be another one than the class called."
)


def persistent_figures(outcome: Outcome, frames: Frames) -> Mapping[str, Draw]:
    """Name -> what draws it; of several data sets each has its own, by number from the second."""
    made: dict[str, Draw] = {}
    none = pd.DataFrame()
    known = outcome.facts.study.get("persistence", ())
    for number, facts in enumerate(known):
        of = {name: _of_data(frame, facts["data"]) for name, frame in frames.own.items()}
        images, theta = of.get(IMAGES, none), float(facts["theta"])
        if images.empty:
            continue
        before = {str(row["network"]): float(row["auc"]) for row in facts["networks"]}
        name = f" ({facts['data']})" if len(known) > 1 else ""
        own: dict[str, Draw] = {
            "image_shares": partial(shares_figure, of.get(EXPECTED, none), theta),
            "image_rates": partial(sorted_rates_figure, images, theta),
            "network_pairs": partial(network_pairs_figure, images, theta),
            "exclusion": partial(exclusion_figure, of.get(CURVE, none), before, theta),
            "features": partial(
                feature_forest_figure, of.get(FEATURES, none), cluster_word(outcome)
            ),
        }
        for key, draw in own.items():
            made[key if number == 0 else f"{key}_{number + 1}"] = _of(draw, name)
    classes = frames.classes(outcome)
    made[MAPS] = partial(maps_figure, frames.pictures, classes, OF_MAPS)
    return made


def _of(draw: Draw, data: str) -> Draw:
    """The figure with the data set in its title, where a sweep has several."""

    def drawn() -> Figure | None:
        figure = draw()
        if figure is not None and data:
            title = figure.get_suptitle()
            figure.suptitle(f"{title}{data}", fontsize=10)
        return figure

    return drawn


def _of_data(frame: pd.DataFrame, data: str) -> pd.DataFrame:
    return frame[(frame["data"] == data).to_numpy()] if "data" in frame else frame
