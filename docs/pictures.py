"""Takes the pictures of the README from a report, in headless Chromium.

    abl new compare && abl sweep compare.yaml
    python docs/pictures.py mlruns/store/sweeps/compare/*/report.html docs/report.png

Generated images alone: the sweep is that of the shipped file.
"""

from __future__ import annotations

import sys
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.common.by import By

WIDTH = 1280


def take(report: Path, out: Path) -> None:
    """Writes the top of a report, from its title to the end of its table."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(word)
    browser = webdriver.Chrome(options=options)
    try:
        browser.set_window_size(WIDTH, 1200)
        browser.get(report.resolve().as_uri())
        table = browser.find_element(By.CSS_SELECTOR, "#table table")
        end = int(table.rect["y"] + table.rect["height"]) + 30
        # the window has a frame of its own around the page
        frame = 1200 - int(browser.execute_script("return window.innerHeight"))
        browser.set_window_size(WIDTH, end + frame)
        out.write_bytes(browser.get_screenshot_as_png())
    finally:
        browser.quit()


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    take(Path(sys.argv[1]), Path(sys.argv[2]))
