"""The page as a reader uses it: by keyboard, from a file, at the width of a desk and of a phone."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.reviewing.answers import read_answers
from abl.app.reviewing.review_page import Card, review_page
from abl.app.reviewing.sheet import ANSWERS
from browsed import NEEDS_BROWSER, Reader, fresh, opened_browser, waited

pytestmark = NEEDS_BROWSER

CLASSES = ("benign", "malignant", "normal")
COLUMNS = ("image", "label", *ANSWERS, "sweep", "data", "site")


def picture(draw: np.random.Generator, side: int = 320) -> str:
    """Speckle as an ultrasound image has it: what compresses worst."""
    return jpeg_uri(
        (draw.gamma(8, 1 / 8, (side * 3 // 4, side)) * 100).clip(0, 255).astype(np.uint8)
    )


def write_page(folder: Path, count: int, *, blind: bool = False, side: int = 64) -> Path:
    """A page of so many images, the first five flagged, classes in turn."""
    draw = np.random.default_rng(4)
    cards, rows = [], []
    for at in range(count):
        label = CLASSES[at % 3]
        told: dict[str, Any] = {}
        if not blind:
            said = [{"network": "n1", "wrong": 3, "seen": 4, "words": "benign 0.75"}]
            told = {"flagged": at < 5, "share": "Wrong in 3 of 4", "said": said, "said_head": "1"}
        card = Card(
            f"{at}.png", label, picture(draw, side), side, side * 3 // 4,
            metadata=[("site", "=1+2")], **told,
        )  # fmt: skip
        cards.append(card)
        rows.append([card.image, label, *[""] * len(ANSWERS), "made", "0123", "=1+2"])
    page = review_page(
        "Review of made", ["Ordered by hand."], cards,
        classes=CLASSES, columns=COLUMNS, rows=rows, key=f"made:{count}:{blind}", blind=blind,
    )  # fmt: skip
    path = folder / "review.html"
    path.write_text(page, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with opened_browser(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture
def reader(browser: Reader) -> Iterator[Reader]:
    with fresh(browser):
        yield browser


def test_a_review_by_keyboard_alone_is_read_back(reader: Reader, tmp_path: Path) -> None:
    reader.opens(write_page(tmp_path, 9))
    reader.finds("#reader").send_keys("Jo Ann")
    reader.sees("document.activeElement.blur()")
    reader.types("j")  # the first
    assert reader.at == "0.png"
    reader.types("1", "j", "c", "j", "3", "\ue015", "4", "j", "2")  # arrow down
    assert reader.at == "4.png"
    reader.types("k", "0", "4")  # taken back, and decided again
    assert reader.progress == "5 of 9 decided, 9 shown"
    assert "Kept in this browser." in reader.finds("#kept").text
    sheet = reader.downloads_sheet("review_Jo_Ann.csv")
    table = pd.read_csv(sheet, dtype=str, keep_default_na=False).set_index("image")
    assert table["decision"].tolist()[:6] == ["keep", "relabel", "drop", "unsure", "relabel", ""]
    assert table["new_label"]["1.png"] == "normal"
    # of three classes the other one is not known; a reader has to say it
    assert table["new_label"]["4.png"] == ""
    assert table["reader"].tolist() == ["Jo Ann"] * 5 + [""] * 4
    assert set(table["site"]) == {"'=1+2"}
    reader.types("\ue004")  # on, not needed again
    reader.finds("#c4").click()
    reader.types("a")
    sheet.unlink()
    sheet = reader.downloads_sheet("review_Jo_Ann.csv")
    labels = {f"{at}.png": at % 3 for at in range(9)}
    answers = read_answers([sheet], sweep="made", digest="0123", labels=labels, classes=CLASSES)
    assert [each.verdict for each in answers] == [
        ("keep", None), ("relabel", 2), ("drop", None), ("unsure", None), ("relabel", 0),
    ]  # fmt: skip


def test_answers_are_kept_when_the_page_is_opened_again(reader: Reader, tmp_path: Path) -> None:
    page = write_page(tmp_path, 4)
    reader.opens(page)
    reader.types("j", "1", "j", "3")
    reader.finds("#c1 .comment").send_keys("=dark <b>image</b>, 1j")
    reader.chooses("#c1 .cause", "image quality")
    reader.opens(page)
    assert reader.progress == "2 of 4 decided, 4 shown"
    table = pd.read_csv(reader.downloads_sheet("review.csv"), keep_default_na=False)
    assert table["comment"][1] == "'=dark <b>image</b>, 1j"
    assert table["cause"][1] == "image quality"


def test_a_browser_that_keeps_nothing_is_told_of(reader: Reader, tmp_path: Path) -> None:
    page = write_page(tmp_path, 3)
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    added = reader.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": refuse}
    )
    try:
        reader.opens(page)
        reader.types("j", "1")
        assert reader.progress == "1 of 3 decided, 3 shown"
        assert "download before you close" in reader.finds("#kept").text
        table = pd.read_csv(reader.downloads_sheet("review.csv"), keep_default_na=False)
        assert table["decision"].tolist() == ["keep", "", ""]
    finally:
        reader.driver.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]}
        )
    reader.opens(page)


def test_filters_and_enlarging(reader: Reader, tmp_path: Path) -> None:
    reader.opens(write_page(tmp_path, 9))
    reader.finds("#only-flagged").send_keys(" ")
    assert reader.progress == "0 of 9 decided, 5 shown"
    reader.finds("#of-class").send_keys("m")
    assert reader.progress == "0 of 9 decided, 2 shown"
    reader.sees("document.activeElement.blur()")
    reader.types("j")
    assert reader.at == "1.png"
    reader.types("j", "j")
    assert reader.at == "4.png"  # the last that is shown
    reader.types("1")
    reader.finds("#only-undecided").send_keys(" ")
    assert reader.progress == "1 of 9 decided, 1 shown"
    reader.sees("document.activeElement.blur()")
    reader.types("k", "k")
    assert reader.at == "1.png"
    reader.types("\n")
    assert reader.sees("document.getElementById('large').open")
    assert reader.sees("document.querySelector('#large img').alt") == "1.png"
    reader.types("\ue00c")  # Esc
    assert not reader.sees("document.getElementById('large').open")
    assert reader.at == "1.png"


def test_blinded_readers_see_no_filter_of_flags(reader: Reader, tmp_path: Path) -> None:
    reader.opens(write_page(tmp_path, 4, blind=True))
    assert reader.sees("document.getElementById('only-flagged')") is None
    reader.types("j", "1")
    assert reader.progress == "1 of 4 decided, 4 shown"


def test_five_hundred_images_open_and_are_decided(reader: Reader, tmp_path: Path) -> None:
    page = write_page(tmp_path, 500, side=320)
    assert page.stat().st_size < 40e6
    reader.opens(page)
    assert reader.progress == "0 of 500 decided, 500 shown"
    # those far below are not decoded before they are looked at
    reader.types("j", "1")
    assert reader.sees("[...document.images].filter((each) => each.complete).length") < 500
    reader.sees("document.querySelector('#c499').scrollIntoView()")
    waited(
        lambda: reader.sees("document.querySelector('#c499 img').naturalWidth") == 320,
        "the last image is not shown",
    )
    reader.finds("#c499").click()
    reader.types("3")
    assert reader.progress == "2 of 500 decided, 500 shown"
    table = pd.read_csv(reader.downloads_sheet("review.csv"), keep_default_na=False)
    assert len(table) == 500
    assert table["decision"][499] == "drop"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(reader: Reader, tmp_path: Path, width: int) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        reader.opens(write_page(tmp_path, 4))
        assert reader.sees("document.documentElement.scrollWidth") <= width
        assert reader.sees("document.querySelector('#c0 .answer').offsetHeight") > 0
    finally:
        reader.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_thumbnail_is_a_small_picture() -> None:
    import base64

    source = picture(np.random.default_rng(0))
    with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
        assert image.size == (320, 240)
    assert len(source) < 60_000
