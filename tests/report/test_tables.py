"""The ablation table in its five formats: what a reader sees, and that nothing is hidden."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import io
import math
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from abl.errors import InputError
from abl.plan.facts import Facts
from abl.plan.outcome import ArmOutcome, Cell, Comparison, Outcome
from abl.report.numbers import scale_of
from abl.report.tables import FORMATS, printed, table_of
from abl.report.tables.model import Table, number_column, table_from, text_column
from abl.report.tables.render import display_width, latex_escaped

NAN = math.nan
METRICS = ("accuracy", "auc", "share")


def cell(mean: float, sd: float = 0.013, count: int = 3, undefined: int = 0) -> Cell:
    return Cell(mean, sd, mean - 0.032, mean + 0.029, count, undefined)


def arm(key: str, rule: str, consensus: int | str = "", **changes: object) -> ArmOutcome:
    plain = ArmOutcome(
        key=key,
        params={"network": "cnn1", "consensus": consensus, "rule": rule},
        cells={"accuracy": cell(0.842), "auc": cell(0.913), "share": cell(0.38)},
        replicates=pd.DataFrame({"repeat": [0, 1, 2], "fold": 0, "seed": 0}),
    )
    return dataclasses.replace(plain, **changes)


def outcome(*arms: ArmOutcome, **changes: object) -> Outcome:
    plain = Outcome(
        name="threshold",
        key="0" * 64,
        study="two_step",
        title="Two-step decision",
        axes=("network", "consensus", "rule"),
        metrics=METRICS,
        primary="accuracy",
        curve_axis="threshold",
        arms=arms,
    )
    return dataclasses.replace(plain, **changes)


def compared(verdict: str = "undecided", p: float = 0.21, base: str = "base") -> Comparison:
    return Comparison(base, 0.021, -0.004, 0.047, p / 2, p, verdict)


def text_row(text: str, word: str) -> str:
    """The first row with this word, below the headings."""
    lines = text.splitlines()
    first = next(at for at, line in enumerate(lines) if line.startswith("─"))
    return next(line for line in lines[first + 1 :] if word in line)


def csv_rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


class Cells(html.parser.HTMLParser):
    """Texts of th and td by row, and every tag seen."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self._in_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def html_cells(text: str) -> Cells:
    cells = Cells()
    cells.feed(text)
    return cells


class TestOneClass:
    def test_equivalent_stands_with_its_note_alone(self) -> None:
        base = arm("base", "true")
        arms = [base, *(arm(k, k, comparison=compared("equivalent")) for k in ("none", "all"))]
        sweep = outcome(*arms, facts=Facts(one_class={"all": 3}))
        cells = {row[0].text: row for row in table_of(sweep).rows}
        assert cells["none"][3].marks == ()
        (mark,) = cells["all"][3].marks
        assert mark in cells["all"][1].marks
        notes = {note.mark: note.text for note in table_of(sweep).notes}
        assert notes[mark] == "predicts one class only"

    def test_a_base_that_says_one_class_to_all_is_told_of_at_the_verdict(self) -> None:
        arms = [arm("base", "true"), arm("a", "a", comparison=compared("equivalent"))]
        table = table_of(outcome(*arms, facts=Facts(one_class={"base": 2})))
        (mark,) = table.rows[1][3].marks
        notes = {note.mark: note.text for note in table.notes}
        assert notes[mark] == "the base predicts one class only in 2 of 3 replicates"
        assert table.rows[1][1].marks == ()


