"""Makes the pictures of the docs: figures of shipped sweeps, and the table, report and MLflow.

    python docs/pictures.py                  # all; runs what is not finished, half an hour
    python docs/pictures.py compare fusion   # those of some sweeps

Generated images alone: the sweeps are the shipped files, some a part of them (PARTS), which the
gallery says. Chromium takes the pictures of pages. What is finished in mlruns/ (or ABL_MLRUNS)
is not run again.
"""

from __future__ import annotations

import html
import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from selenium import webdriver

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
MLRUNS = Path(os.environ.get("ABL_MLRUNS", ROOT / "mlruns"))
# sweep -> its figures that the docs show, as its folder names them
FIGURES = {
    "compare": ("differences", "roc"),
    "threshold": ("curve", "flow"),
    "frozen_layers": ("frozen",),
    "fusion": ("roc_modes", "only_one"),
    "mask_guided": ("inside", "maps"),
    "hyper": ("search_history", "search_importance"),
    "persistent": ("image_rates", "exclusion"),
    "ensembles": ("gains", "by_size"),
    "readers": ("readers_roc", "readers_differences"),
}
# sweep -> settings that make it shorter; a page shows how a figure looks, not what was found
FEW = {"phantom": {"patients": 120, "size": 64, "seed": 7}, "unit": "nodule"}
PARTS: dict[str, dict[str, object]] = {
    "fusion": {
        "axes": {
            "mode": [
                "bmode", "elasticity", "mixed", "early", "late", "late_shared", "gated",
                "cross_attention",
            ],
            "head": ["gap"],
        },
    },
    "mask_guided": {
        "data": FEW,
        "splits": {"kind": "kfold", "folds": 2, "validation": 0.2},
        "arms": [
            {"variant": "none"},
            {"variant": "parallel", "placement": "all", "mask": ["predicted", "true", "random"]},
        ],
    },
    "hyper": {"data": FEW, "splits": {"kind": "kfold", "folds": 3, "validation": 0.25}},
    "persistent": {"replicates": {"repeats": 5, "seeds": [0]}},
    "ensembles": {
        "replicates": {"repeats": 1, "seeds": [0]},
        "options": {
            "panel": {
                "P": {"network": "plain4"},
                "V": {"network": "tiny_vgg"},
                "R": {"network": "tiny_resnet"},
                "D": {"network": "tiny_dense"},
            },
            "balance": "weights",
            "rf": {"trees": 100},
        },
        "arms": [
            {"networks": "all", "classifier": ["svm", "rf", "svm+rf"]},
            {"networks": "chosen", "classifier": ["svm", "chosen"]},
        ],
        "contrasts": [],
    },
}  # fmt: skip
SHOWN = "compare"  # whose table, report and MLflow the README shows
WIDTH_PX = 1280
COLOURS = 256
READABLE_S = 60.0
PAGE = "<meta charset=utf-8><pre style='margin:16px;font:14px/1.35 monospace'>{}</pre>"
ROWS = "return document.querySelectorAll('.ag-row').length"
# what MLflow lays beside and above its table: an assistant, and a word on shared views
CLOSE = """
const named = (text) => [...document.querySelectorAll('*')].filter(
  (each) => !each.children.length && each.textContent.trim().startsWith(text))[0];
const close = (start, at) => {
  let around = start;
  while (around && around.querySelectorAll('button').length <= at) around = around.parentElement;
  around?.querySelectorAll('button')[at].click();
};
close(named("You're viewing a shared view"), 2);
document.querySelector('button[aria-label="Close"]')?.click();
"""


def abl(*words: str) -> str:
    """Runs a command of abl at the top of the repository; what it printed."""
    command = [sys.executable, "-m", "abl", *words, "--mlruns", str(MLRUNS)]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def run(sweep: str) -> None:
    """Runs a shipped sweep, or its part, where it is not finished."""
    record = "on" if sweep == SHOWN else "off"
    with tempfile.TemporaryDirectory() as folder:
        file = ROOT / f"sweeps/{sweep}.yaml"
        if sweep in PARTS:
            values = yaml.safe_load(file.read_text(encoding="utf-8"))
            file = Path(folder) / file.name
            file.write_text(yaml.safe_dump(values | PARTS[sweep], sort_keys=False), "utf-8")
        abl("sweep", str(file), "--record", record)


