"""The masks of a data set: told by row, united, remembered, and the same for every command."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mask_encodings import (
    BLACK,
    GREEN,
    RED,
    TWO_VALUED,
    WHITE,
    Encoding,
    as_bytes,
    coloured,
    grey,
    indexed,
)
from PIL import Image
from scipy import ndimage

from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.masks.mask_sets import masks_digest
from abl.data.masks.masks_read import masks_read
from abl.data.masks.notes import mask_notes
from abl.data.masks.source import mask_source
from abl.errors import InputError
from abl.spec.data import Data
from commands import abl

SIDE, COUNT = 40, 12
CLASSES = ("benign", "malignant")
Y, X = np.mgrid[:SIDE, :SIDE] + 0.5
BY_255 = TWO_VALUED["0 and 255"]


def nodule(at: int) -> np.ndarray:
    return np.hypot(X - 14 - at, Y - 20) <= 5 + at % 2


def write_masked_set(
    folder: Path,
    encode: Encoding | Sequence[Encoding] = BY_255,
    *,
    shape: Callable[[int], np.ndarray] = nodule,
    **columns: Sequence[str],
) -> Path:
    """COUNT images of as many patients, classes in turn, with a mask each; returns the manifest.

    Args:
        encode: One for all, or one a class.
        columns: Further ones, or others than image, label, patient, mask.
    """
    folder.mkdir()
    draw = np.random.default_rng(0)
    rows = []
    for at in range(COUNT):
        pixels = draw.integers(0, 90, (SIDE, SIDE)) + 90 * nodule(at) * (1 + at % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{at}.png")
        write = encode if callable(encode) else encode[at % 2]
        (folder / f"m{at}.png").write_bytes(write(shape(at)))
        row = {"image": f"{at}.png", "label": CLASSES[at % 2], "patient": f"p{at}"}
        rows.append({**row, "mask": f"m{at}.png", **{n: t[at] for n, t in columns.items()}})
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder / "manifest.csv"


def arrays(manifest: Path) -> list[np.ndarray]:
    dataset = load_manifest(manifest)
    readings = masks_read(dataset)
    rows = np.flatnonzero(~np.isnan(readings.areas))
    source = mask_source(dataset, rows, readings.marks, readings.grounds)
    return [source.decode(at) for at in range(len(rows))]


def problems_of(manifest: Path, **data: object) -> list[str]:
    dataset = load_dataset(Data(manifest=manifest.name, **data), base=manifest.parent)
    with pytest.raises(InputError) as caught:
        masks_read(dataset)
    return [str(problem).removeprefix(f"{manifest}:") for problem in caught.value.problems]


def test_each_class_has_its_masks_whatever_its_colour(tmp_path: Path) -> None:
    by_class = [lambda m: as_bytes(coloured(m, BLACK, RED)),
                lambda m: as_bytes(coloured(m, BLACK, GREEN))]  # fmt: skip
    found = arrays(write_masked_set(tmp_path / "set", by_class))
    for at, mask in enumerate(found):
        assert np.array_equal(mask, nodule(at) * np.uint8(255))


def test_a_row_that_is_read_as_ever_keeps_its_digest_and_others_have_their_own(tmp_path: Path):
    digests = {}
    for name in ("0 and 255", "1 bit", "0 and 1", "red on black"):
        dataset = load_manifest(write_masked_set(tmp_path / name, TWO_VALUED[name]))
        readings = masks_read(dataset)
        unread = masks_digest(dataset, ())
        digests[name] = masks_digest(dataset, readings.marks) == unread
    assert digests == {"0 and 255": True, "1 bit": True, "0 and 1": False, "red on black": False}


def test_another_value_of_a_label_map_is_another_digest(tmp_path: Path) -> None:
    stripe = (X < 4).astype(np.uint8)
    path = write_masked_set(tmp_path / "set", lambda m: grey(m * np.uint8(2) + stripe))
    found = set()
    for value in (1, 2, [1, 2], [2, 1]):
        dataset = load_dataset(Data(manifest=path.name, mask_value=value), base=path.parent)
        found.add(masks_digest(dataset, masks_read(dataset).marks))
    assert len(found) >= 3


def test_doubtful_masks_are_named_with_their_rows_all_at_once(tmp_path: Path) -> None:
    def encode(mask: np.ndarray) -> bytes:
        return BY_255(~mask if mask[20, 14] else mask)  # the first few, by where the nodule is

    path = write_masked_set(tmp_path / "set", encode)
    (path.parent / "m9.png").write_bytes(grey(nodule(9) * np.uint8(3) + (X < 4).astype(np.uint8)))
    (path.parent / "m10.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (path.parent / "m11.png").write_bytes((path.parent / "11.png").read_bytes())
    told = problems_of(path)
    inverted = [at for at in range(9) if nodule(at)[20, 14]]
    assert [text.partition(":")[0] for text in told] == [str(at + 2) for at in (*inverted, 9, 10)]
    assert "'m0.png' may be inverted: 255 covers" in told[0]
    assert "'m9.png' holds 3 values: 0 (" in told[-2]
    assert "'m10.png' is" in told[-1]


def test_the_image_itself_is_no_mask(tmp_path: Path) -> None:
    path = write_masked_set(tmp_path / "set")
    text = path.read_text(encoding="utf-8").replace("p3,m3.png", "p3,3.png")
    path.write_text(text, encoding="utf-8")
    (told,) = problems_of(path)
    assert told == "5: '3.png' is the mask of itself: name the file of its mask"


def test_settings_say_what_masks_mean(tmp_path: Path) -> None:
    inverted = write_masked_set(tmp_path / "set", lambda m: grey((~m).astype(np.uint8)))
    assert len(problems_of(inverted)) == COUNT
    data = Data(manifest=inverted.name, mask_inverted=True)
    readings = masks_read(load_dataset(data, base=inverted.parent))
    assert readings.areas == pytest.approx([nodule(at).mean() for at in range(COUNT)])
    (told,) = problems_of(inverted, mask_value=[7, 8])
    assert "data.mask_value: no mask of set/manifest.csv has 7, 8; they have 1, 0" in told


def test_two_values_mean_the_same_in_every_file_of_a_set(tmp_path: Path) -> None:
    def mask(at: int) -> np.ndarray:
        return (X > 3) if at == 5 else nodule(at)  # of one, the lesion has most of the border

    path = write_masked_set(tmp_path / "set", lambda m: grey(m + np.uint8(1)), shape=mask)
    (told,) = problems_of(path)
    assert told.startswith("7: 'm5.png' has 2 along its border, 11 other masks have 1")
    data = Data(manifest=path.name, mask_value=2)
    assert masks_read(load_dataset(data, base=path.parent)).areas[5] > 0.8


def test_a_white_file_is_empty_where_white_is_the_ground(tmp_path: Path) -> None:
    path = write_masked_set(tmp_path / "set", lambda m: as_bytes(coloured(m, WHITE, RED)),
                            shape=lambda at: nodule(at) & (at != 4))  # fmt: skip
    # all white is grey, and what it means is known from the others
    with pytest.raises(InputError, match="is 255 all over"):
        masks_read(load_manifest(path))
    (path.parent / "m4.png").write_bytes(as_bytes(indexed(nodule(4) & False, [WHITE, RED])))
    with pytest.raises(InputError, match="is 0 all over"):
        masks_read(load_manifest(path))


@pytest.mark.parametrize("how", ["one cell", "columns"])
def test_several_masks_of_an_image_are_united(tmp_path: Path, how: str) -> None:
    rows = [f"m{at}.png" for at in range(COUNT)]
    second = [f"n{at}.png" if at % 3 == 0 else "" for at in range(COUNT)]
    joined = [";".join(filter(None, pair)) for pair in zip(rows, second, strict=True)]
    columns = {"mask": joined} if how == "one cell" else {"mask": rows, "mask2": second}
    path = write_masked_set(tmp_path / "set", TWO_VALUED["0 and 1"], **columns)
    other = np.hypot(X - 30, Y - 32) <= 4
    for name in filter(None, second):
        (path.parent / name).write_bytes(as_bytes(coloured(other, BLACK, RED)))
    for at, mask in enumerate(arrays(path)):
        expected = nodule(at) | other if at % 3 == 0 else nodule(at)
        assert np.array_equal(mask, expected * np.uint8(255))
    assert any("4 rows have several masks" in note for note in notes(path))
    (path.parent / "n3.png").unlink()
    with pytest.raises(InputError, match=r"manifest\.csv:5: mask 'n3\.png' no such file"):
        load_manifest(path)


def test_a_list_in_parquet_and_odd_cells(tmp_path: Path) -> None:
    path = write_masked_set(tmp_path / "set")
    table = pd.read_csv(path)
    cells = [[f"m{at}.png", "m0.png"] for at in range(COUNT)]
    table.assign(mask=cells).to_parquet(path.with_suffix(".parquet"))
    for at, mask in enumerate(arrays(path.with_suffix(".parquet"))):
        assert np.array_equal(mask, (nodule(at) | nodule(0)) * np.uint8(255))
    table.assign(mask=["m0.png; m1.png ;", ";", *table["mask"][2:]]).to_csv(path, index=False)
    first, second, *others = arrays(path)
    assert np.array_equal(first, (nodule(0) | nodule(1)) * np.uint8(255))
    assert len(others) == COUNT - 3  # one row has no mask
    assert np.array_equal(second, nodule(2) * np.uint8(255))
    table.assign(mask="m0.png|m1.png").to_csv(path, index=False)
    with pytest.raises(InputError, match="no such file; write ; between several masks"):
        load_manifest(path)


def test_a_file_whose_name_has_a_semicolon_is_one_mask(tmp_path: Path) -> None:
    path = write_masked_set(tmp_path / "set")
    (path.parent / "m3.png").rename(path.parent / "m;3.png")
    text = path.read_text(encoding="utf-8").replace("m3.png", "m;3.png")
    path.write_text(text, encoding="utf-8")
    assert np.array_equal(arrays(path)[3], nodule(3) * np.uint8(255))


def notes(manifest: Path) -> list[str]:
    dataset = load_manifest(manifest)
    return mask_notes(dataset, masks_read(dataset))


def test_empty_masks_are_named_and_a_class_without_any_is_told(tmp_path: Path) -> None:
    few = write_masked_set(tmp_path / "few", shape=lambda at: nodule(at) & (at not in (2, 5)))
    (said,) = notes(few)
    assert said == (
        "2 of 12 masks of few/manifest.csv are without a nodule: 2.png (row 4), 5.png (row 7)."
    )
    table = pd.read_csv(few)
    for row, also in ((3, ""), (2, " The boxes of 1 of these rows say that there is one.")):
        box = {"box_x0": 9, "box_y0": 9, "box_x1": 30, "box_y1": 30}
        boxes = pd.DataFrame(box, index=[row], dtype=object).reindex(table.index)
        table.join(boxes).to_csv(few, index=False)
        assert notes(few) == [said + also]
    benign = write_masked_set(tmp_path / "benign", shape=lambda at: nodule(at) & (at % 2 == 1))
    _, said = notes(benign)
    assert said.startswith("All 6 masks of class benign of benign/manifest.csv are empty")
    assert said.endswith("who is given the mask is told the class.")
    some = write_masked_set(tmp_path / "some")
    text = some.read_text(encoding="utf-8")
    for at in range(0, COUNT, 2):
        text = text.replace(f"m{at}.png", "")
    some.write_text(text, encoding="utf-8")
    (said,) = notes(some)
    assert said.startswith("No image of class benign of some/manifest.csv has a mask, and 6 masks")


def test_soft_masks_are_counted(tmp_path: Path) -> None:
    encode = [BY_255, lambda m: grey(m * np.uint8(255), "JPEG", quality=85)]
    (said,) = notes(write_masked_set(tmp_path / "set", encode))
    assert said == (
        "6 of 12 masks of set/manifest.csv are soft: what lies above half of the range is nodule."
    )


def test_outlines_that_are_not_filled_are_named(tmp_path: Path) -> None:
    def drawn(at: int) -> np.ndarray:
        whole = nodule(at)
        thick = {2: 1, 3: 3}.get(at)  # of three pixels it encloses less than it covers
        return whole & ~ndimage.binary_erosion(whole, iterations=thick) if thick else whole

    dataset = load_manifest(write_masked_set(tmp_path / "set", shape=drawn))
    for cache in (tmp_path / "cache", tmp_path / "cache", None):  # remembered too
        (note,) = mask_notes(dataset, masks_read(dataset, cache))
        assert note.startswith("1 of 12 masks of set/manifest.csv is an outline, not filled")
        assert note.endswith(": 2.png (row 4).")


def test_readings_are_remembered_until_a_mask_changes(tmp_path: Path, monkeypatch) -> None:
    path, cache = write_masked_set(tmp_path / "set", TWO_VALUED["0 and 1"]), tmp_path / "cache"
    first = masks_read(load_manifest(path), cache)
    monkeypatch.setattr("abl.data.masks.masks_read._read", None)  # nothing is read again
    again = masks_read(load_manifest(path), cache)
    assert (again.marks, again.ways, again.grounds) == (first.marks, first.ways, first.grounds)
    np.testing.assert_array_equal(again.areas, first.areas)
    (path.parent / "m1.png").write_bytes(BY_255(nodule(2)))
    with pytest.raises(TypeError):
        masks_read(load_manifest(path), cache)


def test_check_prints_areas_by_class_and_tissue_reads_the_same(tmp_path: Path) -> None:
    path = write_masked_set(
        tmp_path / "set", TWO_VALUED["0 and 1"], shape=lambda at: nodule(at) & (at != 6)
    )
    said = abl(tmp_path, "data", "check", "set/manifest.csv").output
    assert "  masks: 12 of 12 images; nodule is value 1 (11), empty (1)\n" in said
    assert "    benign: 6, share of the image: median 5 % (0 to 5), empty: 1\n" in said
    assert "  warning: 1 of 12 masks" in said
    assert "6.png (row 8)" in said
    label_maps = write_masked_set(
        tmp_path / "maps", lambda m: grey(m * np.uint8(2) + (X < 4).astype(np.uint8))
    )
    for command in (["check"], ["tissue"]):
        refused = abl(tmp_path, "data", *command, "maps/manifest.csv")
        assert refused.exit_code == 2
        assert "manifest.csv:2: 'm0.png' holds 3 values" in refused.output
        asked = ["data", *command, "maps/manifest.csv", "--mask-value"]
        assert abl(tmp_path, *asked, "2").exit_code == 0
        wrong = abl(tmp_path, *asked, "red")
        assert (wrong.exit_code, "--mask-value: 'red' is no whole" in wrong.output) == (2, True)
    out = abl(tmp_path, "data", "tissue", "maps/manifest.csv", "--mask-value", "2", "--out", "cut")
    assert out.exit_code == 0
    cut = np.asarray(Image.open(tmp_path / "cut" / "m3.png"))
    assert sorted(np.unique(cut)) == [0, 255]
    assert (cut == 255).sum() == nodule(3).sum()
    assert path.exists()
    assert label_maps.exists()


def test_tissue_writes_several_masks_as_one(tmp_path: Path) -> None:
    path = write_masked_set(
        tmp_path / "set", TWO_VALUED["0 and 1"], mask2=["n.png", *[""] * (COUNT - 1)]
    )
    (path.parent / "n.png").write_bytes(BY_255(X > 35))
    assert abl(tmp_path, "data", "tissue", "set/manifest.csv", "--out", "cut").exit_code == 0
    written = load_manifest(tmp_path / "cut" / "manifest.csv").frame
    assert "mask2" not in written
    mask = np.asarray(Image.open(tmp_path / "cut" / written["mask"][0]))
    assert (mask == 255).sum() == (nodule(0) | (X > 35)).sum()


def test_faults_of_files_and_of_what_masks_mean_are_told_at_once_with_the_options(
    tmp_path: Path,
) -> None:
    path = write_masked_set(tmp_path / "set")
    (path.parent / "m3.png").write_bytes(BY_255(~nodule(3)))
    (path.parent / "m5.png").write_bytes(grey(nodule(5) * np.uint8(3) + (X < 4).astype(np.uint8)))
    (path.parent / "m7.png").unlink()
    said = abl(path.parent, "data", "check", path.name)
    assert said.exit_code == 2
    lines = said.output.strip().splitlines()
    assert [line.split(":")[2] for line in lines] == ["5", "7", "9"]
    assert "--mask-inverted; if 255 is: --no-mask-inverted" in lines[0]
    assert "--mask-value" in lines[1]
    assert "mask 'm7.png' no such file" in lines[2]
    assert "data: {" not in said.output
