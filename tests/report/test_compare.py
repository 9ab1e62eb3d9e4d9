"""What `abl compare` says of two arms: counts that add up, in every format."""

from __future__ import annotations

import base64
import csv
import io
import re

import numpy as np
import pandas as pd
import pytest

from abl.errors import InputError
from abl.report.pairs.compare import MOST_PICTURES, metrics_table, render_comparison
from abl.report.pairs.compare_pair import PairComparison, compared
from abl.report.prediction_frames import arm_tests
from abl.report.tables.render import display_width
from made_arms import made_frame

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
)


def pair_of(frame: pd.DataFrame, **changes: object) -> PairComparison:
    settings: dict = {
        "titles": ("made: average", "made: original"),
        "primary": "acc",
        "metrics": ["acc", "auc"],
        "classes": ("benign", "malignant"),
        "resamples": 200,
    }
    rows, other = arm_tests(frame, "a"), arm_tests(frame, "b")
    return compared(rows, other, **settings | changes)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return made_frame({"a": 1.6, "b": 0.2}, patients=40)


@pytest.fixture(scope="module")
def pair(frame: pd.DataFrame) -> PairComparison:
    return pair_of(frame)


def right(frame: pd.DataFrame, arm: str) -> pd.Series:
    part = frame[frame["arm"] == arm].set_index(["unit", "seed"])
    return ((part["p_1"] >= 0.5).astype(int) == part["label"]).sort_index()


def test_changed_images_are_those_that_only_one_arm_gets_right(
    frame: pd.DataFrame, pair: PairComparison
) -> None:
    a, b = right(frame, "a"), right(frame, "b")
    only_a, only_b = (a & ~b).groupby("unit").sum(), (b & ~a).groupby("unit").sum()
    changed = {unit for unit in only_a.index if only_a[unit] or only_b[unit]}
    assert {each.unit for each in pair.changed} == changed
    for each in pair.changed:
        assert (each.only_first, each.only_second) == (only_a[each.unit], only_b[each.unit])
        assert each.tested == 3
        own = frame[(frame["unit"] == each.unit) & (frame["arm"] == "b")]
        assert each.second == pytest.approx(own["p_1"].mean())


def test_images_of_as_many_replicates_are_in_the_order_of_their_change() -> None:
    def rows(p_of_label: list[float]) -> pd.DataFrame:
        label = np.array([0, 1] * 4)
        p_1 = np.where(label == 1, p_of_label, 1 - np.array(p_of_label))
        return pd.DataFrame({
            "repeat": 0, "fold": 0, "seed": 0, "unit": [f"{at}.png" for at in range(8)],
            "patient": [f"p{at}" for at in range(8)], "label": label, "p_0": 1 - p_1, "p_1": p_1,
        })  # fmt: skip

    first, second = rows([0.6, 0.9, 0.8, 0.7, 0.4, 0.1, 0.3, 0.2]), rows([0.4] * 4 + [0.6] * 4)
    pair = compared(
        first, second, titles=("a", "b"), primary="acc", metrics=[], classes=("smooth", "lobed")
    )
    assert [each.unit[0] for each in pair.changed] == [*"1230", *"4675"]
    head = render_comparison(pair, "text", width=400).partition("\n\n")[0].splitlines()
    assert head[3] == (
        "Changed most, right with A: 1.png (lobed; p(lobed) 0.90 with A, 0.40 with B), 2.png "
        "(smooth; p(lobed) 0.20 with A, 0.60 with B), 3.png (lobed; p(lobed) 0.70 with A, 0.40 "
        "with B)"
    )
    assert head[4].startswith("Changed most, right with B: 5.png (lobed; p(lobed) 0.10 with A")
    assert "<li>Changed most, right with B: 5.png" in render_comparison(pair, "html")


def test_replicate_counts_add_up_to_the_accuracies(
    frame: pd.DataFrame, pair: PairComparison
) -> None:
    acc = next(each for each in pair.metrics if each.metric == "acc")
    assert acc.first == pytest.approx(right(frame, "a").mean())
    assert acc.second == pytest.approx(right(frame, "b").mean())
    assert acc.difference == pytest.approx(acc.first - acc.second)
    assert acc.low < acc.difference < acc.high
    for each in pair.tests:
        total = each.both + each.only_first + each.only_second + each.neither
        assert total == pair.units == 80
        a = right(frame, "a").xs(each.seed, level="seed").sum()
        assert each.both + each.only_first == a
    assert sum(t.only_first for t in pair.tests) == sum(c.only_first for c in pair.changed)