def folder_of(sweep: str) -> Path:
    """The folder of a sweep's newest table."""
    found = (MLRUNS / "store/sweeps" / sweep).glob("*/outcome.json")
    return max(found, key=lambda each: each.stat().st_mtime).parent


def save(picture: bytes, name: str) -> None:
    """Writes a PNG; of few colours, which makes a third of it, where it shows no photographs."""
    PICTURES.mkdir(exist_ok=True)
    with Image.open(io.BytesIO(picture)) as opened:
        made = opened.convert("RGB")
        if not name.endswith("_maps.png"):
            made = made.quantize(COLOURS, dither=Image.Dither.NONE)
        made.save(PICTURES / name, optimize=True)
    print(f"docs/pictures/{name}: {(PICTURES / name).stat().st_size / 1000:.0f} KB")


@contextmanager
def browser() -> Iterator[Any]:
    """Headless Chromium."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    # named, or selenium looks for them on the network
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        driver.set_window_size(WIDTH_PX, 1200)
        yield driver
    finally:
        driver.quit()


def taken(driver: Any, height_px: int) -> bytes:
    """The page down to a height."""
    # the window has a frame of its own around the page
    frame = driver.get_window_size()["height"] - int(driver.execute_script("return innerHeight"))
    driver.set_window_size(WIDTH_PX, height_px + frame)
    return bytes(driver.get_screenshot_as_png())


def bottom_of(driver: Any, selector: str) -> int:
    """Where the first such element ends, in pixels from the top of the page."""
    found = "return document.querySelector(arguments[0]).getBoundingClientRect().bottom + scrollY"
    return int(driver.execute_script(found, selector))


def take_report(driver: Any) -> None:
    """The top of the report, from its title to the end of its table."""
    driver.get((folder_of(SHOWN) / "report.html").as_uri())
    save(taken(driver, bottom_of(driver, "#table table") + 30), "report.png")


def take_table(driver: Any) -> None:
    """The table as the terminal shows it."""
    page = PICTURES / "table.html"
    page.write_text(PAGE.format(html.escape(abl("table", SHOWN))), encoding="utf-8")
    try:
        driver.get(page.as_uri())
        save(taken(driver, bottom_of(driver, "pre") + 16), "table.png")
    finally:
        page.unlink()


def take_mlflow(driver: Any) -> None:
    """MLflow as `abl ui` opens it: the runs of the sweep are its table."""
    from abl.app.watching import ui_addresses
    from abl.record.mlflow_ui import start_ui

    place = ui_addresses(MLRUNS.absolute(), SHOWN)[SHOWN]
    with start_ui(MLRUNS.absolute()) as running:
        driver.set_window_size(WIDTH_PX, 760)
        driver.get(f"{running.url}{place}")
        end = time.monotonic() + READABLE_S
        while driver.execute_script(ROWS) < 4 and time.monotonic() < end:
            time.sleep(0.5)
        driver.execute_script(CLOSE)
        time.sleep(2)  # the last cells are filled in a moment after the rows are there
        save(taken(driver, 560), "mlflow.png")


def main(sweeps: list[str]) -> None:
    """Runs the sweeps where they are not finished and writes their pictures."""
    PICTURES.mkdir(exist_ok=True)
    for sweep in sweeps:
        print(f"sweeps/{sweep}.yaml", flush=True)
        run(sweep)
        for figure in FIGURES[sweep]:
            save((folder_of(sweep) / f"{figure}.png").read_bytes(), f"{sweep}_{figure}.png")
    if SHOWN in sweeps:
        takes: tuple[Callable[[Any], None], ...] = (take_report, take_table, take_mlflow)
        with browser() as driver:
            for take in takes:
                take(driver)


if __name__ == "__main__":
    asked = sys.argv[1:] or list(FIGURES)
    if unknown := set(asked) - set(FIGURES):
        sys.exit(f"{__doc__}\nno pictures of {', '.join(sorted(unknown))}: {', '.join(FIGURES)}")
    main(asked)
