"""Many arms in MLflow: written, written again, one of them changed, and looked at in a browser."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from overhead import made_up_outcome
from scale_child import Row, child_main, in_child

from abl.record.mlflow_runs import TRAINING_VIEW
from abl.record.mlflow_ui import start_ui
from abl.record.mlflow_writer import MlflowRecord

REPLICATES = 15
PATIENCE_S = 180.0


def written(root: str, arms: int) -> dict[str, Any]:
    """Writes an outcome, then the same again, then with one arm that has other numbers."""
    # its key must be none of the keys of its arms, which are numbers
    outcome = replace(made_up_outcome(arms, REPLICATES), key="f" * 64)
    record, found = MlflowRecord(Path(root)), {}
    with contextlib.redirect_stderr(io.StringIO()):
        began = time.perf_counter()
        record.record_outcome(
            replace(outcome, arms=outcome.arms[:1], name="first", key="e" * 64), sweep_file=""
        )
        found["import and schema"] = time.perf_counter() - began
        changed = replace(outcome.arms[0], failed="told to fail")
        for name, shown in {
            "write": outcome,
            "again": outcome,
            "changed": replace(outcome, arms=(changed, *outcome.arms[1:])),
        }.items():
            began, before = time.perf_counter(), time.process_time()
            record.record_outcome(shown, sweep_file="")
            found[name] = [time.perf_counter() - began, time.process_time() - before]
        with record.client() as client:
            number = client.get_experiment_by_name(outcome.name).experiment_id
            sweep = client.search_runs([number], 'tags."abl.kind" = "sweep"')
        found["runs page"] = record.address(outcome, "http://HOST")
    found["table page"] = (
        f"http://HOST/#/experiments/{number}/runs/{sweep[0].info.run_id}"
        f"/artifacts/table.json?{TRAINING_VIEW}"
    )
    found["table bytes"] = sum(f.stat().st_size for f in Path(root).rglob("table.json"))
    found["database bytes"] = sum(f.stat().st_size for f in Path(root).glob("*.db*") if f.is_file())
    return found


def looked_at(root: str, runs_page: str, table_page: str) -> dict[str, Any]:
    """Opens both pages in headless Chromium: seconds until rows are on the page, and how many."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument("--window-size=2200,1200")
    driver = webdriver.Chrome(
        options=options, service=webdriver.ChromeService(shutil.which("chromedriver"))
    )
    found: dict[str, Any] = {}
    try:
        with start_ui(Path(root)) as ui:

            def count(selector: str) -> Callable[[], int]:
                script = "return document.querySelectorAll(arguments[0]).length"
                return lambda: int(driver.execute_script(script, selector))

            for name, page, rows in (
                ("first runs", runs_page, count(".ag-row [col-id]")),
                ("runs", runs_page, count(".ag-row [col-id]")),
                ("table", table_page, count('[role="cell"]')),
            ):
                driver.get("about:blank")
                began = time.perf_counter()
                driver.get(page.replace("http://HOST", ui.url))
                while not (seen := rows()) and time.perf_counter() - began < PATIENCE_S:
                    time.sleep(0.1)
                seconds = time.perf_counter() - began
                time.sleep(1)
                texts = str(driver.execute_script("return document.body.innerText"))
                found[name] = [seconds if seen else None, max(seen, rows()), _loaded(texts)]
    finally:
        driver.quit()
    return found


def _loaded(text: str) -> str:
    """What the page says of how many runs it shows."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if "matching run" in line), "")


def arm_rows(arms: int, *, browser: bool) -> list[Row]:
    """The rows of this part."""
    root = tempfile.mkdtemp(prefix="abl-scale-")
    try:
        wrote = in_child("scale_arms.py", "write", root=root, arms=arms)
        pages = {"runs_page": wrote["runs page"], "table_page": wrote["table page"]}
        seen = in_child("scale_arms.py", "look", root=root, **pages) if browser else {}
    finally:
        shutil.rmtree(root, ignore_errors=True)
    size = f"database {wrote['database bytes'] / 1e6:.0f} MB"
    rows = [
        Row("arms written to MLflow", arms, *wrote["write"], wrote["peak_mib"], size),
        Row("the same again, nothing new", arms, *wrote["again"]),
        Row("again, one arm with other numbers", arms, *wrote["changed"]),
    ]
    names = {
        "first runs": "runs table in Chromium, server just started",
        "runs": "runs table in Chromium, again",
        "table": f"table.json in Chromium, {wrote['table bytes'] / 1e6:.1f} MB",
    }
    for key, name in names.items() if seen else ():
        seconds, cells, said = seen[key]
        if seconds is None:
            rows.append(Row(name, arms, PATIENCE_S, None, None, "**nothing was shown by then**"))
        else:
            rows.append(Row(name, 1, seconds, None, seen["peak_mib"], f"{cells} cells; {said}"))
    return rows


if __name__ == "__main__":
    child_main({"write": written, "look": looked_at})
