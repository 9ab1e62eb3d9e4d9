"""The page of a reader study as a reader uses it: by keyboard, from a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from abl.app.image_pages.sweep_images import jpeg_uri
from abl.app.reader_page.reading_page import ShownImage, ShownPicture, reading_page
from abl.data.image_codes import image_code
from browsed import NEEDS_BROWSER, Reader, fresh, opened_browser

pytestmark = NEEDS_BROWSER

TWO, THREE = ("benign", "malignant"), ("benign", "malignant", "normal")
RIGHT, ESC = "\ue014", "\ue00c"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with opened_browser(tmp_path_factory.mktemp("downloads")) as browser:
        yield browser


@pytest.fixture
def reader(browser: Reader) -> Iterator[Reader]:
    with fresh(browser):
        yield browser


def write_page(
    folder: Path,
    names: Sequence[str],
    classes: Sequence[str] = TWO,
    session: int = 1,
    *,
    pictures: int = 1,
    aids: Sequence[str] = (),
) -> Path:
    def picture(grey: int) -> ShownPicture:
        return ShownPicture(jpeg_uri(np.full((30, 40), grey, np.uint8)), 40, 30)

    images = [
        ShownImage(
            image_code(name),
            tuple(picture(9 * at + 90 * nth) for nth in range(pictures)),
            aids[at] if aids else "",
        )
        for at, name in enumerate(names)
    ]
    page = reading_page(
        "Reading of made",
        ["Read."],
        images,
        classes=classes,
        sweep="made",
        session=session,
        treatment="aided" if aids else "",
    )
    path = folder / f"reading_{session}.html"
    path.write_text(page, encoding="utf-8")
    return path


def begins(reader: Reader, page: Path, name: str = "Ann", experience: str = "") -> None:
    reader.opens(page)
    reader.types(name, "\t", *([experience] if experience else []), "\n")


def answers(reader: Reader, name: str) -> pd.DataFrame:
    path = reader.downloads_sheet(name)
    return pd.read_csv(path, dtype=str, keep_default_na=False).set_index("image")


def test_images_are_read_by_keyboard_alone_and_saved(reader: Reader, tmp_path: Path) -> None:
    names = [f"malignant/{at}.png" for at in range(5)]
    page = write_page(tmp_path, names)
    assert "malignant/" not in page.read_text("utf-8")  # names tell the class
    begins(reader, page, "Ann B", "8 years")
    reader.types("b", "5", "\n", "a", "5", "j", "a", "1", RIGHT, "/", "=dark, 4b", "\n", "b", "2")
    reader.types("j", "b", "k", "k")
    assert reader.sees("document.querySelector('#shown img').alt") == "image 3"
    assert reader.progress == "4 of 5 answered"
    reader.types("n")
    assert reader.finds("#place").text == "Image 5 of 5"
    assert "How sure are you?" in reader.finds("#said").text
    table = answers(reader, "answers_Ann_B_1.csv")
    assert list(table.index) == [image_code(name) for name in names]
    assert table["answer"].tolist() == ["malignant", "benign", "benign", "malignant", "malignant"]
    assert table["confidence"].tolist() == ["5", "5", "1", "2", ""]
    # from certainly benign to certainly malignant, with none where the confidence is missing
    assert table["rating"].tolist() == ["10", "1", "5", "7", ""]
    assert table["comment"].tolist() == ["", "", "", "'=dark, 4b", ""]
    for column, cell in {
        "reader": "Ann B", "experience": "8 years", "session": "1", "sweep": "made"
    }.items():  # fmt: skip
        assert set(table[column]) == {cell}


def test_answers_are_there_when_the_page_is_opened_again(reader: Reader, tmp_path: Path) -> None:
    page = write_page(tmp_path, ["a", "b", "c"])
    begins(reader, page, experience="resident")
    reader.types("a", "3", "\n", "b", "4")
    reader.opens(page)
    reader.types("Ann")
    assert "2 of 3 answers of Ann" in reader.finds("#before").text
    reader.types("\n")
    assert reader.progress == "2 of 3 answered"
    assert reader.finds("#place").text == "Image 3 of 3"  # the first without an answer
    reader.types("0", "k", "0")  # takes the second back
    table = answers(reader, "answers_Ann_1.csv")
    assert table["answer"].tolist() == ["benign", "", ""]
    assert set(table["experience"]) == {"resident"}


def test_readers_and_sessions_in_one_browser_see_no_others_answers(
    reader: Reader, tmp_path: Path
) -> None:
    first, second = (write_page(tmp_path, "abc", session=at) for at in (1, 2))
    begins(reader, first)
    reader.types("a", "3", "\n", "b", "4")
    reader.finds("#leave").click()
    reader.types("Bo", "\n")
    assert reader.progress == "0 of 3 answered"
    begins(reader, second)
    assert reader.progress == "0 of 3 answered"
    reader.types("b", "1")
    assert answers(reader, "answers_Ann_2.csv")["session"].tolist() == ["2"] * 3
    begins(reader, first)
    assert reader.progress == "2 of 3 answered"


def test_answers_by_pointer_and_enlarging(reader: Reader, tmp_path: Path) -> None:
    begins(reader, write_page(tmp_path, "ab", THREE))
    reader.finds("input[value=normal]").click()
    reader.finds("input[name=confidence][value='2']").click()
    reader.types("z")
    assert "large" in reader.finds("#shown").get_attribute("class")
    reader.finds("#next").click()
    assert "large" not in reader.finds("#shown").get_attribute("class")
    reader.types("/", "c", ESC, "c", "1")
    assert "All images are answered" in reader.finds("#said").text
    table = answers(reader, "answers_Ann_1.csv")
    assert table["answer"].tolist() == ["normal", "normal"]
    assert table["comment"].tolist() == ["", "c"]
    assert "rating" not in table  # three classes have no order


def test_a_browser_that_keeps_nothing_says_so_and_loses_nothing(
    reader: Reader, tmp_path: Path
) -> None:
    refuse = "Object.defineProperty(window, 'localStorage', {get() { throw new Error('no'); }})"
    added = reader.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument", {"source": refuse}
    )
    page = write_page(tmp_path, "ab")
    try:
        begins(reader, page)
        reader.types("a", "3")
        assert "download before you close" in reader.finds("#kept").text
        reader.finds("#leave").click()
        assert "Download the answers first" in reader.finds("#said").text
        assert answers(reader, "answers_Ann_1.csv")["answer"].tolist() == ["benign", ""]
    finally:
        reader.driver.execute_cdp_cmd(
            "Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]}
        )
    reader.opens(page)


@contextmanager
def window(reader: Reader, width: int) -> Iterator[None]:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    reader.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        yield
    finally:
        reader.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("width", [1280, 390])
def test_both_images_of_a_pair_are_seen_at_once(reader: Reader, tmp_path: Path, width: int) -> None:
    with window(reader, width):
        begins(reader, write_page(tmp_path, "ab", pictures=2))
        boxes = reader.sees(
            "[...document.querySelectorAll('#shown img')].map(each => "
            "{ const box = each.getBoundingClientRect(); "
            "return [box.left, box.top, box.right, box.bottom]; })"
        )
        (left, top, right, bottom), (left2, top2, right2, bottom2) = boxes
        if width == 1280:
            assert (top, bottom) == (top2, bottom2)
            assert right < left2
        else:
            assert (left, right) == (left2, right2)
            assert bottom < top2
        assert min(left, top, left2, top2) >= 0
        assert max(right, right2) <= width
        assert min(right - left, bottom - top) > 150
        alts = reader.sees("[...document.querySelectorAll('#shown img')].map(each => each.alt)")
        assert alts == ["image 1, 1 of 2", "image 1, 2 of 2"]
        classes = reader.sees("document.querySelector('#classes').getBoundingClientRect().bottom")
        assert classes < 900
        reader.types("z")
        large = reader.sees("document.querySelectorAll('#shown img')[1].clientWidth")
        assert large > 1.5 * (right - left)
        assert reader.sees("document.documentElement.scrollWidth") <= width


def test_with_an_aid_what_a_network_said_stands_beside_the_image(
    reader: Reader, tmp_path: Path
) -> None:
    said = ["malignant 0.83, benign 0.17", "benign 0.60, malignant 0.40"]
    begins(reader, write_page(tmp_path, "ab", aids=said))
    assert reader.finds("#aid").text == f"Network: {said[0]}"
    reader.types("b", "4", "\n", "a", "1")
    assert reader.finds("#aid").text == f"Network: {said[1]}"
    table = answers(reader, "answers_Ann_aided_1.csv")
    assert table["treatment"].tolist() == ["aided", "aided"]
    begins(reader, write_page(tmp_path, "ab"))
    assert not reader.finds("#aid").is_displayed()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window(reader: Reader, tmp_path: Path, width: int) -> None:
    with window(reader, width):
        page = write_page(tmp_path, "ab")
        reader.opens(page)
        assert reader.sees("document.documentElement.scrollWidth") <= width
        begins(reader, page)
        assert reader.sees("document.documentElement.scrollWidth") <= width
        # the picture and the first answer are seen at once
        classes = reader.sees("document.querySelector('#classes').getBoundingClientRect().bottom")
        assert classes < 900
        assert reader.sees("document.querySelector('#shown img').clientHeight") > 250
