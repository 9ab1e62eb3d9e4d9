"""A legend names what is drawn, and nothing else."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import pytest
from figure_frames import Made, made_sweep
from legends import named_but_not_drawn
from matplotlib.figure import Figure
from search_frames import made_search
from transfer_frames import fusion_sweep

from abl.plan.outcome import COMPLETE, FAILED, PRUNED, Outcome
from abl.report.figures.arms import Frames, shown_arms
from abl.report.figures.bars import bar_figure
from abl.report.figures.every import figures_of
from abl.report.figures.networks import flow_figure
from abl.report.figures.predictions import roc_figure
from abl.report.figures.search import search_figures
from abl.report.figures.style import new_figure
from abl.studies.fusion.figures import modes_figure, modes_of, operating_figure, roc_modes_figure


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep()


def one_arm(made: Made, **changes: object) -> Outcome:
    arm = dataclasses.replace(made.outcome.arms[0], **{"best": True, **changes})
    return dataclasses.replace(made.outcome, arms=(arm,))


def words(figure: Figure) -> set[str]:
    return {text.get_text() for legend in figure.legends for text in legend.get_texts()}


def test_a_legend_that_names_too_much_is_found() -> None:
    figure = new_figure(3, 2)
    place = figure.subplots()
    place.plot([0, 1], [0, 1], color="r", label="there")
    place.plot([0, 1], [5, 5], color="b", label="above the frame")
    place.set(ylim=(0, 1))
    figure.legend(loc="outside lower center")
    assert named_but_not_drawn(figure) == ["above the frame"]


@pytest.mark.parametrize("rules", [("average", "model1"), ("average",), ("model1",)])
def test_figures_of_a_sweep(rules: tuple[str, ...]) -> None:
    some = made_sweep(rules=rules)
    figures = figures_of(some.outcome, Frames(some.predictions, some.networks))
    found = {name: named_but_not_drawn(each) for name, each in figures.items()}
    assert {name: labels for name, labels in found.items() if labels} == {}


def test_one_arm_alone(made: Made) -> None:
    outcome = one_arm(made)
    roc, arms = roc_figure(shown_arms(outcome, made.predictions)), bar_figure(outcome)
    assert words(roc) == {"best arm: mean, 95 % band"}
    assert words(arms) == {"best", "replicate"}
    assert not named_but_not_drawn(roc)
    assert not named_but_not_drawn(arms)
    once = one_arm(made, replicates=outcome.arms[0].replicates.head(1))
    assert words(bar_figure(once)) == {"best"}  # the replicate lies under the mean


def test_fates_that_no_case_has_are_not_named(made: Made) -> None:
    figure = flow_figure(made.outcome, made.predictions.assign(sent=True), made.networks)
    assert words(figure)
    assert not any(word.startswith("kept") for word in words(figure))


@pytest.mark.parametrize("heads", [("gap",), ("gap", "fc")])
def test_figures_of_modes(heads: tuple[str, ...]) -> None:
    some = fusion_sweep(("bmode", "elasticity", "late"), heads=heads, controls=(), patients=20)
    modes = modes_of(some.outcome, some.predictions)
    drawn = (modes_figure(some.outcome, modes), operating_figure(modes), roc_modes_figure(modes))
    assert [named_but_not_drawn(each) for each in drawn] == [[], [], []]


@pytest.mark.parametrize(
    "case",
    [
        {},
        {"points": 1},
        {"states": [FAILED] * 4},
        {"states": [PRUNED, FAILED, COMPLETE]},
        {"names": ("one", "two")},
    ],
)
def test_figures_of_searches(case: Mapping[str, object]) -> None:
    some = made_search(**case)  # type: ignore[arg-type]
    for name, draw in search_figures(some.outcome, some.searches).items():
        figure = draw()
        assert figure is None or not named_but_not_drawn(figure), name
