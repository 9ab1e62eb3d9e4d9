"""What a review page of many images costs: to write, in bytes, and to open in headless Chromium.

Images are speckle of 640 x 480, which compresses worse than ultrasound. Opening is over when the
page has answered a key: the first image is marked, and `1` decides on it.

    python benchmarks/review.py 500
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.reviewing.review_page import Card, review_page
from abl.app.reviewing.reviewed_data import SIDE
from abl.app.reviewing.sheet import ANSWERS
from abl.data.images import reduced

CLASSES = ("benign", "malignant")
COLUMNS = ("image", "label", *ANSWERS, "sweep", "data")
NETWORKS = 5


def card(at: int, pixels: np.ndarray) -> Card:
    said = [
        {
            "network": f"network {each}",
            "wrong": 9,
            "seen": 10,
            "words": "benign 0.91, malignant 0.09",
        }
        for each in range(NETWORKS)
    ]
    small = reduced(pixels, SIDE)
    return Card(
        f"images/{at:05d}.png", CLASSES[at % 2], jpeg_uri(small), small.shape[1], small.shape[0],
        flagged=at < 50, share="Wrong in 45 of 50 test appearances",
        said=said, said_head="5 networks",
        metadata=[(f"column {each}", "a value") for each in range(12)],
    )  # fmt: skip


def opened_s(page: Path) -> tuple[float, float]:
    """Seconds from the address to the first decision: by the clock, and of the page's thread."""
    from selenium import webdriver
    from selenium.webdriver.common.action_chains import ActionChains

    options = webdriver.ChromeOptions()
    options.binary_location = str(shutil.which("chromium") or shutil.which("google-chrome"))
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    service = webdriver.ChromeService(str(shutil.which("chromedriver")))
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        start = time.perf_counter()
        driver.get(page.as_uri())
        ActionChains(driver).send_keys("j").send_keys("1").perform()
        said = driver.execute_script("return document.getElementById('progress').textContent")
        assert said.startswith("1 of"), said
        seconds = time.perf_counter() - start
        found = driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return seconds, next(each["value"] for each in found if each["name"] == "TaskDuration")
    finally:
        driver.quit()


def main(count: int) -> None:
    draw = np.random.default_rng(0)
    images = [
        (draw.gamma(8, 1 / 8, (480, 640)) * 100).clip(0, 255).astype(np.uint8) for _ in range(20)
    ]
    start = time.perf_counter()
    cards = [card(at, images[at % len(images)]) for at in range(count)]
    rows = [[each.image, each.label, *[""] * len(ANSWERS), "made", "0"] for each in cards]
    text = review_page(
        "Review", [], cards, classes=CLASSES, columns=COLUMNS, rows=rows, key="made", blind=False
    )
    written = time.perf_counter() - start
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "review.html"
        page.write_text(text, encoding="utf-8")
        seconds = sorted(opened_s(page) for _ in range(3))
        size = page.stat().st_size / 1e6
    print(
        f"{count} images: {written:.1f} s to write, {size:.1f} MB, opened and decided on in "
        f"{seconds[1][0]:.1f} s ({seconds[0][0]:.1f} to {seconds[2][0]:.1f}), of which the page's "
        f"own thread computes {min(each[1] for each in seconds):.1f} s"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
