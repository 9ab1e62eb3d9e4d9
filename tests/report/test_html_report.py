"""The report: one file that says what a reader of the sweep asks, and nothing from elsewhere."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from figure_frames import SWEEP, Made, made_sweep

from abl.plan.facts import Facts
from abl.plan.outcome import Outcome
from abl.report.figures.arms import Frames
from abl.report.figures.every import figures_of
from abl.report.page import html_report
from abl.report.page.checklist import TO_STATE, checklist
from abl.report.page.html_report import picture_source, report_page
from abl.report.page.report_facts import report_facts
from abl.report.page.weaknesses import readings_sentence, weaknesses
from abl.report.tables.model import Column, Table, TableCell
from abl.studies.contract import studies
from browsed import opened_browser, waited

EMPTY = pd.DataFrame()
TWO_STEP = studies()["two_step"]
CHROMIUM = shutil.which("chromium")
DRIVER = shutil.which("chromedriver")
ENVIRONMENT: dict[str, Any] = {
    "python": "3.11.9",
    "packages": {"abl": "0.1.0", "torch": "2.15.0"},
    "os": "Linux",
    "cpu": "A <processor>",
    "cpu_count": 8,
    "cpu_usable": 4,
    "memory_gib": 15.5,
    "gpus": [],
    "git": {
        "commit": "c0ffee" * 6 + "abcd",
        "dirty": True,
        "untracked": 1,
        "diff": "-old <b>\n+new </pre><script>alert(1)</script>",
        "diff_cut": False,
    },
}
SUMMARY = [
    {"role": "train", "centre": "", "patients": 30, "images": 60, "prevalence": 0.5},
    {"role": "test", "centre": "", "patients": 30, "images": 60, "prevalence": 0.5},
]


class Page(HTMLParser):
    """What a browser would find: tags, ids, links, text outside of style."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._inside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br", "link", "input", "source"):
            self._inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._inside.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._inside):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep(facts={"table": {"per_cent": True, "decimals": 1, "intervals": False}})


@pytest.fixture(scope="module")
def html(made: Made) -> str:
    return page(made)


@pytest.fixture(scope="module")
def parsed(html: str) -> Page:
    return Page(html)


def page(made: Made, **changes: Any) -> str:
    settings: dict[str, Any] = {
        "predictions": made.predictions,
        "networks": made.networks,
        "sweep_text": SWEEP,
        "environment": ENVIRONMENT,
        "data_summary": SUMMARY,
        "of_study": TWO_STEP.weaknesses,
    }
    if "figures" not in changes:
        frames = Frames(made.predictions, made.networks)
        settings["figures"] = figures_of(made.outcome, frames)
    return report_page(made.outcome, **{**settings, **changes})


def weak_points(made: Made, sweep: str = SWEEP, **facts: Any) -> str:
    known_facts = dataclasses.replace(made.outcome.facts, **facts)
    outcome = dataclasses.replace(made.outcome, facts=known_facts)
    known = report_facts(outcome, made.predictions, made.networks, sweep, SUMMARY)
    return " ".join(weaknesses(known, TWO_STEP.weaknesses(known).design))


def test_nothing_comes_from_elsewhere_and_nothing_runs(html: str, parsed: Page) -> None:
    assert {tag for tag, _ in parsed.tags} & {"link", "iframe", "object"} == set()
    scripts = re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)
    policy = next(a["content"] for _, a in parsed.tags if a.get("http-equiv"))
    for script in scripts:  # those that the policy names, and no others
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in str(policy)
    assert str(policy).count("sha256-") == len(scripts) == 2
    assert str(policy).startswith("default-src 'none'; img-src data:;")
    plain = html
    for script in scripts:
        plain = plain.replace(script, "")
    html = plain
    for tag, attributes in parsed.tags:
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            address = attributes.get(name)
            assert address is None or address.startswith(("data:image/", "#")), (tag, address)
        assert not any(name.startswith("on") for name in attributes)
    assert "@import" not in html
    assert not re.search(r"url\((?!['\"]?(#|data:))", html)


def test_the_page_is_small_enough_to_be_sent(html: str) -> None:
    assert len(html.encode()) < 3_000_000


