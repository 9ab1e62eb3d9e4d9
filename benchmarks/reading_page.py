"""What a reading page of many images costs: to write, in bytes, and to read in headless Chromium.

Images are speckle of 800 x 600, as large as the page shows them, which compresses worse than
ultrasound. Every image is answered by keyboard: a class, a confidence, Enter; at the end the
answers are downloaded. A page of pairs has two such images each.

    python benchmarks/reading_page.py 500
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.reader_page.reading_page import ShownImage, ShownPicture, reading_page
from abl.app.reader_page.writing_page import QUALITY, SIDE
from abl.data.image_codes import image_code

CLASSES = ("benign", "malignant")
KEYS = ("a", "b")
HEIGHT = 600
LONGEST_S = 60  # to save the answers
AT_ONCE = 20  # images that are answered between two looks at the page


def written(count: int, pictures: int) -> tuple[str, float]:
    """The page, and the seconds to encode its images and write it."""
    draw = np.random.default_rng(0)
    images = [
        (draw.gamma(8, 1 / 8, (HEIGHT, SIDE)) * 100).clip(0, 255).astype(np.uint8)
        for _ in range(20)
    ]
    start = time.perf_counter()
    shown = [
        ShownImage(
            image_code(f"images/{at:05d}.png"),
            tuple(
                ShownPicture(jpeg_uri(images[(at + nth) % len(images)], QUALITY), SIDE, HEIGHT)
                for nth in range(pictures)
            ),
        )
        for at in range(count)
    ]
    page = reading_page("Reading", [], shown, classes=CLASSES, sweep="made", session=1)
    return page, time.perf_counter() - start


def read_s(page: Path, count: int) -> dict[str, float]:
    """Seconds to open a page, to answer all of its images and to save the answers; MB of memory."""
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    folder = page.parent / "downloads"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)

    def types(keys: Sequence[str]) -> None:
        actions = ActionChains(driver, duration=0)
        for key in keys:
            actions.send_keys(key)
        actions.perform()

    def progress() -> str:
        said = driver.execute_script("return document.getElementById('progress').textContent")
        return str(said)

    try:
        driver.execute_cdp_cmd("Performance.enable", {})
        start = time.perf_counter()
        driver.get(page.as_uri())
        driver.find_element(By.ID, "reader").send_keys("ann", Keys.ENTER)
        assert progress() == f"0 of {count} answered", progress()
        opened = time.perf_counter()
        for first in range(0, count, AT_ONCE):
            for at in range(first, min(first + AT_ONCE, count)):
                types([KEYS[at % 2], str(at % 5 + 1), Keys.ENTER])
            done = min(first + AT_ONCE, count)
            assert progress() == f"{done} of {count} answered", progress()
        answered = time.perf_counter()
        found = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        heap = next(each["value"] for each in found if each["name"] == "JSHeapUsedSize")
        driver.execute_script("document.getElementById('download').click()")
        file = folder / "answers_ann_1.csv"
        while not file.exists():
            assert time.perf_counter() - answered < LONGEST_S, list(folder.iterdir())
            time.sleep(0.01)
        saved = time.perf_counter()
        table = pd.read_csv(file)
        assert len(table) == count
        assert table["answer"].notna().all()
        return {
            "open": opened - start, "answer": answered - opened, "save": saved - answered,
            "heap": heap / 1e6,
        }  # fmt: skip
    finally:
        driver.quit()


def main(count: int) -> None:
    for pictures, what in ((1, "images"), (2, "pairs")):
        text, seconds = written(count, pictures)
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "reading.html"
            page.write_text(text, encoding="utf-8")
            runs = [read_s(page, count) for _ in range(3)]
            size = page.stat().st_size / 1e6
        middle = {name: sorted(run[name] for run in runs)[1] for name in runs[0]}
        most = max(run["answer"] for run in runs)
        each = 1000 * middle["answer"] / count
        print(
            f"{count} {what}: {seconds:.1f} s to write, {size:.1f} MB, opened in "
            f"{middle['open']:.1f} s, all answered by keyboard in {middle['answer']:.1f} s "
            f"(at most {most:.1f}; {each:.0f} ms an image, the driver's own time included), "
            f"saved in {middle['save']:.2f} s, {middle['heap']:.0f} MB of script memory"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