class TestNumbers:
    @pytest.mark.parametrize("format", ["text", "md", "html"])
    def test_estimate_and_interval_in_per_cent(self, format: str) -> None:
        shown = printed(table_of(outcome(arm("a", "true", 3))), format)
        shown = re.sub("</?span[^>]*>", "", shown)
        assert "±" not in shown
        for expected in (
            "84.2 [81.0, 87.1]",
            "91.3 [88.1, 94.2]",
            "38.0 [34.8, 40.9]",
            "ACC, %",
            "AUC, %",
            "sent on, %",
        ):
            assert expected in shown

    def test_fractions_keep_the_same_precision(self) -> None:
        shown = printed(table_of(outcome(arm("a", "true")), per_cent=False), "text")
        assert "0.842 [0.810, 0.871]" in shown
        assert "0.913 [0.881, 0.942]" in shown
        assert "%" not in shown.splitlines()[2]

    def test_decimals_that_are_asked_for_are_those_printed(self) -> None:
        arms = outcome(arm("a", "true"))
        shown = printed(table_of(arms, per_cent=False, decimals=4), "text")
        assert "0.8420 [0.8100, 0.8710]" in shown
        assert scale_of("loss", [0.5], per_cent=True, decimals=3).number(0.51234) == "0.512"

    def test_decimals(self) -> None:
        assert "84.20 [81.00, 87.10]" in printed(
            table_of(outcome(arm("a", "true")), decimals=2), "text"
        )

    def test_the_spread_is_a_choice_and_may_have_the_interval_beside_it(self) -> None:
        sweep = outcome(arm("a", "true"))
        spread = printed(table_of(sweep, spread=True), "text")
        assert "84.2 ± 1.3" in spread
        assert "[81.0, 87.1]" not in text_row(spread, "true")
        both = printed(table_of(sweep, spread=True, intervals=True), "text")
        assert "84.2 ± 1.3" in both
        assert "[81.0, 87.1]" in text_row(both, "true")
        # an option of earlier versions changes nothing where there is no spread
        assert table_of(sweep, intervals=True) == table_of(sweep)

    def test_a_small_spread_is_not_written_as_none(self) -> None:
        cells = {name: cell(0.842, sd=0.0003) for name in METRICS}
        shown = printed(table_of(outcome(arm("a", "true", cells=cells)), spread=True), "text")
        assert "84.2 ± <0.1" in shown
        assert "± 0.0" not in shown

    def test_a_slope_is_no_share(self) -> None:
        sweep = outcome(
            arm("a", "true", cells={"calibration_slope": cell(0.9), "kilograms": cell(70.0)}),
            metrics=("calibration_slope", "kilograms"),
            primary="kilograms",
        )
        shown = printed(table_of(sweep), "text")
        assert "0.900 [0.868, 0.929]" in shown
        assert "70.000 [69.968, 70.029]" in shown

    @given(st.floats(-1, 1), st.integers(0, 4))
    def test_no_negative_zero_and_right_value(self, value: float, decimals: int) -> None:
        scale = scale_of("accuracy", [value], per_cent=True, decimals=decimals)
        for shown in (scale.number(value), scale.difference(value)):
            assert abs(float(shown.replace("−", "-")) - 100 * value) <= 0.51 * 10**-decimals
            assert not re.fullmatch(r"[−+-]0(\.0*)?", shown)

    def test_chosen_thresholds_are_shown_with_their_spread(self) -> None:
        replicates = pd.DataFrame({"repeat": [0, 1], "threshold": [0.55, 0.9]})
        sweep = outcome(arm("a", "model1", replicates=replicates), arm("b", "original"))
        shown = printed(table_of(sweep), "text")
        assert "0.55–0.9" in text_row(shown, "model1")
        assert "T* chosen" in shown

    @pytest.mark.parametrize("always", [math.inf, 1.001])
    def test_a_threshold_above_every_confidence_is_always(self, always: float) -> None:
        replicates = pd.DataFrame({"repeat": [0, 1], "threshold": [0.9, always]})
        shown = printed(table_of(outcome(arm("a", "model1", replicates=replicates))), "text")
        assert "0.9–always" in text_row(shown, "model1")


