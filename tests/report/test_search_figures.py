"""Figures and the table of searches: every point drawn, honest lines, and nothing breaks them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from search_frames import (
    DROP,
    LR,
    PARAMETERS,
    POINTS,
    MadeSearch,
    made_search,
)

from abl.plan.facts import Facts
from abl.plan.outcome import COMPLETE, FAILED, PRUNED, STOPPED, Searches
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.report.figures.arms import Frames
from abl.report.figures.every import figures_of
from abl.report.figures.search import BEST, MOST_SEARCHES, search_figures
from abl.report.figures.style import VERMILION, figure_bytes, settle
from abl.report.labels import constraint_text, setting_text, short_names
from abl.report.page.html_report import TITLES
from abl.report.tables import FORMATS, printed
from abl.report.tables.facts import facts_tables
from abl.report.tables.searches import chosen_text

EMPTY = pd.DataFrame()
NAMES = ("history", "importance")
TWO = (("auc", "maximize"), ("nll", "minimize"))


def drawn(made: MadeSearch, *only: str) -> dict[str, Figure]:
    """The figures that there are, of all or of those named."""
    every = search_figures(made.outcome, made.searches)
    found = {name: every[f"search_{name}"]() for name in only or NAMES}
    return {name: each for name, each in found.items() if each is not None}


def markers(place: Axes) -> list[Line2D]:
    """Points by state; neither levels nor rings."""
    return [
        line
        for line in place.lines
        if line.get_linestyle() == "None"
        and to_hex(line.get_markeredgecolor()) != VERMILION.lower()
    ]


def shown_points(place: Axes) -> int:
    return sum(len(line.get_xdata()) for line in markers(place))


def ringed(place: Axes) -> int:
    rings = [each for each in place.lines if each.get_markerfacecolor() == "none"]
    return sum(len(line.get_xdata()) for line in rings)


def labels_of(figure: Figure) -> set[str]:
    legend = figure.legends[0]
    return {text.get_text() for text in legend.get_texts()}


def best_line(place: Axes) -> np.ndarray:
    (line,) = [each for each in place.lines if each.get_label() == BEST]
    return np.asarray(line.get_ydata(), np.float64)


def legible(figure: Figure) -> bool:
    """Whether all words fit on the figure and none is tiny."""
    settle(figure)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for place in figure.axes:
        if not place.get_visible():
            continue
        words = [place.title, place.xaxis.label, place.yaxis.label, *place.texts]
        for text in words:
            if not text.get_text():
                continue
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            if not inside or text.get_fontsize() < 7:
                return False
    return True


@pytest.fixture(scope="module")
def made() -> MadeSearch:
    return made_search()


@pytest.fixture(scope="module")
def figures(made: MadeSearch) -> dict[str, Figure]:
    return drawn(made)


def test_every_figure_has_a_title_and_a_caption(figures: Mapping[str, Figure]) -> None:
    assert set(figures) == set(NAMES)
    for figure in figures.values():
        assert figure.get_suptitle().startswith("Tuning: ")
        assert len(str(figure.get_label())) > 60
        assert legible(figure)
    assert {f"search_{name}" for name in NAMES} <= set(TITLES)


def test_history_shows_every_point_by_its_state(
    made: MadeSearch, figures: Mapping[str, Figure]
) -> None:
    (place,) = figures["history"].axes
    assert shown_points(place) == POINTS
    points = made.searches.points
    by_marker = {"o": COMPLETE, "v": PRUNED, "s": STOPPED, "x": FAILED}
    counts = dict.fromkeys(by_marker.values(), 0)
    for line in markers(place):
        counts[by_marker[str(line.get_marker())]] += len(line.get_xdata())
    assert counts == points["state"].value_counts().to_dict()
    hollow = [line for line in markers(place) if line.get_markerfacecolor() == "w"]
    infeasible = (points["state"] == COMPLETE) & ~points["feasible"]
    assert sum(len(line.get_xdata()) for line in hollow) == infeasible.sum() > 0
    assert ringed(place) == 1
    assert "fails SEN ≥ 0.95" in str(figures["history"].get_label())


def test_the_best_so_far_counts_feasible_complete_points_alone(
    made: MadeSearch, figures: Mapping[str, Figure]
) -> None:
    best = best_line(figures["history"].axes[0])
    assert (np.diff(best[~np.isnan(best)]) >= 0).all()
    points = made.searches.points
    assert best[-1] == points.loc[points["feasible"], "value_0"].max()
    # an infeasible point was better for a while
    assert points["value_0"].cummax().iloc[9] > best[9]


def test_a_minimized_objective_goes_down() -> None:
    made = made_search(objectives=(("nll", "minimize"),))
    (place,) = drawn(made, "history")["history"].axes
    best = best_line(place)
    assert (np.diff(best[~np.isnan(best)]) <= 0).all()
    points = made.searches.points
    assert best[-1] == points.loc[points["feasible"], "value_0"].min()
    # what failed lies on the worse edge, which is the upper one
    failed = [line for line in markers(place) if line.get_marker() == "x"]
    assert min(failed[0].get_ydata()) > 0.9


def test_it_is_seen_where_a_generation_begins(
    made: MadeSearch, figures: Mapping[str, Figure]
) -> None:
    (place,) = figures["history"].axes
    lines = [line.get_xdata() for line in place.lines if len(line.get_xdata()) == 2]
    upright = sorted(x[0] for x in lines if x[0] == x[1])
    first = made.searches.points.groupby("generation")["number"].min()
    assert upright == [number - 0.5 for number in first[1:]]
    assert len(upright) == 2


def test_the_objective_is_the_first_of_several() -> None:
    made = made_search(objectives=TWO)
    figure = drawn(made, "history")["history"]
    assert "first of several objectives" in str(figure.get_label())
    assert figure.axes[0].get_ylabel() == "AUC on validation"


def test_levels_of_chance_and_test_are_drawn_where_known(made: MadeSearch) -> None:
    (fact,) = made.outcome.facts.searches
    (place,) = drawn(made, "history")["history"].axes
    levels = {line.get_label(): line.get_ydata()[0] for line in place.lines}
    assert levels["best expected by chance"] == fact["expected_by_chance"]
    assert levels["chosen, on test"] == fact["test"]
    for unknown in (None, math.nan):
        bare = with_facts(made, expected_by_chance=unknown, test=unknown)
        assert not {"best expected by chance", "chosen, on test"} & labels_of(
            drawn(bare, "history")["history"]
        )


def with_facts(made: MadeSearch, **changes: Any) -> MadeSearch:
    facts = [{**each, **changes} for each in made.outcome.facts.searches]
    return replace(made, outcome=replace(made.outcome, facts=Facts(searches=facts)))


def test_importance_is_in_order_with_its_spread(
    made: MadeSearch, figures: Mapping[str, Figure]
) -> None:
    (place,) = figures["importance"].axes
    given = made.outcome.facts.searches[0]["importance"]
    assert [bar.get_width() for bar in place.patches] == [each["mean"] for each in given]
    assert place.get_yticklabels()[0].get_text() == "lr"
    (bars,) = [each for each in place.collections if isinstance(each, LineCollection)]
    lengths = [np.ptp(path.vertices[:, 0]) for path in bars.get_paths()]
    assert lengths == pytest.approx([2 * each["sd"] for each in given])
    swapped = with_facts(made, importance=[{"name": DROP, "mean": 0.9, "sd": None}, given[0]])
    figure = drawn(swapped, "importance")["importance"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["dropout", "lr"]
    assert not drawn(with_facts(made, importance=[]), "importance")


def test_several_searches_have_panels_or_the_best_arms_alone() -> None:
    names = tuple(f"net{at}" for at in range(MOST_SEARCHES + 2))
    figures = drawn(made_search(names))
    for name in ("history", "importance"):
        panels = [place for place in figures[name].axes if place.get_visible()]
        titles = [place.get_title() for place in panels]
        # the best tuned arm is the last one
        assert titles == [*names[: MOST_SEARCHES - 1], names[-1]]
        assert "6 of 8 searches" in str(figures[name].get_label())
    assert legible(figures["history"])


@pytest.mark.parametrize(
    "case",
    [
        {"points": 1},
        {"points": 1, "states": (FAILED,)},
        {"points": 5, "states": (FAILED,)},
        {"points": 3, "states": (PRUNED, STOPPED)},
        {"constant": True},
        {"parameters": PARAMETERS[:1]},
        {"parameters": PARAMETERS[2:3]},
        {"parameters": PARAMETERS[3:]},
        {"objectives": (("nll", "minimize"),)},
        {"objectives": TWO, "points": 1},
        {"objectives": TWO, "states": (FAILED,)},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("error")
def test_odd_searches_are_drawn(case: dict[str, Any]) -> None:
    made = made_search(**case)
    figures = drawn(made)
    assert set(figures) == set(NAMES)
    (place,) = figures["history"].axes
    assert shown_points(place) == len(made.searches.points)
    for figure in figures.values():
        figure.canvas.draw()


def test_an_outcome_without_facts_is_drawn_from_the_frames_alone(made: MadeSearch) -> None:
    bare = replace(made, outcome=replace(made.outcome, facts=Facts()))
    figures = drawn(bare)
    assert set(figures) == {"history"}
    assert shown_points(figures["history"].axes[0]) == POINTS


def test_no_search_has_no_figure_and_figures_stand_after_the_arms(made: MadeSearch) -> None:
    assert search_figures(made.outcome, Searches()) == {}
    assert list(figures_of(made.outcome, Frames())) == ["arms"]
    names = list(figures_of(made.outcome, Frames(searches=made.searches)))
    assert names == ["arms", "search_history", "search_importance"]


def test_the_same_search_gives_the_same_bytes(made: MadeSearch) -> None:
    one, other = (drawn(made, "history")["history"] for _ in range(2))
    assert figure_bytes(one, "svg") == figure_bytes(other, "svg")


def test_names_are_as_short_as_they_are_clear() -> None:
    names = ["train.optimizer.lr", "train.dropout", "true.dropout", "train.optimizer.name"]
    assert short_names(names) == {
        "train.optimizer.lr": "lr",
        "train.dropout": "train.dropout",
        "true.dropout": "true.dropout",
        "train.optimizer.name": "optimizer.name",
    }
    assert short_names(["lr", "train.lr"]) == {"lr": "lr", "train.lr": "train.lr"}
    texts = {0.00299123: "0.00299", 1e-5: "1e-5", 64: "64", 1024.0: "1024", -0.5: "-0.5"}
    assert {value: setting_text(value) for value in texts} == texts
    assert [setting_text(value) for value in (True, None, "fc", np.int64(3))] == [
        "true", "–", "fc", "3"
    ]  # fmt: skip
    assert constraint_text({"metric": "sen", "at_least": 0.95}) == "SEN ≥ 0.95"


def test_the_table_has_a_row_a_search_and_full_numbers_in_csv() -> None:
    made = made_search(("one", "two"), folds=3)
    table = facts_tables(made.outcome)["searches"]
    assert [row[0].text for row in table.rows] == ["one", "two"]
    shown = dict(zip([column.label for column in table.columns], table.rows[0], strict=True))
    (fact, _) = made.outcome.facts.searches
    assert shown["points"].text == str(POINTS)
    ends = [fact[name] for name in (COMPLETE, PRUNED, STOPPED, FAILED)]
    assert shown["complete / pruned / stopped / failed"].text == " / ".join(map(str, ends))
    spared = fact["trainings_without"] - fact["trainings"]
    assert shown["trainings (spared)"].text == f"{fact['trainings']} ({spared})"
    assert shown["AUC on validation, %"].text == f"{100 * fact['best']:.1f}"
    low, high = 100 * fact["test_low"], 100 * fact["test_high"]
    on_test = shown["AUC on test, % [95 % interval]"].text
    assert on_test == f"{100 * fact['test']:.1f} [{low:.1f}, {high:.1f}]"
    assert shown["optimism"].text == "+2.0"
    partly = facts_tables(with_facts(made, optimism_of=[3, 4]).outcome)["searches"]
    assert "+2.0 (3 of 4 replicates)" in [cell.text for cell in partly.rows[0]]
    lr = fact["chosen"][0]["values"][LR]
    assert shown["chosen"].text.startswith(f"lr {setting_text(lr)}–{setting_text(3 * lr)}, dropout")
    raw = dict(zip(table.raw_columns, table.raw_rows[0], strict=True))
    assert raw["best"] == fact["best"]
    assert json.loads(str(raw["chosen"]))[2]["values"][LR] == 3 * lr
    notes = " ".join(note.text for note in table.notes)
    assert "SEN ≥ 0.95" in notes
    assert notes.count("Choice and score share patients of validation.") == 1
    for format in FORMATS:
        assert printed(table, format)


def test_what_is_not_known_is_a_dash(made: MadeSearch) -> None:
    unknown = with_facts(
        made, expected_by_chance=math.nan, p_by_chance=None, test=None, test_low=None,
        test_high=None, optimism=None, chosen=[], best=None, importance=[],
    )  # fmt: skip
    kept = outcome_from_json(outcome_to_json(unknown.outcome))
    (row,) = facts_tables(kept)["searches"].rows
    assert [cell.text for cell in row[4:]] == ["–"] * 6
    assert "searches" not in facts_tables(replace(made.outcome, facts=Facts()))


def test_searches_for_different_metrics_name_them_in_the_row() -> None:
    made = made_search(("one", "two"))
    first, second = made.outcome.facts.searches
    second = {**second, "objectives": [{"metric": "nll", "direction": "minimize"}], "best": 0.4}
    outcome = replace(made.outcome, facts=Facts(searches=[first, second]))
    table = facts_tables(outcome)["searches"]
    labels = [column.label for column in table.columns]
    assert labels[1] == "objective"
    assert [row[1].text for row in table.rows] == ["AUC", "NLL"]
    assert table.rows[1][labels.index("score on validation")].text == "0.400"


def test_long_choices_stay_readable() -> None:
    words = [{"values": {"head": head, "n": None}} for head in ("fc", "fc", "gap")]
    assert chosen_text(words) == "head fc ×2 / gap ×1"
    many = [{"values": {f"a.s{at}": at for at in range(9)}}]
    assert chosen_text(many, ["a.s8"]) == "s8 8, s0 0, s1 1, s2 2, s3 3, s4 4, and 3 more"
    assert chosen_text([]) == "–"