def test_a_clear_difference_is_found_and_none_is_not(frame: pd.DataFrame) -> None:
    assert pair_of(frame).verdict == "better"
    assert pair_of(frame).p < 0.01
    same = pd.concat([frame[frame["arm"] == "a"], frame[frame["arm"] == "a"].assign(arm="b")])
    alike = pair_of(same, margin=0.02)
    assert alike.verdict == "same predictions"
    assert alike.changed == ()
    text = render_comparison(alike, "text")
    assert "no image changed" in text
    # a fact: neither an interval of the difference nor P
    acc = next(each for each in alike.metrics if each.metric == "acc")
    assert acc.difference == 0
    assert np.isnan([alike.p, acc.low, acc.high]).all()


def test_one_seed_speaks_of_its_networks_alone(frame: pd.DataFrame) -> None:
    one = pair_of(frame[frame["seed"] == 0], margin=0.001)
    assert one.verdict == "these networks differ"
    for format in ("text", "md", "html"):
        text = " ".join(render_comparison(one, format).split())
        assert "these networks differ" in text
        assert "three trainings of each arm" in text
    several = render_comparison(pair_of(frame), "text")
    assert "other patients and other trainings" in " ".join(several.split())


def test_turned_round_it_says_the_same_the_other_way(
    frame: pd.DataFrame, pair: PairComparison
) -> None:
    turned = pair_of(frame.assign(arm=frame["arm"].map({"a": "b", "b": "a"})))
    assert turned.verdict == "worse"
    assert turned.p == pair.p
    assert [t.only_first for t in turned.tests] == [t.only_second for t in pair.tests]
    assert {u.unit: u.only_first for u in turned.changed} == {
        u.unit: u.only_second for u in pair.changed
    }


def test_tests_within_a_replicate_say_when_they_ignore_clusters(pair: PairComparison) -> None:
    assert "ignores clusters" in render_comparison(pair, "text", width=200)
    single = pair_of(made_frame({"a": 1.0, "b": 0.5}, images=1, patients=60))
    assert "ignores clusters" not in render_comparison(single, "text", width=200)
    assert "McNemar P" in render_comparison(single, "text", width=200)


def test_three_classes_have_no_delong_and_the_probability_of_the_label() -> None:
    frame = made_frame({"a": 1.0, "b": 0.2})
    frame["label"] = np.where(frame["label"] == 1, 2, 0)
    three = frame.rename(columns={"p_1": "p_2"}).assign(p_1=0.0)
    pair = pair_of(three, metrics=["acc"])
    shown = render_comparison(pair, "text", width=200)
    assert "DeLong" not in shown
    assert "p(label)" in shown
    own = three[(three["unit"] == pair.changed[0].unit) & (three["arm"] == "a")]
    assert pair.changed[0].first == pytest.approx(own[f"p_{pair.changed[0].label}"].mean())


def test_what_is_no_metric_of_predictions_is_left_out() -> None:
    frame = made_frame({"a": 1.0, "b": 0.5}, patients=10, seeds=1)
    pair = pair_of(frame, metrics=["share", "calibration_slope", "auc"], resamples=20)
    assert [each.metric for each in pair.metrics] == ["acc", "calibration_slope", "auc"]


@pytest.mark.parametrize("format", ["text", "md", "html"])
def test_every_format_says_who_is_who(pair: PairComparison, format: str) -> None:
    shown = render_comparison(pair, format)
    for words in ("A: made: average", "B: made: original", "40 patients", "better", "both wrong"):
        assert words in shown
    assert shown.endswith("\n")


def test_csv_is_one_row_a_changed_image(pair: PairComparison) -> None:
    rows = list(csv.DictReader(io.StringIO(render_comparison(pair, "csv"))))
    assert [row["unit"] for row in rows] == [each.unit for each in pair.changed]
    assert [float(row["p_a"]) for row in rows] == [each.first for each in pair.changed]