class TestHonesty:
    @pytest.mark.parametrize("format", ["text", "md", "latex", "html"])
    def test_undefined_replicates_are_said(self, format: str) -> None:
        odd = {**arm("a", "true").cells, "auc": cell(0.7, count=2, undefined=1)}
        none = {**odd, "auc": Cell(NAN, NAN, NAN, NAN, 0, 3)}
        sweep = outcome(arm("a", "true", cells=odd), arm("b", "average", cells=none))
        shown = printed(table_of(sweep), format)
        assert "over 2 of 3 replicates, undefined in the others" in shown
        dash = "--" if format == "latex" else "–"
        assert f"{dash} (0 of 3 replicates)" in shown

    def test_marks_lead_to_their_notes(self) -> None:
        odd = {**arm("a", "true").cells, "auc": cell(0.7, count=2, undefined=1)}
        shown = printed(table_of(outcome(arm("a", "true", cells=odd))), "text")
        mark = re.search(r"70\.0 \[66\.8, 72\.9\] (\w)", shown)
        assert mark is not None
        assert f"\n{mark[1]}  over 2 of 3 replicates" in shown

    def test_nan_is_a_dash(self) -> None:
        cells = {**arm("a", "true").cells, "auc": Cell(NAN, NAN, NAN, NAN, 0)}
        shown = printed(table_of(outcome(arm("a", "true", cells=cells)), intervals=True), "text")
        assert "nan" not in shown.lower()
        assert "–" in text_row(shown, "true")

    @pytest.mark.parametrize("format", FORMATS)
    def test_a_failed_arm_is_a_row_that_says_why(self, format: str) -> None:
        broken = arm("b", "model1", 3, cells={}, failed="train 3fa2: out of memory")
        shown = printed(table_of(outcome(arm("a", "true"), broken)), format)
        assert "failed" in shown
        assert "train 3fa2: out of memory" in shown
        assert "model1" in shown

    def test_all_arms_failed_without_any_metric(self) -> None:
        broken = arm("b", "model1", cells={}, failed="no GPU")
        shown = printed(table_of(outcome(broken, metrics=(), curve_axis="")), "text")
        assert "failed: no GPU" in shown

    def test_a_single_replicate_has_no_sd(self) -> None:
        cells = {name: cell(0.8, sd=NAN, count=1) for name in METRICS}
        once = pd.DataFrame({"repeat": [0], "fold": 0, "seed": 7})
        sweep = outcome(arm("a", "true", cells=cells, replicates=once))
        shown = printed(table_of(sweep, spread=True), "text")
        assert "±" not in shown
        assert "80.0" in shown
        assert "One replicate, one split (fold 0) and one seed (7): there is no standard" in shown
        assert "What other splits and seeds would give is not in it" in " ".join(
            printed(table_of(sweep), "text").split()
        )

    def test_no_words_of_no_effect(self) -> None:
        arms = [arm("base", "original"), arm("a", "true", comparison=compared())]
        for format in FORMATS:
            shown = printed(table_of(outcome(*arms)), format).lower()
            assert "no effect" not in shown
            assert "not significant" not in shown
        assert "undecided" in printed(table_of(outcome(*arms)), "text")

    def test_comparison_columns(self) -> None:
        arms = [arm("base", "original"), arm("a", "true", comparison=compared("better", 0.0004))]
        shown = printed(table_of(outcome(*arms)), "text", width=200)
        row = text_row(shown, "true")
        assert "+2.1 [−0.4, 4.7]" in row
        assert "<0.001" in row
        assert re.match(
            r"true +84\.2 \[81\.0, 87\.1\] +\+2\.1 \[−0\.4, 4\.7\] +better +<0\.001", row
        )
        assert "to the base (original)" in shown  # by what tells it apart and not by its key
        without = printed(table_of(outcome(arm("base", "original"))), "text")
        assert "verdict" not in without

    def test_several_bases_are_named_in_their_rows(self) -> None:
        arms = [
            arm("base", "original"),
            arm("other", "average"),
            arm("a", "true", comparison=compared()),
            arm("b", "model2", comparison=compared(base="other")),
        ]
        shown = printed(table_of(outcome(*arms)), "text", width=200)
        assert "original" in text_row(shown, "true")
        assert "average" in text_row(shown, "model2")

    def test_best_and_tied(self) -> None:
        arms = [arm("a", "true", best=True), arm("b", "average", tied=True), arm("c", "original")]
        sweep = outcome(*arms)
        plain = printed(table_of(sweep), "text")
        assert "84.2 [81.0, 87.1] *" in text_row(plain, "true")
        assert "84.2 [81.0, 87.1] †" in text_row(plain, "average")
        assert not set("*†") & set(text_row(plain, "original"))
        assert "\n*  best arm on ACC" in plain
        assert "\n†  may be the best, too" in plain
        coloured = printed(table_of(sweep), "text", colour=True)
        assert "\x1b[1m" in text_row(coloured, "true")
        assert "\x1b[1m" not in text_row(coloured, "average")
        assert "\x1b" not in plain
        assert "**84.2 [81.0, 87.1]**" in printed(table_of(sweep), "md")
        assert r"\textbf{84.2 {[}81.0, 87.1{]}}" in printed(table_of(sweep), "latex")
        assert '<strong>84.2</strong> <span class="ends">[81.0, 87.1]</span>' in printed(
            table_of(sweep), "html"
        )

    def test_notes_of_the_study_are_printed(self) -> None:
        sweep = outcome(arm("a", "true"), notes=("35 patients are few.",))
        for format in ("text", "md", "latex", "html"):
            assert "35 patients are few." in printed(table_of(sweep), format)


