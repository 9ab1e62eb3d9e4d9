"""The report in a browser: what is pointed at is told, what is clicked is shown, at any width."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from figure_frames import SWEEP, Made, made_sweep
from PIL import Image

from abl.record.mlflow_runs import TRAINING_VIEW, experiment_named
from abl.record.mlflow_ui import start_ui
from abl.record.mlflow_writer import MlflowRecord
from abl.report.figures.arms import Frames
from abl.report.figures.every import figures_of
from abl.report.page.closer import LEARNING, THUMBNAILS
from abl.report.page.html_report import report_page
from browsed import NEEDS_BROWSER, Reader, opened_browser, waited

pytestmark = NEEDS_BROWSER
SIDE = 24
DRAWN = "document.getElementById('closer').dataset.drawn"
TOLD = "document.getElementById('vg-tooltip-element')?.textContent ?? ''"
SHOWN = "document.querySelector('#closer-image h3')?.textContent ?? ''"


@pytest.fixture(scope="module")
def made() -> Made:
    return made_sweep(facts={"table": {"per_cent": True, "decimals": 1, "intervals": False}})


@pytest.fixture(scope="module")
def report(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with curves, and a picture of each image."""
    units = made.predictions["unit"].astype(str).unique()
    learning = pd.DataFrame(
        {"arm": arm.key, "role": "original", "repeat": 0, "fold": 0, "seed": 0, "epoch": epoch,
         "train_loss": 1 / epoch, "validation_loss": 1.1 / epoch,
         "validation_accuracy": 0.5 + epoch / 10}
        for arm in made.outcome.arms for epoch in (1, 2, 3)
    )  # fmt: skip
    stream = io.BytesIO()
    Image.new("L", (SIDE, SIDE), 90).save(stream, "JPEG")
    pictures = pd.DataFrame({"unit": units, "jpeg": [stream.getvalue()] * len(units)})
    text = report_page(
        made.outcome,
        predictions=made.predictions,
        networks=made.networks,
        sweep_text=SWEEP,
        environment={},
        figures=figures_of(made.outcome, Frames(made.predictions, made.networks)),
        own_frames={LEARNING: learning, THUMBNAILS: pictures},
    )
    assert len(text.encode()) < 3_000_000
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with opened_browser(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture
def page(opened: Reader, report: Path) -> Iterator[Reader]:
    """The report in a window of 1280 px, drawn; nothing is complained of, nothing fetched."""
    opened.driver.set_window_size(1280, 900)
    yield shown(opened, report)
    fetched = "performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:'))"
    assert opened.sees(fetched) == []
    # of a policy that forbids something a browser complains here
    assert opened.driver.get_log("browser") == []


def shown(browser: Reader, report: Path) -> Reader:
    browser.driver.get("about:blank")
    browser.opens(report)
    waited(lambda: browser.sees(DRAWN), "not drawn")
    return browser


def seen(browser: Reader, selector: str) -> Any:
    """The first element, in the middle of the window."""
    found = browser.finds(selector)
    browser.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", found)
    return found


def points_at(browser: Reader, mark: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser.driver).move_to_element(mark).perform()


def clicks(browser: Reader, mark: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser.driver).move_to_element(mark).click().perform()


def count(browser: Reader, selector: str) -> int:
    return int(browser.sees(f"document.querySelectorAll({selector!r}).length"))


MARKS = {
    "roc": ".mark-symbol path",
    "scatter": ".mark-symbol path",
    "flow": ".mark-rect path",
}


@pytest.mark.parametrize("name", MARKS)
def test_a_mark_is_told_and_a_click_shows_its_image(page: Reader, made: Made, name: str) -> None:
    mark = seen(page, f"#closer-{name} {MARKS[name]}")
    points_at(page, mark)
    waited(lambda: "test case" in page.sees(TOLD), "nothing is told of a mark")
    clicks(page, mark)
    units = set(made.predictions["unit"].astype(str))
    waited(lambda: page.sees(SHOWN) in units, "a click shows no image")
    assert page.sees(SHOWN) in page.sees(TOLD)
    assert page.sees("document.querySelector('#closer-image img').naturalWidth") == SIDE
    assert count(page, "#closer-image tbody tr") == len(made.outcome.arms)


LEGENDS = {
    "roc": ("arms", ".mark-symbol path"),
    "scatter": ("true class", ".mark-symbol path"),
    "flow": ("arms", ".mark-rect path"),
    "curves": ("arms", ".mark-symbol path"),
    "axes": ("arms", ".mark-line path"),
}


@pytest.mark.parametrize("name", LEGENDS)
def test_a_name_in_a_legend_is_switched_off_and_on(page: Reader, name: str) -> None:
    legend, marks = LEGENDS[name]
    marks = f"#closer-{name} {marks}"
    before = count(page, marks)
    assert before > 0
    button = seen(page, f"#closer-{name} .legend[aria-label='{legend}'] button[aria-pressed=true]")
    button.click()
    waited(lambda: 0 < count(page, marks) < before, "nothing went")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    waited(lambda: count(page, marks) == before, "it did not come back")


LISTED = """[...document.querySelectorAll("#closer-curves .legend[aria-label=lines] [data-name]")]
.filter(button => button.offsetParent).map(button => button.dataset.name)"""


def test_a_legend_lists_the_lines_that_are_drawn(page: Reader) -> None:
    choice = "#closer-curves input[type=radio][value={}]"
    assert page.sees(LISTED) == ["train loss", "validation loss"]
    seen(page, choice.format("accuracy")).click()
    waited(lambda: page.sees(LISTED) == ["validation accuracy"], "it lists what was drawn before")
    seen(page, choice.format("loss")).click()
    waited(lambda: page.sees(LISTED) == ["train loss", "validation loss"], "it lists accuracy")


def test_arms_of_a_scatter_are_switched_on_beside_the_best(page: Reader) -> None:
    marks = "#closer-scatter .mark-symbol path"
    before = count(page, marks)
    seen(page, "#closer-scatter .legend[aria-label=arms] button[aria-pressed=false]").click()
    waited(lambda: count(page, marks) == 2 * before, "no further arm")


VALUES = "#closer-axes .layer_2_marks path"


def test_a_value_of_an_axis_switches_its_arms_off_and_on(page: Reader) -> None:
    lines = "#closer-axes .mark-line path"
    before = count(page, lines)
    value = seen(page, VALUES)
    clicks(page, value)
    waited(lambda: count(page, lines) < before, "its arms stay")
    clicks(page, seen(page, VALUES))
    waited(lambda: count(page, lines) == before, "its arms do not come back")


def test_no_text_of_the_page_is_evaluated(page: Reader) -> None:
    policy = page.sees("document.querySelector('meta[http-equiv]').content")
    assert "script-src 'sha256-" in policy
    assert "unsafe-eval" not in policy


@pytest.fixture
def phone(opened: Reader, report: Path) -> Iterator[Reader]:
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    yield shown(opened, report)
    opened.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert opened.driver.get_log("browser") == []


BOX = "document.querySelector({!r}).getBoundingClientRect()"


def test_on_a_phone_the_differences_fit_and_are_drawn_for_it(phone: Reader) -> None:
    place = "document.querySelector('#figure-differences .scroll')"
    assert phone.sees(f"{place}.scrollWidth <= {place}.clientWidth")
    assert phone.sees(f"{place}.scrollHeight <= {place}.clientHeight")
    box = phone.sees(BOX.format("#figure-differences img"))
    assert box["left"] >= 0
    assert box["right"] <= 390
    # at the size it was made for, so that its letters are of 8 points: not the wide one, shrunk
    drawn = phone.sees("document.querySelector('#figure-differences img').naturalWidth")
    assert drawn < 400
    assert box["width"] > 0.9 * drawn
    assert phone.sees("document.documentElement.scrollWidth") <= 390


VERDICT_ENDS = """
const table = document.querySelector("#table table");
const heads = [...table.querySelectorAll("thead th")];
const at = heads.findIndex(head => head.textContent.trim() === "verdict");
return [...table.rows].map(row => {
  const range = document.createRange();
  range.selectNodeContents(row.cells[at]);
  return range.getBoundingClientRect().right;
});
"""


def test_on_a_phone_difference_and_verdict_are_inside_the_window(
    opened: Reader, made: Made, tmp_path: Path
) -> None:
    arms = [
        dataclasses.replace(
            arm,
            comparison=arm.comparison
            and dataclasses.replace(arm.comparison, verdict="these networks differ"),
        )
        for arm in made.outcome.arms
    ]
    outcome = dataclasses.replace(made.outcome, arms=tuple(arms))
    none = pd.DataFrame()
    text = report_page(
        outcome, predictions=none, networks=none, sweep_text=SWEEP, environment={}
    )  # fmt: skip
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    metrics = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    opened.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    try:
        opened.opens(tmp_path / "report.html")
        ends = opened.driver.execute_script(VERDICT_ENDS)
    finally:
        opened.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert "these networks differ" in text
    assert max(ends) <= 390 - 12


WORD_LINES = """
return [...document.querySelectorAll("#table tbody th")].map(head => {
  const text = document.createTreeWalker(head, NodeFilter.SHOW_TEXT).nextNode();
  const at = text.data.indexOf("consensus");
  if (at < 0) return 0;
  const range = document.createRange();
  range.setStart(text, at);
  range.setEnd(text, at + "consensus".length);
  return range.getClientRects().length;
});
"""


def test_on_a_phone_words_of_an_arm_are_not_torn_apart(phone: Reader) -> None:
    assert set(phone.driver.execute_script(WORD_LINES)) == {0, 1}


@pytest.mark.parametrize("name", ["roc", "scatter", "flow", "axes"])
def test_on_a_phone_figures_fit(phone: Reader, name: str) -> None:
    place = f"document.getElementById('closer-{name}')"
    assert phone.sees(f"{place}.scrollWidth <= {place}.clientWidth")


def test_on_a_phone_the_image_comes_where_it_is_seen(phone: Reader) -> None:
    clicks(phone, seen(phone, "#closer-flow .mark-rect path"))
    waited(lambda: phone.sees(SHOWN), "a click shows no image")
    box = phone.sees(BOX.format("#closer-image"))
    assert 0 <= box["top"] < box["bottom"] <= 800
    phone.finds("#closer-image .close").click()
    there = "document.getElementById('closer-image').classList.contains('chosen')"
    waited(lambda: not phone.sees(there), "it stays")


def test_in_the_frame_of_mlflow_figures_answer_as_well(
    opened: Reader, report: Path, tmp_path: Path
) -> None:
    """MLflow shows a file in a frame without origin, which may run scripts and nothing else."""
    record = MlflowRecord(tmp_path / "mlruns")
    with record.client() as client:
        number = experiment_named(client, "a sweep", record.artifact_root)
        run = client.create_run(number).info.run_id
        client.log_artifact(run, str(report))
    opened.driver.set_window_size(1280, 900)
    with start_ui(record.root) as ui:
        opened.driver.get("about:blank")
        page = f"{ui.url}/#/experiments/{number}/runs/{run}/artifacts/report.html"
        opened.driver.get(f"{page}?{TRAINING_VIEW}")
        waited(lambda: opened.sees("document.querySelector('iframe[sandbox]')"), "no frame")
        opened.driver.switch_to.frame(opened.finds("iframe[sandbox]"))
        try:
            waited(lambda: opened.sees(DRAWN), "not drawn")
            mark = seen(opened, "#closer-flow .mark-rect path")
            points_at(opened, mark)
            waited(lambda: "test case" in opened.sees(TOLD), "nothing is told of a mark")
            clicks(opened, mark)
            waited(lambda: opened.sees(SHOWN), "a click shows no image")
            assert opened.sees("document.querySelector('#closer-image img').naturalWidth") == SIDE
            opened.finds("#closer-image .close").click()  # in so narrow a frame it lies below
            marks = "#closer-flow .mark-rect path"
            before = count(opened, marks)
            seen(opened, "#closer-flow .legend[aria-label=arms] button").click()
            waited(lambda: count(opened, marks) < before, "no arm went")
            place = "document.querySelector('#figure-differences .scroll')"
            assert opened.sees(f"{place}.scrollWidth <= {place}.clientWidth")
        finally:
            opened.driver.switch_to.default_content()
    opened.driver.get("about:blank")
    told = [each["message"] for each in opened.driver.get_log("browser")]
    assert not [line for line in told if "Content Security Policy" in line or "blob:" in line]
