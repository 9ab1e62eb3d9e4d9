"""Figures of the mask_guided study: maps, activation inside the nodule, placements, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.report.figures.arms import Frames, shown_arms
from abl.report.figures.every import figures_of
from abl.report.figures.maps import maps_figure
from abl.report.figures.predictions import MOST_MATRICES, confusion_figure
from abl.report.figures.style import SKY, figure_bytes, settle
from abl.report.pictures import (
    Picture,
    Pictures,
    Tile,
    pictures_from_bytes,
    pictures_to_bytes,
)
from abl.spec.sweep import Sweep
from abl.studies.contract import studies
from abl.studies.mask_guided.figures import (
    MOST_SERIES,
    inside_figure,
    placement_figure,
)
from abl.studies.mask_guided.pictures import MOST_COLUMNS, Seen, _cut, columns_of

SIZE = 24
CLASSES = ("benign", "malignant")
EMPTY = pd.DataFrame()
COMPARED = Comparison("variant none", 0.1, 0.0, 0.2, 0.04, 0.04, "better")


def cell(mean: float) -> Cell:
    return Cell(mean, 0.02, mean - 0.05, mean + 0.05, 3)


def arm(at: int, params: dict[str, str], *, inside: float = 0.3) -> ArmOutcome:
    replicates = pd.DataFrame(
        {"repeat": 0, "fold": 0, "seed": [0, 1, 2], "acc": 0.7, "inside": inside}
    )
    cells = {"acc": cell(0.6 + 0.01 * at), "inside": cell(inside)}
    compared = COMPARED if params["variant"] != "none" else None
    return ArmOutcome(f"arm{at:013d}", params, cells, replicates, comparison=compared)


def outcome(params: Sequence[dict[str, str]]) -> Outcome:
    rows = [arm(at, each) for at, each in enumerate(params)]
    rows[-1] = replace(rows[-1], best=True)
    area = {row.key: 0.2 for row in rows}
    facts = Facts(activation={"area": area}, classes=CLASSES, unit="image")
    return Outcome(
        "mask_guided", "f" * 64, "mask_guided", "Masks", ("variant", "placement"),
        ("acc", "inside"), "acc", "", tuple(rows), facts=facts,
    )  # fmt: skip


PLACED = ("blocks", "L1", "-L0", "all", "L0+L2", "-L1", "L0")
PARAMS = [{"variant": "none"}, *({"variant": "parallel", "placement": each} for each in PLACED)]


def predictions(made: Outcome, units: int = 12) -> pd.DataFrame:
    """Of each arm one more case is right than of the one before."""
    unit = np.arange(units)
    label = unit % 2
    frames = []
    for at, row in enumerate(made.arms):
        right = unit < 3 + at
        p = np.where(right, label, 1 - label) * 0.6 + 0.2
        frames.append(
            pd.DataFrame(
                {
                    "arm": row.key, "repeat": 0, "fold": 0, "seed": 0, "role": "test",
                    "unit": [f"u{each:02d}" for each in unit], "label": label,
                    "patient": [f"p{each}" for each in unit], "p_0": 1 - p, "p_1": p,
                }
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def square(left: int, top: int, side: int) -> np.ndarray:
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[top : top + side, left : left + side] = 255
    return mask


def picture(name: str = "one.png", why: str = "worst", *, tiles: int = 2) -> Picture:
    cam = np.zeros((3, 3), np.uint8)
    cam[0, 2] = 255
    plain, guided = Tile(cam, 0.25, 1), Tile(cam, 0.75, 1, square(6, 6, 10))
    pixels = np.random.default_rng(0).integers(0, 200, (1, SIZE, SIZE)).astype(np.uint8)
    return Picture(
        name, why, 0, pixels, (4.0, 5.0, 18.0, 17.0), square(5, 6, 11),
        (plain, guided, None)[:tiles],
    )  # fmt: skip


def pictures(*rows: Picture, columns: Sequence[str] = ("variant none", "parallel")) -> Pictures:
    return Pictures(tuple(columns), "parallel, all", rows or (picture(),), "2 of 9 arms")


def is_legible(figure: Figure) -> bool:
    """Whether all words fit on the figure and none is tiny."""
    settle(figure)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    for place in figure.axes:
        low, high = place.get_xlim()  # ticks beyond the ends are not drawn
        ticks = [each for each in place.get_xticklabels() if low <= each.get_position()[0] <= high]
        names = [] if not place.yaxis.get_visible() else place.get_yticklabels()
        drawn = [each for each in names if each.get_position()[1] in range(99)]
        for text in [place.title, place.yaxis.label, place.xaxis.label, *ticks, *drawn]:
            if not text.get_text() or not text.get_visible():
                continue
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            if not inside or text.get_fontsize() < 7:
                return False
    return True


def test_each_row_shows_the_frame_and_a_map_an_arm():
    figure = maps_figure(pictures(picture(), picture("two.png", "chosen")), CLASSES)
    assert figure is not None
    panels = [place for place in figure.axes if place.images]
    assert len(panels) == 2 * 3
    frame, base, guided = panels[:3]
    (box,) = [patch for patch in frame.patches if isinstance(patch, Rectangle)]
    assert (*box.get_xy(), box.get_width(), box.get_height()) == (4.0, 5.0, 14.0, 12.0)
    assert frame.get_ylabel() == "one.png\nbenign, worst"
    assert panels[3].get_ylabel() == "two.png\nbenign, chosen"
    assert base.get_title() == "variant none\n0.25"
    assert guided.get_title() == "parallel\n0.75"
    assert panels[4].get_title() == "0.25"
    # the true outline everywhere, the predicted one where there is one, and on the frame
    outlines = [[to_hex(each.get_edgecolor()[0]) for each in p.collections] for p in panels[:3]]
    assert outlines == [["#ffffff", SKY.lower()], ["#ffffff"], ["#ffffff", SKY.lower()]]
    assert "Activation for malignant" in figure.get_suptitle()
    assert "Shown: 2 of 9 arms." in str(figure.get_label())
    assert "largest cross-entropy of parallel, all" in str(figure.get_label())
    assert is_legible(figure)


def test_outlines_and_maps_lie_where_they_are_in_the_image():
    figure = maps_figure(pictures(), CLASSES)
    assert figure is not None
    _, base, guided = [place for place in figure.axes if place.images]
    true = base.collections[0].get_paths()[0].get_extents()
    assert (true.x0, true.y0, true.x1, true.y1) == pytest.approx((5, 6, 16, 17), abs=0.51)
    predicted = guided.collections[1].get_paths()[0].get_extents()
    assert (predicted.x0, predicted.y0, predicted.x1, predicted.y1) == pytest.approx(
        (6, 6, 16, 16), abs=0.51
    )
    heat = np.asarray(base.images[1].get_array())[..., 3]
    assert heat.shape == (SIZE, SIZE)
    assert heat[: SIZE // 3, -SIZE // 3 :].min() > 0
    assert heat[SIZE // 2 :].max() == 0


# the arms of the shipped sweep
SHIPPED = [
    ("none", "all", "predicted"),
    *((variant, "all", "predicted") for variant in ("channel", "spatial", "serial", "parallel")),
    *(("parallel", f"-L{at}", "predicted") for at in range(4)),
    *(("parallel", "all", mask) for mask in ("true", "ellipse", "full", "random")),
    *((variant, "all", "predicted") for variant in ("se", "cbam")),
]


def seen_arms(given: Sequence[tuple[str, str, str]]) -> list[Seen]:
    """Arms of (variant, placement, mask)."""
    found = []
    for at, (variant, points, mask) in enumerate(given):
        sweep = Sweep.model_validate(
            {
                "name": "x", "study": "mask_guided", "data": {"phantom": {}},
                "train": {"attention": {"variant": variant, "points": points, "mask": mask}},
            }
        )  # fmt: skip
        params = {"variant": variant, "placement": points, "mask": mask}
        found.append(Seen(arm(at, params), sweep, ()))
    return found


def shown_of(given: Sequence[tuple[str, str, str]], best: int) -> list[tuple[str, str, str]]:
    seen = seen_arms(given)
    return [given[seen.index(each)] for each in columns_of(seen, seen[best])]


@pytest.mark.parametrize("best", [4, 6, 14])
def test_base_variants_and_control_masks_have_columns_and_eight_arms_at_most(best: int):
    shown = shown_of(SHIPPED, best)
    assert len(shown) == MOST_COLUMNS == 8
    assert shown == [each for each in SHIPPED if each in shown]
    for variant in ("none", "channel", "spatial", "serial", "parallel"):
        assert (variant, "all", "predicted") in shown
    assert ("parallel", "all", "random") in shown
    assert ("parallel", "all", "full") in shown
    # of se and cbam one has a place: that of the best arm
    assert shown[-1][0] == ("cbam" if best == 14 else "se")


def test_with_room_every_control_mask_has_a_column_and_shows_the_best_arms_variant():
    masks = ("predicted", "true", "ellipse", "full", "random")
    given = [("none", "all", "predicted")]
    given += [(v, p, m) for v in ("spatial", "serial") for p in ("L0", "all") for m in masks]
    shown = shown_of(given, given.index(("serial", "L0", "predicted")))
    assert shown == [
        ("none", "all", "predicted"), ("spatial", "all", "predicted"),
        *(("serial", "all", mask) for mask in masks),
    ]  # fmt: skip


def test_control_masks_alone_are_still_one_arm_a_variant():
    given = [("spatial", "all", "true"), ("parallel", "all", "true"), ("parallel", "L0", "full")]
    assert shown_of(given, 1) == given


def test_the_caption_says_which_arms_are_shown():
    seen = seen_arms(SHIPPED)
    shown = columns_of(seen, seen[4])
    assert _cut(shown, len(seen), (), ()) == (
        "8 of 15 arms, one a variant, with modules at all points; control masks full, random"
    )
    made = pictures(columns=("variant none", "parallel"))
    figure = maps_figure(made, CLASSES)
    assert figure is not None
    assert "Arms without a dashed outline predict no mask" in str(figure.get_label())


def test_eight_columns_are_legible():
    columns = [", ".join(each) for each in SHIPPED if each in shown_of(SHIPPED, 4)]
    plain, guided = picture().tiles
    row = replace(picture(), tiles=(plain, *[guided] * 4, plain, plain, plain))
    figure = maps_figure(pictures(row, replace(row, name="2"), columns=columns), CLASSES)
    assert figure is not None
    assert len([place for place in figure.axes if place.images]) == 2 * 9
    assert figure.get_figwidth() < 15
    assert is_legible(figure)


def test_a_map_of_zeros_and_an_arm_without_one_say_so():
    zeros = Tile(np.zeros((3, 3), np.uint8), 0.1, 1)
    row = replace(picture(), tiles=(zeros, None))
    figure = maps_figure(pictures(row), CLASSES)
    assert figure is not None
    _, empty, missing = [place for place in figure.axes if place.images]
    assert empty.get_title() == "variant none\n0.10, no map"
    assert np.asarray(empty.images[1].get_array())[..., 3].max() == 0
    assert missing.get_title() == "parallel\nnot tested"
    assert len(missing.images) == 1


def test_of_three_classes_each_map_names_its_own():
    row = replace(picture(), tiles=(Tile(np.ones((2, 2), np.uint8), 0.5, 2), None))
    figure = maps_figure(pictures(row), ("a", "b", "c"))
    assert figure is not None
    assert figure.axes[1].get_title() == "variant none\n0.50 c"
    assert "the most probable class" in figure.get_suptitle()


def test_pictures_come_back_from_their_file():
    bare = replace(picture("b"), box=None, nodule=None, tiles=(None,) * 3)
    given = pictures(picture(tiles=3), bare, columns=("a", "b", "c"))
    found = pictures_from_bytes(pictures_to_bytes(given))
    assert (found.columns, found.worst_of, found.cut) == (given.columns, given.worst_of, given.cut)
    first, second = found.rows
    np.testing.assert_array_equal(first.pixels, given.rows[0].pixels)
    np.testing.assert_array_equal(first.nodule, given.rows[0].nodule)
    assert first.box == given.rows[0].box
    assert [each and each.p for each in first.tiles] == [0.25, 0.75, None]
    assert first.tiles[0] is not None
    assert first.tiles[0].mask is None
    np.testing.assert_array_equal(first.tiles[1].mask, given.rows[0].tiles[1].mask)
    assert (second.box, second.nodule, second.tiles) == (None, None, (None, None, None))
    drawn = [maps_figure(each, CLASSES) for each in (given, found)]
    assert figure_bytes(drawn[0], "svg") == figure_bytes(drawn[1], "svg")


def test_the_share_inside_stands_beside_that_of_a_flat_map():
    made = outcome(PARAMS)
    figure = inside_figure(made)
    assert figure is not None
    (place,) = figure.axes
    means = [line for line in place.lines if line.get_markerfacecolor() == "w"]
    assert [line.get_xdata()[0] for line in means] == [0.3] * len(PARAMS)
    behind = [line for line in place.lines if len(line.get_xdata()) == 3]
    assert len(behind) == len(PARAMS)  # three replicates each
    flat = [line for line in place.lines if line.get_linestyle() == "--"]
    assert {tuple(line.get_xdata()) for line in flat} == {(0.2, 0.2)}
    assert "a flat map: 0.200" in [text.get_text() for text in figure.legends[0].get_texts()]
    assert is_legible(figure)


def test_arms_without_maps_are_left_out_of_it():
    made = outcome(PARAMS)
    bare = [replace(each, cells={"acc": each.cells["acc"]}) for each in made.arms]
    assert inside_figure(replace(made, arms=tuple(bare))) is None
    figure = inside_figure(replace(made, arms=(*bare[:3], *made.arms[3:5])))
    assert figure is not None
    assert len(figure.axes[0].get_yticklabels()) == 2


def test_placements_stand_in_order_with_the_base_as_a_line():
    made = outcome(PARAMS)
    figure = placement_figure(made)
    assert figure is not None
    (place,) = figure.axes
    names = [label.get_text() for label in place.get_yticklabels()]
    assert names == ["all", "-L0", "-L1", "L0", "L1", "L0+L2", "blocks"]
    heights = {str(row.params["placement"]): row.cells["acc"].mean for row in made.arms[1:]}
    bars = [patch for patch in place.patches if isinstance(patch, Rectangle)]
    assert [bar.get_width() for bar in bars] == pytest.approx([heights[name] for name in names])
    (base,) = [line for line in place.lines if line.get_linestyle() == "--"]
    assert set(base.get_xdata()) == {0.6}
    assert place.get_xlim()[0] == 0
    assert is_legible(figure)


def test_the_value_of_a_bar_is_read_off_whatever_its_length():
    made = outcome(PARAMS)
    cells = {"acc": Cell(0.0, 0.0, 0.0, 0.11, 3)}
    arms = tuple(
        replace(arm, cells=cells) if arm.params.get("placement") == "L0" else arm
        for arm in made.arms
    )
    (place,) = placement_figure(replace(made, arms=arms)).axes
    rows = [label.get_text() for label in place.get_yticklabels()]
    (none,) = [text for text in place.texts if round(text.xy[1]) == rows.index("L0")]
    assert none.get_text() == "0.00"
    # dark and beyond the interval, where neither bar nor line is
    assert none.xy[0] == 0.11
    assert none.get_color() != "w"
    others = [text for text in place.texts if text is not none]
    assert {(text.get_color(), text.xy[0]) for text in others} == {("w", 0.0)}


def test_one_placement_is_no_figure_and_many_variants_are_cut():
    assert placement_figure(outcome(PARAMS[:2])) is None
    variants = ("parallel", "serial", "spatial", "channel", "cbam")
    many = [{"variant": v, "placement": p} for v in variants for p in ("all", "L0", "L1")]
    figure = placement_figure(outcome([{"variant": "none"}, *many]))
    assert figure is not None
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]
    assert len(bars) == 3 * MOST_SERIES
    assert f"{MOST_SERIES} of 5 variants" in figure.get_suptitle()
    # bars side by side do not overlap
    ends = sorted((bar.get_y(), bar.get_y() + bar.get_height()) for bar in bars)
    assert all(one[1] <= other[0] for one, other in pairwise(ends))


def test_confusion_is_in_per_cent_of_the_true_class():
    made = outcome(PARAMS[:3])
    shown = shown_arms(made, predictions(made), most=MOST_MATRICES)
    figure = confusion_figure(shown, CLASSES, counts=False)
    panels = [place for place in figure.axes if place.images]
    assert len(panels) == 3
    matrix = np.asarray(panels[0].images[0].get_array())
    np.testing.assert_allclose(matrix.sum(axis=1), 100)
    # of units 0, 1, 2 the base is right: two of six benign, one of six malignant
    np.testing.assert_allclose(matrix, [[100 / 3, 200 / 3], [500 / 6, 100 / 6]])
    assert [text.get_text() for text in panels[0].texts] == ["33 %", "67 %", "83 %", "17 %"]
    assert is_legible(figure)


def test_only_this_study_has_them_and_twelve_arms_at_most():
    params = [
        {"variant": "none"},
        *({"variant": "parallel", "placement": f"L{at}"} for at in range(15)),
    ]
    made = outcome(params)
    frame = predictions(made, units=40)
    frames, study = Frames(frame, pictures=pictures()), studies()["mask_guided"]
    drawn = figures_of(made, frames, study.figures(made, frames))
    assert list(drawn)[:5] == ["differences", "arms", "placement", "inside", "maps"]
    assert sum(bool(place.images) for place in drawn["confusion"].axes) == MOST_MATRICES
    assert f"{MOST_MATRICES} of 16 arms" in drawn["confusion"].get_suptitle()
    other = figures_of(made, frames)
    assert not {"placement", "inside", "maps"} & set(other)
    assert list(other)[-4:] == list(drawn)[-4:]
    assert "maps" not in figures_of(made, Frames(frame), study.figures(made, Frames(frame)))