class TestText:
    @pytest.mark.parametrize("width", [80, 100, 160])
    def test_fits_the_terminal_and_loses_nothing(self, width: int) -> None:
        arms = [
            arm(f"k{n}", rule, n, comparison=compared())
            for n in (1, 3, 5)
            for rule in ("model1", "model2")
        ]
        shown = printed(table_of(outcome(*arms)), "text", width=width)
        assert max(display_width(line) for line in shown.splitlines()) <= width
        assert shown.count("84.2 [81.0, 87.1]") == len(arms)
        assert shown.count("+2.1 [−0.4, 4.7]") == len(arms)

    def test_means_line_up(self) -> None:
        wide = {**arm("a", "true").cells, "accuracy": Cell(0.5, 0.12, 0.05, 1.0, 3)}
        bare = {**arm("a", "true").cells, "accuracy": Cell(0.25, 0.12, NAN, NAN, 3)}
        sweep = outcome(
            arm("a", "model1", cells=wide), arm("b", "true"), arm("c", "average", cells=bare)
        )
        shown = printed(table_of(sweep), "text")
        (ends,) = {
            text_row(shown, rule).index(mean)
            for rule, mean in (("model1", "50.0"), ("true", "84.2"), ("average", "25.0"))
        }
        assert ends > 0
        shown = printed(table_of(sweep, spread=True), "text")
        assert text_row(shown, "model1").index("±") == text_row(shown, "true").index("±")

    def test_wide_characters_count_twice(self) -> None:
        sweep = outcome(arm("a", "真"), arm("b", "xx"))
        shown = printed(table_of(sweep), "text")
        wide, plain = text_row(shown, "真"), text_row(shown, "xx")
        assert display_width(wide.split("84.2")[0]) == display_width(plain.split("84.2")[0]) > 0

    def test_control_characters_do_not_reach_the_terminal(self) -> None:
        nasty = arm("a", "x\x1b[2J\ny", cells={}, failed="line one\nline\x07 two")
        shown = printed(table_of(outcome(nasty)), "text")
        assert not {"\x1b", "\x07"} & set(shown)
        assert "line one line two" in shown


