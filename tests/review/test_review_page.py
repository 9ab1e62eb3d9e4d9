"""The page and the sheet that `abl review` writes."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from reviewed_sweep import FORMULA, MARK, ran, sheet_of, write_reviewed

from abl.app.reviewing.sheet import ANSWERS
from abl.report.pictures import Picture, Pictures, Tile, pictures_to_bytes
from commands import abl


class Seen(HTMLParser):
    """Tags with their attributes, and the text of each card."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.cards: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag == "article" or (self._inside and tag != "dialog")
        if tag == "article":
            self.cards.append("")

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.cards[-1] += data


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewed")
    write_reviewed(folder)
    ran(folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A finished sweep of its own."""
    shutil.copytree(finished, tmp_path / "own")
    return tmp_path / "own"


def page_in(folder: Path) -> str:
    (path,) = folder.rglob("review.html")
    return path.read_text(encoding="utf-8")


def test_images_stand_in_order_of_review(folder: Path) -> None:
    said = abl(folder, "review", "tiny")
    assert said.exit_code == 0, said.output
    assert "48 images of tiny were in test sets of 2 networks" in said.output
    sheet = sheet_of(folder)
    assert len(sheet) == 48
    assert list(sheet.columns[:2]) == ["image", "label"]
    assert not sheet[list(ANSWERS)].any().any()
    flagged = (sheet["flagged"] == "yes").tolist()
    assert flagged == sorted(flagged, reverse=True)
    score = sheet["score"].astype(float)
    of_each = [score[sheet["flagged"] == word] for word in ("yes", "no")]
    assert all(part.is_monotonic_decreasing for part in of_each)
    # two repeats, two networks: each image is in four test sets
    assert set(sheet["seen"]) == {"4"}
    cards = Seen(page_in(folder)).cards
    assert len(cards) == 48
    for card, row in zip(cards, sheet.itertuples(), strict=True):
        assert row.image in card
        assert f"Wrong in {row.wrong} of 4 test appearances" in card


def test_text_of_a_manifest_is_shown_as_text_and_no_formula(folder: Path) -> None:
    abl(folder, "review", "tiny")
    page = page_in(folder)
    assert MARK not in page
    assert any(MARK in card for card in Seen(page).cards)
    raw = next(folder.rglob("review.csv")).read_text(encoding="utf-8")
    assert f"'{FORMULA}" in raw
    assert not re.search(rf"(^|,){re.escape(FORMULA)}", raw, re.MULTILINE)
    assert ",-3.5" in raw


def test_names_of_persons_are_left_out_and_that_is_said(folder: Path) -> None:
    said = abl(folder, "review", "tiny").output
    assert "column patient_name" in said
    raw = next(folder.rglob("review.csv")).read_text(encoding="utf-8")
    assert "Jane Roe" not in page_in(folder) + raw
    assert "Not shown, as names may tell persons: column patient_name." in page_in(folder)


def test_the_page_holds_all_it_shows(folder: Path) -> None:
    abl(folder, "review", "tiny")
    page = page_in(folder)
    seen = Seen(page)
    sources = [attrs.get("src") or attrs.get("href") for _, attrs in seen.tags]
    assert [s for s in sources if s and not s.startswith("data:image/jpeg;base64,")] == []
    assert "default-src 'none'" in page
    images = [attrs for tag, attrs in seen.tags if tag == "img"]
    assert all(attrs["alt"] and attrs["loading"] == "lazy" for attrs in images)
    # every field has a label
    labelled = len(re.findall(r"<label", page))
    assert labelled == sum(tag in ("input", "select") for tag, _ in seen.tags)


def test_as_many_images_as_asked_and_what_is_left_out(folder: Path) -> None:
    said = abl(folder, "review", "tiny", "--images", "5", "--out", "here")
    assert "43 of these are left out: --images 48 shows all" in said.output
    assert len(pd.read_csv(folder / "here/review.csv")) == 5
    assert len(Seen((folder / "here/review.html").read_text("utf-8")).cards) == 5


def test_blinded_readers_are_not_told_what_networks_said(folder: Path) -> None:
    abl(folder, "review", "tiny")
    order = sheet_of(folder)["image"].tolist()
    said = abl(folder, "review", "tiny", "--blind", "--seed", "3")
    assert "the order is drawn (seed 3)" in said.output
    sheet = sheet_of(folder)
    told = {"flagged", "score", "wrong", "seen", "share_wrong", "low", "high"}
    assert not told & set(sheet.columns)
    assert not [name for name in sheet.columns if name.startswith(("p(", "wrong "))]
    assert sorted(sheet["image"]) == sorted(order) != order
    assert sheet["image"].tolist() not in (order, sorted(order))
    cards = " ".join(Seen(page_in(folder)).cards)
    assert "Wrong in" not in cards
    assert "flagged" not in cards
    assert "data-flagged" not in page_in(folder)
    abl(folder, "review", "tiny", "--blind", "--seed", "3")
    assert sheet_of(folder)["image"].tolist() == sheet["image"].tolist()


def test_answers_are_never_written_over(folder: Path) -> None:
    abl(folder, "review", "tiny")
    (path,) = folder.rglob("review.csv")
    sheet = sheet_of(folder)
    sheet.loc[3, "decision"] = "keep"
    sheet.to_csv(path, index=False)
    kept = path.read_bytes()
    said = abl(folder, "review", "tiny")
    assert said.exit_code == 2
    assert "holds answers: move it away" in said.output
    assert path.read_bytes() == kept
    assert abl(folder, "review", "tiny", "--out", "elsewhere").exit_code == 0


def test_one_arm_alone(folder: Path) -> None:
    abl(folder, "review", "tiny", "--arm", "pooled6")
    sheet = sheet_of(folder)
    assert set(sheet["seen"]) == {"2"}
    assert [name for name in sheet.columns if name.startswith("p(label)")] == ["p(label) pooled6"]


def test_near_duplicates_are_named_with_their_labels(tmp_path: Path) -> None:
    write_reviewed(tmp_path)
    table = pd.read_csv(tmp_path / "images/manifest.csv", dtype=str)
    first = table.iloc[2]
    shutil.copy(tmp_path / "images" / first["image"], tmp_path / "images/png/copy.png")
    other = {"benign": "malignant", "malignant": "benign"}[first["label"]]
    row = {**first, "image": "png/copy.png", "label": other, "patient": "copy"}
    pd.concat([table, pd.DataFrame([row])]).to_csv(tmp_path / "images/manifest.csv", index=False)
    ran(tmp_path)
    abl(tmp_path, "review", "tiny")
    sheet = sheet_of(tmp_path).set_index("image")
    assert f"png/copy.png ({other})" in sheet["near_duplicates"][first["image"]]
    cards = [card for card in Seen(page_in(tmp_path)).cards if "Nearly the same image:" in card]
    assert len(cards) == 2  # each of the pair names the other
    assert f"png/copy.png ({other})" in " ".join(cards)


def test_maps_that_the_sweep_keeps_stand_beside_their_images(folder: Path) -> None:
    (outcome,) = (folder / "mlruns/store/sweeps/tiny").glob("*/outcome.json")
    cam = np.zeros((6, 6), np.uint8)
    cam[0, 0] = 255
    pixels = np.full((1, 24, 24), 100, np.uint8)
    tiles = (Tile(cam, 0.75, 1), None)
    row = Picture("png/003a.png", "worst", 1, pixels, None, None, tiles)
    pictures = Pictures(("pooled3", "pooled6"), "", (row,))
    outcome.with_name("pictures.npz").write_bytes(pictures_to_bytes(pictures))
    abl(folder, "review", "tiny")
    maps = [a for tag, a in Seen(page_in(folder)).tags if tag == "img" and "Grad" in str(a["alt"])]
    assert [each["alt"] for each in maps] == ["Grad-CAM of pooled3"]
    (card,) = [each for each in Seen(page_in(folder)).cards if "pooled3: p 0.75" in each]
    assert "png/003a.png" in card
    content = base64.b64decode(str(maps[0]["src"]).partition(",")[2])
    with Image.open(io.BytesIO(content)) as image:
        shown = np.asarray(image.convert("RGB")).astype(int)
    hot, cold = shown[0, 0], shown[-1, -1]
    assert hot[0] - hot[2] > 80  # red where the heat is
    assert abs(cold - 100).max() < 12
    abl(folder, "review", "tiny", "--blind")
    assert "Grad-CAM of" not in page_in(folder)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["tini"], "no sweep 'tini' was run here: did you mean 'tiny'?"),
        (["tiny", "--arm", "pooled9"], "no arm has 'pooled9'"),
        (["tiny", "--resolve", "keep"], "--resolve is of --apply"),
        (["tiny", "--seed", "3"], "--seed draws the order of --blind"),
        (["tiny", "--apply", "x.csv"], "--apply needs --out FOLDER"),
        (["tiny", "--apply", "x.csv", "--out", "o", "--blind"], "--blind is of the page"),
    ],
)
def test_what_cannot_be_asked_is_one_line(finished: Path, words: list[str], told: str) -> None:
    said = abl(finished, "review", *words)
    assert said.exit_code == 2
    assert told in said.output
    assert len(said.output.strip().splitlines()) == 1
    assert not [*finished.rglob("review.*")]


def test_images_that_are_gone_or_relabelled_are_told(folder: Path) -> None:
    manifest = folder / "images/manifest.csv"
    before = manifest.read_text("utf-8")
    lines = before.splitlines(keepends=True)
    manifest.write_text("".join(lines[:3] + lines[4:]), "utf-8")
    said = abl(folder, "review", "tiny")
    assert said.exit_code == 2
    assert "1 of its test images are not in the data any more" in said.output
    manifest.write_text(before.replace("png/002a.png,benign", "png/002a.png,malignant"), "utf-8")
    assert "have another label now (png/002a.png)" in abl(folder, "review", "tiny").output
    manifest.rename(folder / "images/other.csv")
    said = abl(folder, "review", "tiny")
    assert said.exit_code == 2
    assert "give that folder with --data" in said.output


def test_a_sweep_that_scores_patients_is_refused_in_a_line(tmp_path: Path) -> None:
    write_reviewed(tmp_path, {"data.unit": "patient", "data.patient_label": "majority"})
    ran(tmp_path)
    said = abl(tmp_path, "review", "tiny")
    assert said.exit_code == 2
    assert "tiny scores patients (data.unit: patient): people look at single images" in said.output


def test_the_script_is_the_one_that_the_page_allows(folder: Path) -> None:
    abl(folder, "review", "tiny")
    page = page_in(folder)
    (allowed,) = re.findall(r"script-src '(sha256-[^']+)'", page.replace("&#39;", "'"))
    script = page.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert allowed == f"sha256-{digest}"
    found = re.search(r'id="table">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    assert json.loads(found[1])["columns"][0] == "image"


def test_numbers_and_flags_are_those_of_the_sweeps_own_table(tmp_path: Path) -> None:
    changes = {
        "study": "persistent",
        "axes": None,
        "arms": [{"network": ["pooled3", "pooled6"], "excluded": ["none", "random"]}],
        "splits": {"kind": "monte_carlo", "test": 0.3, "validation": 0.3},
        "replicates.repeats": 3,
        "options": {"inner": {"splits": 2, "test": 0.33}},
        "primary": "auc",
    }
    write_reviewed(tmp_path, changes)
    ran(tmp_path)
    said = abl(tmp_path, "review", "tiny")
    assert said.exit_code == 0, said.output
    assert "in test sets of 2 networks" in said.output  # arms that leave images out do not count
    (path,) = (tmp_path / "mlruns/store/sweeps/tiny").glob("*/images.parquet")
    sheet, own = sheet_of(tmp_path).set_index("image"), pd.read_parquet(path).set_index("image")
    own = own.loc[sheet.index]
    assert (sheet["flagged"] == "yes").tolist() == own["flagged"].tolist()
    for name in ("wrong", "seen", "score", "error_rate", "low", "high"):
        given = sheet[name].astype(float).to_numpy()
        np.testing.assert_allclose(given, own[name].to_numpy(float), atol=1e-4, err_msg=name)
