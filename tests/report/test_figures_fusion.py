"""Figures of the fusion study: rows, numbers and notes."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from transfer_frames import Made, fusion_sweep

from abl.plan.outcome import ArmOutcome, Cell
from abl.report.figures.arms import Frames
from abl.report.figures.every import figures_of
from abl.report.figures.over_axis import MOST_SERIES
from abl.report.figures.style import figure_bytes
from abl.studies.contract import studies
from abl.studies.fusion.figures import (
    Modes,
    modes_figure,
    modes_of,
    operating_figure,
    roc_modes_figure,
)
from abl.studies.fusion.only_one import only_one, only_one_figure

EMPTY = pd.DataFrame()
ROWS = [
    "bmode",
    "elasticity",
    "mixed",
    "early",
    "late",
    "late (second: first)",
    "late (second: shuffled)",
    "gated",
    "cross attention",
]


@pytest.fixture(scope="module")
def made() -> Made:
    return fusion_sweep(patients=40)


@pytest.fixture(scope="module")
def modes(made: Made) -> Modes:
    return modes_of(made.outcome, made.predictions)


def small(*modes: str, **changes: object) -> Made:
    fields: dict[str, object] = {"heads": ("gap",), "controls": (), "patients": 20, **changes}
    return fusion_sweep(modes or ("bmode", "elasticity", "late"), **fields)  # type: ignore[arg-type]


def made_modes(made: Made) -> Modes:
    return modes_of(made.outcome, made.predictions)


def heads_of(modes: Modes) -> list[str]:
    return [each.label for each in modes.series]


def arms_of(modes: Modes) -> list[ArmOutcome]:
    return [arm for each in modes.series for arm in each.arms.values()]


def points_in(place: Axes) -> list[Line2D]:
    return [line for line in place.lines if line.get_marker() not in ("None", "")]


def test_modes_stand_in_a_fixed_order_each_before_its_controls(made: Made, modes: Modes) -> None:
    assert list(modes.arms) == ROWS
    assert heads_of(modes) == ["fc", "spp", "gap"]
    turned = replace(made.outcome, arms=made.outcome.arms[::-1])
    again = list(modes_of(turned, EMPTY).arms)
    assert again[:5] == ROWS[:5]
    assert set(again) == set(ROWS)


def test_colours_are_of_the_mode_whatever_else_is_there(modes: Modes) -> None:
    few = made_modes(small("us", "swe", "late", names=("us", "swe")))
    assert few.look("us") == modes.look("bmode")
    assert few.look("swe") == modes.look("elasticity")
    assert few.look("late") == modes.look("late")
    looks = [modes.look(row) for row in modes.arms]
    assert len(set(looks)) == len(looks)
    assert modes.look("late (second: first)")[0] == modes.look("late")[0]


def test_each_mode_has_a_point_a_head_and_the_best_is_filled(made: Made, modes: Modes) -> None:
    figure = modes_figure(made.outcome, modes)
    assert figure is not None
    place = figure.axes[0]
    labels = [label.get_text() for label in place.get_yticklabels()]
    assert labels == [f"{row} †" if row == "mixed" else row for row in ROWS]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["fc", "spp", "gap", "filled: the best arm"]
    colours = [line.get_color() for line in figure.legends[0].get_lines()[:3]]
    points = {(round(line.get_ydata()[0]), line.get_color()): line for line in points_in(place)}
    spans = {tuple(line.get_xdata()) for line in place.lines if len(line.get_xdata()) == 2}
    for series, colour in zip(modes.series, colours, strict=True):
        for row, arm in series.arms.items():
            point, cell = points[ROWS.index(str(row)), colour], arm.cells["acc"]
            assert point.get_xdata()[0] == pytest.approx(cell.mean)
            assert (point.get_markerfacecolor() != "w") == arm.best
            assert (cell.low, cell.high) in spans
    assert "other units" in figure.legends[0].get_title().get_text()
    assert "other units" in figure.get_label()


def test_the_figure_of_modes_needs_two_modes_and_is_there_for_one_head() -> None:
    one_head = small()
    figure = modes_figure(one_head.outcome, made_modes(one_head))
    (place,) = figure.axes
    assert [text.get_text() for text in place.get_yticklabels()] == ["bmode", "elasticity", "late"]
    drawn = [line.get_xdata()[0] for line in place.lines if line.get_marker() != "None"]
    assert drawn == [arm.cells["acc"].mean for arm in one_head.outcome.arms]
    one_mode = small("late", heads=("gap", "fc"))
    assert modes_figure(one_mode.outcome, made_modes(one_mode)) is None


def test_failed_and_undefined_arms_have_no_point() -> None:
    made = small(heads=("fc", "gap"))
    first, second, *rest = made.outcome.arms
    nothing = Cell(math.nan, math.nan, math.nan, math.nan, 0, 2)
    broken: tuple[ArmOutcome, ...] = (
        replace(first, failed="out of memory", best=False),
        replace(second, cells={"acc": nothing}, best=False),
        *rest,
    )
    outcome = replace(made.outcome, arms=broken)
    figure = modes_figure(outcome, modes_of(outcome, EMPTY))
    assert figure is not None
    drawn = [line for line in points_in(figure.axes[0]) if np.isfinite(line.get_xdata()).all()]
    assert len(drawn) == len(rest)
    assert "other units" not in figure.get_label()


def test_roc_has_a_panel_a_head_and_a_line_a_mode_with_its_auc(modes: Modes) -> None:
    figure = roc_modes_figure(modes)
    assert figure is not None
    panels = [place for place in figure.axes if place.get_visible()]
    assert [place.get_title() for place in panels] == ["fc", "spp", "gap"]
    for place, series in zip(panels, modes.series, strict=True):
        texts = [text.get_text() for text in place.get_legend().get_texts()]
        assert len(texts) == len(ROWS)
        cell = series.arms["late"].cells["auc"]
        assert f"late  {cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]" in texts
        line = next(line for line in place.lines if str(line.get_label()).startswith("late  "))
        assert line.get_color() == modes.look("late")[0]
        assert line.get_ydata()[-1] == 1
    assert roc_modes_figure(made_modes(small("late"))) is None


def test_sensitivity_is_left_and_specificity_right(modes: Modes) -> None:
    figure = operating_figure(modes)
    assert figure is not None
    for place, metric in zip(figure.axes, ("sen", "spe"), strict=True):
        drawn = sorted(line.get_xdata()[0] for line in points_in(place))
        assert drawn == pytest.approx(sorted(arm.cells[metric].mean for arm in arms_of(modes)))
    assert figure.axes[0].get_xlabel().startswith("SEN")
    assert figure.axes[1].get_xlabel().startswith("SPE")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[:3] == heads_of(modes)
    assert "cut-off 0.5" in figure.get_label()


def test_operating_points_without_a_cell_come_from_the_predictions() -> None:
    made = small()
    bare = [replace(arm, cells={"acc": arm.cells["acc"]}) for arm in made.outcome.arms]
    outcome = replace(made.outcome, arms=tuple(bare))
    figure = operating_figure(modes_of(outcome, made.predictions))
    assert figure is not None
    expected = [arm.cells["sen"].mean for arm in made.outcome.arms]
    drawn = [line.get_xdata()[0] for line in points_in(figure.axes[0])]
    assert drawn == pytest.approx(expected)
    assert operating_figure(modes_of(outcome, EMPTY)) is None


def by_hand(first: list[bool], second: list[bool], fused: list[bool]) -> Made:
    """Four units of four patients, two a class, and which arm is right on each."""
    made = small()
    frames = []
    for arm, right in zip(made.outcome.arms, (first, second, fused), strict=True):
        label = np.array([0, 0, 1, 1])
        p = np.where(np.array(right), label, 1 - label) * 0.8 + 0.1
        frames.append(
            pd.DataFrame(
                {
                    "arm": arm.key, "repeat": 0, "fold": 0, "seed": 0, "role": "test",
                    "unit": list("abcd"), "label": label, "patient": list("pqrs"),
                    "p_0": 1 - p, "p_1": p,
                }
            )
        )  # fmt: skip
    return Made(made.outcome, pd.concat(frames, ignore_index=True))


def test_groups_by_hand() -> None:
    made = by_hand(
        [True, True, False, False], [True, False, True, False], [True, False, True, True]
    )
    modes = made_modes(made)
    found = only_one(modes, modes.series[0])
    assert found is not None
    np.testing.assert_allclose(
        found.shares[:, :, 0],
        [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5], [0.25, 0.25, 0.25, 0.25]],
    )
    assert found.counts.tolist() == [1, 1, 1, 1]
    assert found.fused["late"].tolist() == [1, 0, 1, 1]
    assert found.patients == 4


def test_shares_add_up_and_lie_in_their_intervals(modes: Modes) -> None:
    for series in modes.series:
        found = only_one(modes, series)
        assert found is not None
        np.testing.assert_allclose(found.shares[:, :, 0].sum(axis=1), 1)
        assert (found.shares[..., 1] <= found.shares[..., 0] + 1e-9).all()
        assert (found.shares[..., 0] <= found.shares[..., 2] + 1e-9).all()
        assert list(found.fused) == ROWS[3:]
    # without the second modality fewer of the cases are right that it alone gets right
    rescued = [
        np.mean([found.fused[row][2] for each in modes.series if (found := only_one(modes, each))])
        for row in ("late", "late (second: shuffled)")
    ]
    assert rescued[0] > rescued[1]


def test_an_arm_on_other_units_is_not_paired() -> None:
    made = by_hand([True] * 4, [True] * 4, [True] * 4)
    late = made.outcome.arms[2].key
    frame = made.predictions
    other = frame.assign(unit=frame["unit"].where(frame["arm"] != late, frame["unit"] + "x"))
    modes = modes_of(made.outcome, other)
    found = only_one(modes, modes.series[0])
    assert found is not None
    assert found.fused == {}
    figure = only_one_figure(modes)
    assert figure is not None
    assert len(figure.axes) == 1


def test_only_one_shows_each_group_beside_what_fusion_makes_of_it(modes: Modes) -> None:
    figure = only_one_figure(modes, ("benign", "malignant"))
    assert figure is not None
    assert len(figure.axes) == 2 * len(modes.series)
    for at, series in enumerate(modes.series):
        left, right = figure.axes[2 * at : 2 * at + 2]
        found = only_one(modes, series)
        assert found is not None
        assert left.get_title() == series.label
        labels = [label.get_text() for label in left.get_yticklabels()]
        assert labels[1].startswith("only bmode right (")
        assert f"{found.counts[1]:.1f}".removesuffix(".0") in labels[1]
        texts = [text.get_text() for text in right.texts]
        assert texts[0] == f"{100 * found.fused['early'][0]:.0f} %"
        assert len(texts) == 4 * len(found.fused)
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["benign", "malignant", "all"]
    assert "only bmode or only elasticity" in figure.get_suptitle()


def test_only_one_needs_both_modalities() -> None:
    made = small("bmode", "late")
    assert only_one_figure(made_modes(made)) is None
    assert only_one_figure(modes_of(small().outcome, EMPTY)) is None


def test_many_heads_are_cut_and_the_captions_say_so() -> None:
    made = small("bmode", "elasticity", heads=[f"head {at}" for at in range(8)], patients=12)
    modes = made_modes(made)
    assert len(modes.series) == MOST_SERIES
    for figure in (
        modes_figure(made.outcome, modes),
        roc_modes_figure(modes),
        operating_figure(modes),
        only_one_figure(modes),
    ):
        assert figure is not None
        assert f"{MOST_SERIES} of 8 settings" in figure.get_label()
        assert f"{MOST_SERIES} of 8 settings" in figure.get_suptitle()


def test_they_stand_after_the_arms_of_their_study_alone() -> None:
    made = small(heads=("fc", "gap"))
    fusion, frames = studies()["fusion"], Frames(made.predictions)
    drawn = figures_of(made.outcome, frames, fusion.figures(made.outcome, frames))
    own = ["modes", "roc_modes", "operating", "only_one"]
    assert list(drawn)[:5] == ["arms", *own]
    assert "roc" in drawn
    for name in own:
        assert len(drawn[name].get_label()) > 40
        assert figure_bytes(drawn[name], "svg").startswith(b"<?xml")
    assert not set(own) & set(figures_of(made.outcome, frames))
    of_table = figures_of(made.outcome, Frames(), fusion.figures(made.outcome, Frames()))
    assert set(own) & set(of_table) == {"modes", "operating"}