class TestCsv:
    @given(st.floats(0, 1), st.floats(0, 1), st.integers(0, 100))
    def test_exact_numbers_whatever_is_shown(self, mean: float, sd: float, undefined: int) -> None:
        cells = {**arm("a", "true").cells, "auc": Cell(mean, sd, mean, mean, 3, undefined)}
        sweep = outcome(arm("a", "true", cells=cells))
        row = csv_rows(printed(table_of(sweep, per_cent=True, decimals=0), "csv"))[0]
        assert float(row["auc_mean"]) == mean
        assert float(row["auc_sd"]) == sd
        assert int(row["auc_undefined"]) == undefined
        assert row["rule"] == "true"

    def test_undefined_is_empty_and_the_failed_arm_has_its_reason(self) -> None:
        cells = {**arm("a", "true").cells, "auc": Cell(NAN, NAN, NAN, NAN, 0, 3)}
        broken = arm("b", 'a "quoted", name', cells={}, failed="disk, full")
        rows = csv_rows(printed(table_of(outcome(arm("a", "true", cells=cells), broken)), "csv"))
        assert rows[0]["auc_mean"] == ""
        assert rows[0]["auc_undefined"] == "3"
        assert rows[1]["rule"] == 'a "quoted", name'
        assert rows[1]["failed"] == "disk, full"


SPECIAL = r"50% & _a_ #1 ${x}^2 ~ \y <z> | [1] *"


class TestMarkup:
    def test_latex_structure(self) -> None:
        arms = [arm("base", "original"), arm("a", SPECIAL, comparison=compared())]
        sweep = outcome(*arms, title=SPECIAL, name="my_sweep 1", notes=(SPECIAL,))
        shown = printed(table_of(sweep), "latex")
        for command in (r"\toprule", r"\midrule", r"\bottomrule", r"\end{tabular}", r"\end{table}"):
            assert shown.count(command) == 1
        assert r"\label{tab:my-sweep-1}" in shown
        spec = re.search(r"\\begin\{tabular\}\{([lr]+)\}", shown)
        assert spec is not None
        body = shown[shown.index(r"\toprule") : shown.index(r"\bottomrule")]
        rows = [line for line in body.splitlines() if line.endswith(r"\\")]
        assert len(rows) == 3
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == len(spec[1]) - 1

    @given(st.text(st.characters(min_codepoint=32, max_codepoint=126)))
    def test_latex_escapes_every_special(self, text: str) -> None:
        escaped = latex_escaped(text)
        for command in ("textbackslash", "textasciitilde", "textasciicircum"):
            escaped = escaped.replace(f"\\{command}{{}}", "")
        escaped = re.sub(r"\\text(less|greater|bar)\{\}", "", escaped)
        escaped = re.sub(r"\{([\[\]*])\}", "", escaped)
        bare = re.sub(r"\\[{}$&%#_]", "", escaped)
        assert not set(bare) & set('\\{}$&%#_~^<>|[]*"')

    def test_markdown_keeps_its_columns(self) -> None:
        arms = [arm("a", SPECIAL), arm("b", "true", cells={}, failed="x | y")]
        lines = printed(table_of(outcome(*arms)), "md").splitlines()
        table = [line for line in lines if line.startswith("|")]
        assert len(table) == 4
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in table} == {1 + len(METRICS) + 1}
        assert "<z>" not in "\n".join(lines)

    def test_html_is_self_contained_and_escaped(self) -> None:
        evil = "<script>alert(1)</script>"
        sweep = outcome(arm("a", evil), title=evil, notes=(evil,))
        shown = printed(table_of(sweep), "html")
        cells = html_cells(shown)
        tags = {tag for tag, _ in cells.tags}
        assert "script" not in tags
        assert not {"link", "img"} & tags
        assert not re.search(r"https?://|@import|url\(", shown)
        assert evil in cells.rows[1][0]
        assert "prefers-color-scheme: dark" in shown
        assert 'name="viewport"' in shown

    def test_html_cells_are_the_text_cells(self) -> None:
        sweep = outcome(arm("a", "true", 3), arm("b", "original"))
        cells = html_cells(printed(table_of(sweep), "html"))
        assert cells.rows[1] == [
            "consensus 3 · true",
            "84.2 [81.0, 87.1]",
            "91.3 [88.1, 94.2]",
            "38.0 [34.8, 40.9]",
        ]
        assert {len(row) for row in cells.rows} == {4}


