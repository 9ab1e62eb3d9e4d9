"""What a person sees in MLflow's UI, read from the rendered page."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from recorded_outcomes import predictions_file, threshold_outcome, training_history
from recorded_points import STATES, frames, searched

from abl.app.keeping import rendered
from abl.plan.outcome import Outcome
from abl.record.mlflow_arms import NOTE
from abl.record.mlflow_runs import TRAINING_VIEW
from abl.record.mlflow_ui import start_ui
from abl.record.mlflow_writer import STAGES, MlflowRecord
from abl.report.answer import answer_sentences
from abl.report.named import run_names, words_of
from abl.report.tables.render import markdown_escaped

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver"),
]

READABLE_S = 60.0


@dataclass
class Recorded:
    outcome: Outcome
    record: MlflowRecord
    url: str
    sweep: str
    training: str

    def page(self, experiment: str, run_id: str, tab: str) -> str:
        with self.record.client() as client:
            number = client.get_experiment_by_name(experiment).experiment_id
        return f"{self.url}/#/experiments/{number}/runs/{run_id}/{tab}?{TRAINING_VIEW}"

    def arm_run(self, row: int) -> str:
        with self.record.client() as client:
            number = client.get_experiment_by_name(self.outcome.name).experiment_id
            wanted = f'tags."abl.key" = "{self.outcome.arms[row].key}"'
            (run,) = client.search_runs([number], wanted)
        return str(run.info.run_id)


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recorded]:
    folder = tmp_path_factory.mktemp("browser")
    record, outcome = MlflowRecord(folder / "mlruns"), threshold_outcome()
    training = record.record_stage(
        outcome.arms[0].stages[0],
        name="train resnet18",
        kind="train",
        params={"train.network": "resnet18"},
        history=training_history(),
        predictions=predictions_file(folder),
    )
    sweep = record.record_outcome(
        outcome,
        sweep_file="name: threshold\n",
        rendered=rendered(outcome),
        arm_names=run_names(outcome),
        stage_runs={outcome.arms[0].stages[0]: training},
    )
    with start_ui(record.root) as ui:
        yield Recorded(outcome, record, ui.url, sweep, training)


@pytest.fixture
def empty_record(tmp_path: Path) -> MlflowRecord:
    return MlflowRecord(tmp_path / "mlruns")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument("--window-size=2200,1200")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


def eventually(browser: Any, found: Callable[[], Any], name: str) -> Any:
    """What `found` returns once it is true; a picture of the page in ABL_SCREENSHOTS either way."""
    deadline = time.monotonic() + READABLE_S
    value = found()
    while not value and time.monotonic() < deadline:
        time.sleep(0.25)
        value = found()
    if folder := os.environ.get("ABL_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))
    assert value, f"{name}: not on the page within {READABLE_S:.0f} s"
    return value


def texts(browser: Any, selector: str) -> list[str]:
    """The text of every element, read in one step: the page replaces elements as it loads."""
    script = "return [...document.querySelectorAll(arguments[0])].map(e => e.innerText.trim())"
    return list(browser.execute_script(script, selector))


# One object a row of the runs table: column id -> text. Names and values lie in separate panes.
GRID = """
const rows = {};
for (const cell of document.querySelectorAll('.ag-row [col-id]')) {
  const row = cell.closest('.ag-row').getAttribute('row-index');
  (rows[row] ??= {})[cell.getAttribute('col-id')] = cell.innerText.trim();
}
return Object.keys(rows).sort((a, b) => a - b).map(row => rows[row]);
"""


def test_the_runs_page_reads_as_the_ablation_table(recorded: Recorded, browser: Any) -> None:
    outcome = recorded.outcome
    browser.get(recorded.record.address(outcome, recorded.url))

    def rows() -> list[dict[str, str]]:
        found = list(browser.execute_script(GRID))
        return found if found and all("metrics.`f1`" in row for row in found) else []

    table = eventually(browser, rows, "runs")
    assert len(table) == len(outcome.arms)
    for arm, row in zip(outcome.arms, table, strict=True):
        name = words_of(arm, outcome)
        assert row["attributes.`Run Name`"].endswith(name)
        assert row["tags.`abl.verdict`"] == (arm.comparison.verdict if arm.comparison else "-")
        for metric in ("f1", "acc", "spe"):
            assert float(row[f"metrics.`{metric}`"]) == arm.cells[metric].mean
            assert float(row[f"metrics.`{metric}_low`"]) == arm.cells[metric].low
            assert float(row[f"metrics.`{metric}_high`"]) == arm.cells[metric].high


def test_points_of_a_search_are_folded_away_under_the_sweep(
    empty_record: MlflowRecord, browser: Any
) -> None:
    outcome = searched()
    empty_record.record_outcome(outcome, sweep_file="name: threshold\n", searches=frames())
    arms = len(outcome.arms)
    with start_ui(empty_record.root) as ui:
        browser.get(empty_record.address(outcome, ui.url))
        eventually(browser, lambda: len(browser.execute_script(GRID)) == arms, "arms_of_a_search")
        page = browser.current_url.partition("?")[0]
        browser.get("about:blank")
        browser.get(f"{page}?{TRAINING_VIEW}")
        folded = 1 + arms
        eventually(browser, lambda: len(browser.execute_script(GRID)) == folded, "points_folded")
        browser.execute_script("document.querySelector('.ag-row button').click()")
        every = folded + len(STATES)
        eventually(browser, lambda: len(browser.execute_script(GRID)) == every, "points_open")


def points_drawn(browser: Any) -> dict[str, int]:
    """Metric of each line chart on the page, from its legend -> points in the drawing."""
    script = """
    const found = {};
    for (const card of document.querySelectorAll('[data-testid*="compare-runs-card"]')) {
      const metric = card.innerText.match(/\\(([^()]+)\\)\\s*$/);
      if (metric) found[metric[1]] = card.querySelectorAll('.scatterlayer .point').length;
    }
    return found;
    """
    return dict(browser.execute_script(script))


def test_a_training_shows_its_learning_curves(recorded: Recorded, browser: Any) -> None:
    browser.get(recorded.page(STAGES, recorded.training, "model-metrics"))
    wanted = dict.fromkeys(
        ("train_loss", "validation_loss", "train_accuracy"), len(training_history())
    )
    eventually(browser, lambda: wanted.items() <= points_drawn(browser).items(), "training")


def test_a_rule_shows_its_curve_over_the_threshold(recorded: Recorded, browser: Any) -> None:
    curve = recorded.outcome.arms[1].curve
    assert curve is not None
    browser.get(recorded.page(recorded.outcome.name, recorded.arm_run(1), "model-metrics"))

    wanted = dict.fromkeys(("curve/f1", "curve/share"), len(curve))
    eventually(browser, lambda: wanted.items() <= points_drawn(browser).items(), "rule")


def test_the_table_artifact_renders_as_a_table(recorded: Recorded, browser: Any) -> None:
    outcome = recorded.outcome
    browser.get("about:blank")  # a page that differs behind its # alone is not loaded anew
    browser.get(recorded.page(outcome.name, recorded.sweep, "artifacts/table.json"))
    headers = eventually(browser, lambda: texts(browser, '[role="columnheader"]'), "table")
    named = [name for name in headers if name]
    assert named[:4] == ["arm", "F1, %", "Δ F1, points", "verdict"]
    cells = texts(browser, '[role="cell"]')
    for arm in outcome.arms:
        cell = arm.cells["f1"]
        assert f"{100 * cell.mean:.1f} [{100 * cell.low:.1f}, {100 * cell.high:.1f}]" in cells


RIGHT_END = """
const found = document.querySelector(`.ag-header-cell[col-id="${arguments[0]}"]`);
return found ? found.getBoundingClientRect().right : 0;
"""


def test_metric_difference_and_verdict_are_inside_a_window_of_1280_px(
    recorded: Recorded, browser: Any
) -> None:
    browser.set_window_size(1280, 900)
    try:
        browser.get("about:blank")
        browser.get(recorded.record.address(recorded.outcome, recorded.url))
        verdict = "tags.`abl.verdict`"
        end = eventually(browser, lambda: browser.execute_script(RIGHT_END, verdict), "narrow")
        assert end <= 1280
        (first, *_) = browser.execute_script(GRID)
        assert {"metrics.`f1`", "metrics.`f1_difference`", verdict} <= set(first)
    finally:
        browser.set_window_size(2200, 1200)


def test_the_description_of_the_experiment_begins_with_the_answer(recorded: Recorded) -> None:
    with recorded.record.client() as client:
        found = client.get_experiment_by_name(recorded.outcome.name)
        run = client.get_run(recorded.sweep)
    for note in (found.tags[NOTE], run.data.tags[NOTE]):
        for sentence in answer_sentences(recorded.outcome):
            assert markdown_escaped(sentence) in note