def test_the_page_names_itself_and_its_links_lead_somewhere(parsed: Page) -> None:
    ids = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(a["href"])[1:] for tag, a in parsed.tags if tag == "a"]
    assert len(links) == 11
    assert set(links) <= set(ids)
    assert ("meta", {"name": "color-scheme", "content": "light dark"}) in parsed.tags
    assert any(a.get("name") == "viewport" for tag, a in parsed.tags if tag == "meta")


def test_every_figure_is_in_it_with_words_for_those_who_do_not_see_it(parsed: Page) -> None:
    pictures = [attributes for tag, attributes in parsed.tags if tag == "img"]
    assert len(pictures) == 12
    for attributes in pictures:
        assert len(str(attributes["alt"])) > 40
        assert str(attributes["src"]).startswith("data:image/svg+xml;base64,")


def test_a_large_svg_becomes_a_png(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = figures_of(made.outcome, Frames())["arms"]
    monkeypatch.setattr(html_report, "SVG_LIMIT_BYTES", 1000)
    assert picture_source(figure).startswith("data:image/png;base64,")


def test_a_figure_that_was_drawn_is_not_drawn_again(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure = figures_of(made.outcome, Frames())["arms"]

    def again(*_: object) -> bytes:
        raise AssertionError("drawn again")

    monkeypatch.setattr(html_report, "figure_bytes", again)
    files = {"svg": b"<svg/>", "png": b"png"}
    assert picture_source(figure, files) == "data:image/svg+xml;base64,PHN2Zy8+"
    monkeypatch.setattr(html_report, "SVG_LIMIT_BYTES", 1)
    assert picture_source(figure, files) == "data:image/png;base64,cG5n"


def test_what_the_user_wrote_is_shown_and_not_run(parsed: Page) -> None:
    assert "+new </pre><script>alert(1)</script>" in parsed.text
    assert "A <processor>" in parsed.text
    assert "phantom: {patients: 60, size: 64, seed: 7}" in parsed.text


def test_table_protocol_environment_and_digests_are_there(made: Made, parsed: Page) -> None:
    arm = made.outcome.arms[-1]
    for words in (
        f"{100 * arm.cells['acc'].mean:.1f}",
        "Draws 10,000 of the family's tests; 2,000 of patients, for metrics that are not smooth",
        "Axis threshold 0, 0.1, 0.2,",
        "torch 2.15.0",
        "4 of 8",
        "15.5 GiB",
        "c0ffeec0ffee",
        "1 untracked file",
        "Seeds: replicates 0, 1, 2",
        "Seeds: splits 5",
        "Seeds: generated images 7",
        arm.key,
        arm.stages[1],
        made.outcome.key,
    ):
        assert words in parsed.text, words


def test_the_page_says_how_often_the_test_set_was_read(parsed: Page) -> None:
    assert "5 arms on 3 replicates, 15 readings in all" in parsed.text


def test_sizes_of_the_splits_come_from_the_predictions(made: Made) -> None:
    facts = report_facts(made.outcome, made.predictions, made.networks, SWEEP)
    assert list(facts.sizes) == ["train", "validation", "test"]
    test = facts.sizes["test"]
    assert (test.patients, test.units, test.by_class) == (30, 60, (30.0, 30.0))


def test_sizes_come_from_the_summary_where_no_predictions_are(made: Made) -> None:
    rows = [
        {"role": "test", "centre": c, "patients": 5, "images": 9, "benign": 6, "malignant": 3}
        for c in "AB"
    ]
    size = report_facts(made.outcome, EMPTY, EMPTY, SWEEP, rows).sizes["test"]
    assert (size.patients, size.units, size.by_class) == (10, 18, (12.0, 6.0))


def test_weak_points_of_the_sweep(made: Made) -> None:
    said = weak_points(made)
    for words in (
        "One split only",
        "No external set",
        "generated",
        "Fewer than 50 patients in the test sets (30 in all)",
        "No controls among the arms",
        "selection: in_sample",
        "The best of 5 arms",
        "No margin is declared",
    ):
        assert words in said, words
    for words in ("by image", "Prevalence differs", "seeds:", "failed", "Near-duplicate"):
        assert words not in said, words


def test_weak_points_follow_what_the_sweep_does(made: Made) -> None:
    worse = SWEEP.replace("splits: {seed: 5}", "splits: {by: image}").replace(
        "patients: 60, size: 64, seed: 7}", "patients: 60, size: 64, seed: 7}\n  duplicates: report"
    )
    said = weak_points(made, worse)
    assert "Splits are by image" in said
    assert "Near-duplicate images" in said
    better = SWEEP + "margin: 0.02\noptions: {selection: out_of_fold}\n"
    said = weak_points(made, better, external=["centre B"])
    for words in ("No margin", "in_sample", "No external set"):
        assert words not in said
    one_seed = made_sweep(seeds=1)
    assert "1 seed: differences of initialisation" in weak_points(one_seed)


def test_controls_among_the_arms_are_seen(made: Made) -> None:
    first, *rest = made.outcome.arms
    control = dataclasses.replace(rest[0], params={**rest[0].params, "second": "matched"})
    outcome = dataclasses.replace(made.outcome, arms=(first, control, *rest[1:]))
    assert "No controls" not in weak_points(dataclasses.replace(made, outcome=outcome))


def test_prevalence_that_differs_is_told_with_its_numbers(made: Made) -> None:
    frame = made.predictions
    few = (frame["role"] == "test") & (frame["label"] == 0) & (frame["unit"] > "test020")
    said = weak_points(dataclasses.replace(made, predictions=frame[~few]))
    assert re.search(r"malignant 50 % in train, 7\d % in test", said)


def test_what_was_followed_of_a_published_protocol_is_told_and_nothing_else(
    made: Made, parsed: Page
) -> None:
    assert "Of the published protocol" not in parsed.text
    rows = [
        {"name": "no_validation", "sentence": "There is no validation part.", "by_test": ""},
        {"name": "selection_in_sample", "sentence": "Selected in sample.", "by_test": ""},
    ]

    def told(departures: list[dict[str, str]]) -> tuple[str, str]:
        facts = Facts(protocol="published", departures=departures)
        outcome = dataclasses.replace(made.outcome, facts=facts)
        text = Page(page(dataclasses.replace(made, outcome=outcome), figures={})).text
        known = report_facts(outcome, made.predictions, made.networks, SWEEP)
        return text, readings_sentence(known)

    text, read = told(rows)
    assert "Of the published protocol" in text
    assert "two_step, published protocol: no_validation, selection_in_sample" in text
    # said once, though the study would say it of any sweep
    assert text.count("There is no validation part.") == text.count("Selected in sample.") == 1
    assert "(selection: in_sample)" not in text
    assert "No setting, epoch or threshold was chosen by it" in read
    text, read = told([rows[0] | {"by_test": "the False threshold"}])
    assert "(selection: in_sample)" in text
    assert "Chosen by its labels, as published: the False threshold" in read
    assert "No setting" not in read
    assert "Of the published protocol" not in told([])[0]


def test_checklist_answers_what_the_sweep_knows_and_leaves_the_rest(made: Made) -> None:
    facts = report_facts(made.outcome, made.predictions, made.networks, SWEEP)
    items = {item.topic: item for item in checklist(facts, ENVIRONMENT)}
    assert 20 <= len(items) <= 40
    assert items["Ethics approval and consent"].status == TO_STATE
    division = items["Division into training, validation and test"]
    assert division.status == "answered by the sweep"
    assert "by patient" in division.answer
    assert "test: 30 patients, 60 images" in items["Sample size"].answer
    assert items["Sample size"].status == "answered in part"
    for item in items.values():
        assert item.answer or item.left, item.topic


def test_checklist_asks_for_the_origin_of_real_images(made: Made) -> None:
    real = SWEEP.replace("phantom: {patients: 60, size: 64, seed: 7}", "manifest: images.csv")
    facts = report_facts(made.outcome, made.predictions, made.networks, real)
    items = {item.topic: item for item in checklist(facts, {})}
    assert items["Reference standard, and who set it"].status == TO_STATE
    assert "eligibility criteria" in items["Eligibility, and how cases were selected"].left
    assert "generated" not in " ".join(weaknesses(facts))


def test_more_tables_are_shown_after_the_first(made: Made) -> None:
    extra = Table(
        name="x",
        title="How often each network was kept",
        columns=(Column("network", False), Column("times", True)),
        axis_count=1,
        rows=((TableCell("plain4"), TableCell("12")),),
        notes=(),
        raw_columns=(),
        raw_rows=(),
    )
    text = Page(page(made, more_tables=[extra], figures={})).text
    assert text.index("Two-step decision") < text.index("How often each network was kept")


def test_a_sweep_with_nothing_but_failures_still_has_its_report(made: Made) -> None:
    arms = tuple(
        dataclasses.replace(
            arm, cells={}, replicates=pd.DataFrame(), curve=None, comparison=None, failed="no GPU"
        )
        for arm in made.outcome.arms
    )
    outcome = dataclasses.replace(made.outcome, arms=arms, facts=Facts())
    text = Page(
        report_page(
            outcome,
            predictions=EMPTY,
            networks=EMPTY,
            sweep_text="not: [a sweep",
            environment={},
        )
    ).text
    assert "5 arms failed" in text
    assert "could not be read by this version" in text
    assert "0 readings in all" in text


def test_a_table_of_thousands_is_cut_and_says_so(made: Made) -> None:
    arm = made.outcome.arms[0]
    arms = tuple(dataclasses.replace(arm, key=f"{at:064d}") for at in range(700))
    outcome: Outcome = dataclasses.replace(made.outcome, arms=arms, curve_axis="")
    text = Page(
        report_page(
            outcome, predictions=EMPTY, networks=EMPTY, sweep_text=SWEEP, environment=ENVIRONMENT
        )
    ).text
    assert "20 of 700 arms: base and best" in text
    assert text.count(" to ") > 700 / 50
    assert "200 more arms" in text


def test_frames_in_another_order_give_the_same_page(made: Made) -> None:
    again = dataclasses.replace(
        made, predictions=made.predictions.iloc[np.arange(len(made.predictions))[::-1]]
    )
    assert page(again, figures={}) == page(made, figures={})


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")
def test_the_page_fits_a_phone(html: str, tmp_path: Path) -> None:
    webdriver = pytest.importorskip("selenium.webdriver")
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        phone = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
        driver.get((tmp_path / "report.html").as_uri())
        assert driver.execute_script("return document.documentElement.scrollWidth") <= 390
        every = "return [...document.images].every(image => image.naturalWidth > 0)"
        assert driver.execute_script(every)
        assert driver.get_log("browser") == []
    finally:
        driver.quit()


BOX_OF_LAST = """
const table = document.querySelector(arguments[0]);
const heads = [...table.querySelectorAll("thead th")];
const at = heads.findIndex(head => head.textContent.trim() === "verdict");
return [...table.rows].map(row => row.cells[at].getBoundingClientRect().right);
"""


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")
def test_the_answer_is_inside_the_window(html: str, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(html, encoding="utf-8")
    with opened_browser(tmp_path) as browser:
        browser.driver.set_window_size(1280, 900)
        browser.opens(tmp_path / "report.html")
        inner = browser.sees("window.innerWidth")
        ends = browser.driver.execute_script(BOX_OF_LAST, "#table table")
        assert all(0 < end <= inner for end in ends)
        assert browser.sees("document.querySelector('.answer').getBoundingClientRect().top") < 300


@pytest.mark.browser
@pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver")
def test_words_find_arms_among_many(made: Made, tmp_path: Path) -> None:
    arm = made.outcome.arms[1]
    arms = tuple(
        dataclasses.replace(arm, key=f"{at:064d}", params={"rule": f"r{at}", "size": at % 3})
        for at in range(120)
    )
    outcome = dataclasses.replace(made.outcome, arms=arms, axes=("rule", "size"))
    text = report_page(
        outcome, predictions=EMPTY, networks=EMPTY, sweep_text=SWEEP, environment=ENVIRONMENT
    )
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    with opened_browser(tmp_path) as browser:
        browser.opens(tmp_path / "report.html")
        rows = "[...document.querySelectorAll('.many-groups tbody tr')]"
        shown = f"{rows}.filter(row => row.checkVisibility())"
        assert browser.sees(f"{shown}.length") == 0
        browser.finds(".many-filter input").send_keys("r77")
        waited(lambda: browser.sees(f"{shown}.length") == 1, "not found")
        assert "r77" in browser.sees(f"{shown}[0].textContent")
        assert browser.sees("document.querySelector('.many-filter output').textContent") == "1 arms"
        assert browser.driver.get_log("browser") == []