@pytest.mark.parametrize("format", FORMATS)
def test_same_bytes_each_time(format: str) -> None:
    def shown() -> str:
        odd = {**arm("a", "true").cells, "auc": cell(0.7, count=2, undefined=1)}
        arms = [arm("base", "original"), arm("a", "true", cells=odd, comparison=compared())]
        return printed(table_of(outcome(*arms), intervals=True), format)

    assert shown() == shown()
    assert shown().endswith("\n")


def test_unknown_format_says_what_to_type() -> None:
    with pytest.raises(InputError, match="did you mean 'latex'"):
        printed(table_of(outcome(arm("a", "true"))), "latx")


def test_no_arms_is_still_a_table() -> None:
    for format in FORMATS:
        assert printed(table_of(outcome()), format)


class TestWrappedText:
    ROWS = tuple(
        {"rater": rater, "treatment": treatment, "value": at / 7, "note": note}
        for at, (rater, treatment, note) in enumerate(
            [("A", "aided", ""), ("A", "unaided", "much later"), ("arm", "", "")]
        )
    )

    def blocks(self, width: int) -> list[list[str]]:
        columns = [
            text_column("rater"),
            number_column("value", "{:.6f}".format),
            text_column("treatment"),
            text_column("note"),
        ]
        shown = printed(table_from("t", "title", columns, self.ROWS), "text", width=width)
        return [block.splitlines() for block in shown.strip().split("\n\n")[1:]]

    def test_each_block_names_its_rows_and_leaves_out_those_without_a_word(self) -> None:
        first, second = self.blocks(width=30)
        assert first[0].split() == ["rater", "treatment", "value"]
        assert [line.split()[:-1] for line in first[2:]] == [
            ["A", "aided"],
            ["A", "unaided"],
            ["arm"],
        ]
        assert second[0].split() == ["rater", "treatment", "note"]
        assert second[2:] == ["A      unaided    much later"]

    def test_a_table_that_fits_stays_in_its_order(self) -> None:
        (only,) = self.blocks(width=80)
        assert only[0].split() == ["rater", "value", "treatment", "note"]
        assert len(only) == 5


def test_a_column_over_runs_is_the_interval_of_student() -> None:
    values = [0.80, 0.84, 0.85, 0.79, 0.86]
    frame = pd.DataFrame({"repeat": 0, "fold": 0, "seed": range(5), "accuracy": values})
    five = arm("a", "original", replicates=frame)
    alone = arm("b", "true", replicates=frame.head(1))
    table = table_of(outcome(five, alone), runs=True, per_cent=False, decimals=4)
    rows = list(csv.DictReader(io.StringIO(printed(table, "csv"))))
    low, high = stats.t.interval(0.95, 4, np.mean(values), stats.sem(values))
    assert float(rows[0]["accuracy_runs_low"]) == pytest.approx(low)
    assert float(rows[0]["accuracy_runs_high"]) == pytest.approx(high)
    assert rows[1]["accuracy_runs_low"] in ("", "nan")
    text = printed(table, "text", width=400)
    assert f"0.8280 [{low:.4f}, {high:.4f}]" in text
    assert "Over runs: mean and 95 % interval (Student's t)" in text


def test_commands_in_a_note_are_code_and_nothing_else_is_markup() -> None:
    text = "run `abl sweep <b>` again & <i>look</i>: one ` alone stays"
    made = table_from("t", "T", [text_column("arm")], [], axis_count=1, notes=lambda: [text])
    table: Table = dataclasses.replace(made, lead=("See `abl ui`.",))
    page = printed(table, "html")
    assert "run <code>abl sweep &lt;b&gt;</code> again &amp; &lt;i&gt;look&lt;/i&gt;" in page
    assert "one ` alone stays" in page
    assert "<p>See <code>abl ui</code>.</p>" in page
    assert "`abl sweep <b>`" in printed(table, "text")