@pytest.mark.parametrize("width", [60, 100, 160])
def test_text_fits_the_terminal(pair: PairComparison, width: int) -> None:
    shown = render_comparison(pair, "text", width=width)
    assert max(map(display_width, shown.splitlines())) <= width


def test_long_lists_are_cut_in_the_middle_and_say_so() -> None:
    frame = made_frame({"a": 0.3, "b": 0.2}, patients=200, seeds=1)
    pair = pair_of(frame, metrics=["acc"])
    shown = render_comparison(pair, "text")
    assert len(pair.changed) > 40
    assert f"{len(pair.changed) - 40} more" in shown
    assert pair.changed[0].unit in shown
    assert pair.changed[-1].unit in shown
    assert render_comparison(pair, "html").count(".png") >= len(pair.changed)


def test_pictures_go_into_the_page_both_ways_and_are_bounded() -> None:
    frame = made_frame({"a": 0.3, "b": 0.2}, patients=200, seeds=1)
    pair = pair_of(frame, metrics=["acc"])
    asked: list[str] = []

    def picture(unit: str) -> tuple[bytes, ...]:
        asked.append(unit)
        return (PNG,)

    page = render_comparison(pair, "html", picture=picture)
    assert page.count("data:image/png;base64,") == len(asked) == MOST_PICTURES
    assert "Right with A more often" in page
    assert "Right with B more often" in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_both_modalities_of_a_unit_are_shown(pair: PairComparison) -> None:
    page = render_comparison(pair, "html", picture=lambda unit: (PNG, PNG))
    assert page.count(", first image") == page.count(", second image") > 0
    assert page.count("data:image/png;base64,") == 2 * page.count(", first image")


def test_units_without_a_picture_are_in_the_table(pair: PairComparison) -> None:
    page = render_comparison(pair, "html", picture=lambda unit: ())
    assert "<img" not in page
    assert page.partition("changed<")[2].count(pair.changed[0].unit) == 1


def test_names_from_files_are_escaped(frame: pd.DataFrame) -> None:
    nasty = frame.assign(unit=frame["unit"].str.replace("images/", "<b>x\x1b"))
    pair = pair_of(nasty)
    assert "<b>" not in render_comparison(pair, "html", picture=lambda unit: (PNG,))
    assert "\x1b" not in render_comparison(pair, "text")


def test_unknown_format_is_told(pair: PairComparison) -> None:
    with pytest.raises(InputError, match=r"valid|did you mean"):
        render_comparison(pair, "latex")


def test_values_that_some_replicates_lack_say_over_how_many_they_are(frame: pd.DataFrame) -> None:
    silent = (frame["arm"] == "b") & (frame["seed"] > 0)
    p_1 = frame["p_1"].where(~silent, 0.4 * frame["p_1"])  # no image is called malignant
    made = frame.assign(p_1=p_1, p_0=1 - p_1)
    pair = pair_of(made, metrics=["acc", "ppv"])
    acc, ppv = pair.metrics
    assert (acc.first_defined, acc.second_defined, acc.both_defined) == (3, 3, 3)
    assert (ppv.first_defined, ppv.second_defined, ppv.both_defined) == (3, 1, 1)
    table = metrics_table(pair)
    cells = {row[0].text: row[1:4] for row in table.rows}
    assert [cell.marks for cell in cells["ACC, %"]] == [(), (), ()]
    assert [cell.marks for cell in cells["PPV, %"]] == [(), ("a",), ("a",)]
    text = " ".join(render_comparison(pair, "text", width=200).split())
    assert "a over 1 of 3 replicates, undefined in the others" in text
    # one network of B has a value: nothing is known of other trainings
    assert (
        "other patients and other trainings, but for PPV other patients and these trained networks."
    ) in text
    never = made.assign(p_1=p_1.where(made["arm"] == "a", 0.1), p_0=1 - p_1)
    never["p_0"] = 1 - never["p_1"]
    row = metrics_table(pair_of(never, metrics=["acc", "ppv"])).rows[1]
    assert [cell.text for cell in row[2:4]] == ["– (0 of 3 replicates)"] * 2
