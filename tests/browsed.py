"""A page as a person uses it: headless Chromium, by keyboard."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WAIT_S = 30.0

NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="needs Chromium and its driver"),
]


class Reader:
    """A person at a keyboard."""

    def __init__(self, driver: Any, downloads: Path):
        self.driver, self.downloads = driver, downloads

    def opens(self, page: Path) -> None:
        self.driver.get(page.as_uri())

    def types(self, *keys: str) -> None:
        from selenium.webdriver.common.action_chains import ActionChains

        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def sees(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    @property
    def at(self) -> str:
        """The image of the card that has the focus."""
        return str(self.sees("document.activeElement.closest('.card')?.querySelector('img').alt"))

    @property
    def progress(self) -> str:
        return str(self.sees("document.getElementById('progress').textContent"))

    def finds(self, selector: str) -> Any:
        from selenium.webdriver.common.by import By

        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def chooses(self, selector: str, value: str) -> None:
        from selenium.webdriver.support.ui import Select

        Select(self.finds(selector)).select_by_value(value)

    def downloads_sheet(self, name: str) -> Path:
        self.finds("#download").send_keys("\n")
        path = self.downloads / name
        waited(path.exists, f"no {name} was downloaded")
        return path


def waited(condition: Callable[[], object], failed: str) -> None:
    """Waits until a condition holds."""
    end = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < end, failed
        time.sleep(0.05)


@contextmanager
def opened_browser(downloads: Path) -> Iterator[Reader]:
    """A browser that saves what it downloads in a folder."""
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    try:
        yield Reader(driver, downloads)
    finally:
        driver.quit()


@contextmanager
def fresh(browser: Reader) -> Iterator[Reader]:
    """The browser at the width of a desk, which complains of nothing and forgets everything."""
    browser.driver.set_window_size(1280, 900)
    yield browser
    assert browser.driver.get_log("browser") == []
    browser.driver.execute_script("localStorage.clear()")
    for path in browser.downloads.iterdir():
        path.unlink()
