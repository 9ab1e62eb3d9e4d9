"""The tissue crop: what is found, what a sweep then sees, and `abl data tissue`."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from image_folders import write_png, write_set
from PIL import Image, ImageDraw
from typer.testing import CliRunner

from abl.cli.every import app
from abl.data import views
from abl.data.arrays import image_array, pixel_array, windows_of
from abl.data.crops import areas_of
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.data.phantom import phantom_dataset
from abl.data.phantom.rendering import write_text
from abl.data.tissue.tissue_regions import tissue_region
from abl.data.tissue.tissue_report import found_tissue, overlaps
from abl.data.tissue.tissue_sheet import LINE, WIDTH
from abl.data.views import view_key
from abl.errors import InputError
from abl.spec.data import Crop, Data, Phantom
from abl.spec.data import Image as ImageBlock
from abl.stages import identity as settings_of_stages
from abl.stages.inputs import OpenData

ROOT = Path(__file__).parents[2] / ".." / "shared" / "data"
TISSUE = (60, 20, 260, 180)  # x0, y0, x1, y1 in a frame 320 wide and 200 high
SLACK = 6  # pixels


def frame_of(seed: int = 0, gain: float = 1.0, turned: bool = False) -> np.ndarray:
    """uint8 (200, 320): speckle within TISSUE, or a turned square in it, and text beside it."""
    draw = np.random.default_rng(seed)
    speckle = np.clip(draw.rayleigh(45 * gain, (200, 320)), 1, 255)
    x0, y0, x1, y1 = TISSUE
    y, x = np.mgrid[:200, :320]
    if turned:
        inside = np.abs(x - 160) / 100 + np.abs(y - 100) / 80 < 1
    else:
        inside = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
    image = np.where(inside, speckle, 0).astype(np.uint8)
    for line in range(6):
        write_text(image, "P9012L", 20 + 14 * line, 272, 2)
    write_text(image, "TARAD4A", 188, 100, 2)
    return image


def is_near(region: tuple[int, int, int, int] | None, wanted: tuple[int, ...]) -> bool:
    return region is not None and max(np.abs(np.subtract(region, wanted))) <= SLACK


@pytest.mark.parametrize("gain", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("turned", [False, True])
def test_the_tissue_is_found_without_the_text_at_any_gain(gain, turned):
    image = frame_of(gain=gain, turned=turned)
    if turned:  # corners of a rhombus are thin, and thin things are text
        x0, y0, x1, y1 = tissue_region(image)
        assert 60 - SLACK <= x0 <= 85
        assert 235 <= x1 <= 260 + SLACK
        assert 20 - SLACK <= y0 <= 45
        assert 155 <= y1 <= 180 + SLACK
    else:
        assert is_near(tissue_region(image), TISSUE)


def test_colour_and_size_do_not_matter():
    image = frame_of()
    assert tissue_region(np.repeat(image[..., None], 3, axis=2)) == tissue_region(image)
    assert tissue_region(image[..., None]) == tissue_region(image)
    large = np.asarray(Image.fromarray(image).resize((1280, 800), Image.Resampling.BICUBIC))
    assert is_near(tuple(np.array(tissue_region(large)) / 4), TISSUE)


def test_a_frame_that_is_all_tissue_is_kept_whole():
    image = np.clip(np.random.default_rng(0).rayleigh(50, (200, 320)), 1, 255).astype(np.uint8)
    assert tissue_region(image) == (0, 0, 320, 200)
    assert tissue_region(image[:8, :8]) == (0, 0, 8, 8)


@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_found_in_a_blank_frame_or_in_text_alone(level):
    assert tissue_region(np.full((200, 320), level, dtype=np.uint8)) is None
    image = frame_of()
    image[:, :265] = 0
    assert tissue_region(image) is None
    assert tissue_region(np.full((1, 1), level, dtype=np.uint8)) is None


def test_the_phantoms_text_is_cut_off_and_its_nodules_are_kept():
    dataset = phantom_dataset(Phantom(patients=40, size=128, text=1.0))
    found = found_tissue(dataset)
    assert found.boxes_kept.min() > 0.9
    assert np.median(overlaps(dataset.frame, found.regions)) > 0.93


def test_a_sweep_sees_the_same_pixels_as_with_an_equal_roi(tmp_path):
    images = [frame_of(seed) for seed in range(4)]
    regions = np.array([tissue_region(image) for image in images])
    rois = {f"roi_{edge}": regions[:, at] for at, edge in enumerate(("x0", "y0", "x1", "y1"))}
    dataset = load_manifest(write_set(tmp_path / "set", images, rois))
    array = image_array(dataset, tmp_path / "cache", longest_side=1024)
    seen = [
        pixel_array(array, tmp_path / "cache", size=32, channels=1, crop=Crop(to=to, margin=0.1))
        for to in ("tissue", "roi", "frame")
    ]
    np.testing.assert_array_equal(seen[0], seen[1])
    assert (seen[0] != seen[2]).any()
    assert len(list((tmp_path / "cache").glob("tissue-*/regions.npy"))) == 1


def test_images_without_tissue_are_named_all_at_once(tmp_path):
    blank = np.zeros((40, 40), dtype=np.uint8)
    blank[0, 0] = 1  # an image of one value is refused before
    dataset = load_manifest(write_set(tmp_path / "set", [blank, frame_of(), blank, frame_of(1)]))
    array = image_array(dataset, tmp_path / "cache", longest_side=1024)
    with pytest.raises(InputError, match="no tissue is found") as error:
        windows_of(array, Crop(to="tissue"))
    assert [each.file for each in error.value.problems] == ["images/0.png", "images/2.png"]


def test_a_sweep_needs_no_region_columns_for_it(tmp_path):
    dataset = load_manifest(write_set(tmp_path / "set", [frame_of(seed) for seed in range(4)]))
    image = ImageBlock(size=32, channels=1, crop=Crop(to="tissue", threshold="local"))
    key = view_key(dataset, 1024, image)
    view = views.prepare_view(
        dataset, key, longest_side=1024, image=image, cache=tmp_path / "c", say=lambda text: None
    )
    array = image_array(dataset, tmp_path / "c", longest_side=1024)
    whole = pixel_array(array, tmp_path / "c", size=32, channels=1, crop=Crop())
    seen = view.pixel_set().take(np.arange(4))
    assert seen.shape == (4, 1, 32, 32)
    assert (np.asarray(seen) != np.asarray(whole[:4])).any()


def test_a_new_version_of_the_method_makes_other_views_and_trainings(tmp_path, monkeypatch):
    data, image = Data(manifest="set/manifest.csv"), ImageBlock(crop=Crop(to="tissue"))
    dataset = load_manifest(write_set(tmp_path / "set", [frame_of(seed) for seed in range(4)]))
    sweep = SimpleNamespace(data=data, image=image)

    def identity() -> tuple[str, object]:
        seen = settings_of_stages.seen_settings(sweep, OpenData(dataset, data))
        return view_key(dataset, 1024, image), seen

    before = identity()
    assert identity() == before
    for module in (settings_of_stages, views):
        monkeypatch.setattr(module, "TISSUE_VERSION", 99)
    assert all(old != new for old, new in zip(before, identity(), strict=True))


def test_a_second_image_is_cut_as_the_first(tmp_path):
    images = [frame_of(seed) for seed in range(4)]
    names = [f"second/{number}.png" for number in range(4)]
    flat = np.full((100, 160), 77, dtype=np.uint8)
    flat[0, 0] = 78  # an image of one value is refused
    for name in names:
        write_png(tmp_path / "set" / name, flat)
    write_set(tmp_path / "set", images, {"image2": names})
    windows = {}
    for modality in ("first", "second"):
        data = Data(manifest="set/manifest.csv", modality=modality)
        array = image_array(load_dataset(data, base=tmp_path), tmp_path / "c", longest_side=1024)
        windows[modality] = windows_of(array, Crop(to="tissue", square=False))
    assert np.abs(windows["second"] - windows["first"] / 2).max() <= 1


def run(*words: str):
    return CliRunner().invoke(app, ["data", "tissue", *words])


def boxed_set(folder: Path) -> Path:
    images = [frame_of(seed) for seed in range(4)]
    columns: dict[str, list[object]] = {
        "box_x0": [100, 40, "", 280],
        "box_y0": [50, 50, "", 20],
        "box_x1": [140, 80, "", 310],
        "box_y1": [90, 90, "", 60],
        "mask": ["masks/0.png", "", "", ""],
        "note": ["a", "", "c", "d"],
    }
    mask = np.zeros((200, 320), dtype=np.uint8)
    mask[50:90, 100:140] = 255
    write_png(folder / "masks" / "0.png", mask)
    return write_set(folder, images, columns)


def test_the_command_cuts_images_masks_and_boxes_alike(tmp_path):
    manifest = boxed_set(tmp_path / "set")
    out, sheet = tmp_path / "out", tmp_path / "sheet.png"
    result = run(str(manifest), "--out", str(out), "--sheet", str(sheet))
    assert result.exit_code == 0, result.output
    assert "masks kept whole: 1 of 1" in result.output
    assert "boxes kept whole: 1 of 3" in result.output
    assert "images/3.png: 0.0 % of its box" in result.output
    assert Image.open(sheet).size[0] > 100
    table = pd.read_csv(out / "manifest.csv")
    assert table["note"].fillna("").tolist() == ["a", "", "c", "d"]
    for row, image in enumerate(frame_of(seed) for seed in range(4)):
        x0, y0, x1, y1 = tissue_region(image)
        cut = np.asarray(Image.open(out / table["image"][row]))
        np.testing.assert_array_equal(cut, image[y0:y1, x0:x1])
    mask = np.asarray(Image.open(out / table["mask"][0]))
    left, top, right, bottom = table.loc[0, ["box_x0", "box_y0", "box_x1", "box_y1"]].astype(int)
    assert (mask[top:bottom, left:right] == 255).all()
    assert np.count_nonzero(mask) == 40 * 40
    assert table["box_x0"][1] == 0  # clipped
    assert table.loc[2:, "box_x0"].isna().all()  # not known; nothing of it is left
    load_manifest(out / "manifest.csv")


def test_the_command_writes_nothing_if_an_image_has_no_tissue_or_the_folder_holds_something(
    tmp_path,
):
    blank = np.full((40, 40), 9, dtype=np.uint8)
    manifest = write_set(tmp_path / "set", [blank, frame_of(), frame_of(1), blank])
    result = run(str(manifest), "--out", str(tmp_path / "out"), "--sheet", str(tmp_path / "s.png"))
    assert result.exit_code == 2
    assert "images/0.png" in result.output
    assert "images/3.png" in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]
    before = sorted(path.name for path in (tmp_path / "set").iterdir())
    assert run(str(boxed_set(tmp_path / "b")), "--out", str(tmp_path / "set")).exit_code == 2
    assert sorted(path.name for path in (tmp_path / "set").iterdir()) == before


def test_cut_images_are_named_png_and_none_is_written_over_another(tmp_path):
    names = ["x.jpg", "x.png", "sub.1/X.JPG", "y.bmp", "x_jpg.png", "z.jpg.png"]
    # names of the manifest as they are written, on disk and in the new manifest
    wanted = ["x_jpg_2.png", "x.png", "sub.1/X.png", "y.png", "x_jpg.png", "z.jpg.png"]
    images = [frame_of(seed) for seed in range(len(names))]
    manifest = write_set(tmp_path / "set", images, {"image": names})
    out = tmp_path / "out"
    result = run(str(manifest), "--out", str(out))
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out / "manifest.csv")
    assert table["image"].tolist() == wanted
    files = {path.relative_to(out).as_posix() for path in out.rglob("*.png")}
    assert files == set(wanted)
    for row, name in enumerate(wanted):
        x0, y0, x1, y1 = table.loc[row, ["tissue_x0", "tissue_y0", "tissue_x1", "tissue_y1"]]
        cut = np.asarray(Image.open(out / name), dtype=np.int64)
        source = np.asarray(Image.open(tmp_path / "set" / names[row]).convert("L"))
        np.testing.assert_array_equal(cut, source[y0:y1, x0:x1])


def test_captions_of_the_sheet_are_whole_and_say_what_is_wrong(tmp_path, monkeypatch):
    long = "images/" + "a_very_long_name_of_a_frame_" * 3 + "17.png"
    names = ["images/0.png", long, "images/2.png", "images/3.png"]
    images = [frame_of(seed) for seed in range(4)]
    boxes = {
        name: [values, 280, "", ""]
        for name, values in (("box_x0", 40), ("box_y0", 50), ("box_x1", 80), ("box_y1", 90))
    }
    boxes["box_x1"][1], boxes["box_y0"][1], boxes["box_y1"][1] = 310, 20, 60
    manifest = write_set(tmp_path / "set", images, {"image": names} | boxes)
    written: list[tuple[tuple[float, float], str, float]] = []
    text = ImageDraw.ImageDraw.text

    def noted(self, xy, words, **given):
        written.append((xy, words, given["font"].getlength(words)))
        text(self, xy, words, **given)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noted)
    result = run(str(manifest), "--sheet", str(tmp_path / "sheet.png"))
    assert result.exit_code == 0, result.output
    cells: dict[float, list[str]] = {}
    for (left, _), words, width in written:
        assert width <= WIDTH - (left % WIDTH)
        cells.setdefault(left // WIDTH, []).append(words)
    # the worst first, and no name cut
    assert ["".join(lines[:-1]) for lines in cells.values()][:2] == [long, "images/0.png"]
    said = [lines[-1] for lines in cells.values()]
    assert said[0] == "keeps 0.0 % of its box"
    assert re.fullmatch(r"keeps \d+\.\d % of its box", said[1])
    assert re.fullmatch(r"keeps \d+ % of the image \(median \d+ %\)", said[2])
    low = max(top for (_, top), _, _ in written)
    assert Image.open(tmp_path / "sheet.png").height >= low + LINE


@pytest.mark.skipif(not ROOT.is_dir(), reason="the public sets are not here")
def test_every_nodule_of_the_thyroid_set_is_kept_and_the_margins_are_cut():
    dataset = load_dataset(Data(set="ddti"), base=Path.cwd(), roots=[ROOT])
    found = found_tissue(dataset)
    lost = dataset.frame["image"][found.nodules_kept < 0.99].tolist()
    assert lost == ["images/338_2.jpg"]  # its outline was drawn on below the end of the picture
    assert areas_of(found.regions).max() < 0.85 * 560 * 360
    assert np.nanquantile(overlaps(dataset.frame, found.regions), [0.05, 0.5]).min() > 0.95


def test_a_local_threshold_finds_tissue_whose_brightness_falls_off() -> None:
    frame = frame_of()
    fall = np.geomspace(1, 0.08, 320)[None, :]  # dark on the right, as under a bad contact
    dim = np.clip(frame * fall, 0, 255).astype(np.uint8)
    x1 = TISSUE[2]
    dim[:, x1:] = frame[:, x1:]  # the scanner's text is as bright as ever
    uneven, even = tissue_region(dim), tissue_region(dim, local=True)
    assert uneven is not None
    assert uneven[2] < x1 - 20
    assert is_near(even, TISSUE)
    assert is_near(tissue_region(frame, local=True), TISSUE)


def test_each_threshold_has_a_view_and_regions_of_its_own(tmp_path: Path) -> None:
    dataset = phantom_dataset(Phantom(patients=4, size=64))
    array = image_array(dataset, tmp_path, longest_side=64)
    keys, windows = set(), []
    for threshold in ("global", "local"):
        crop = Crop(to="tissue", threshold=threshold)
        keys.add(view_key(dataset, 64, ImageBlock(crop=crop)))
        windows.append(windows_of(array, crop))
    assert len(keys) == 2
    assert all((each[:, 2:] > each[:, :2]).all() for each in windows)
    assert sum(each.is_dir() for each in tmp_path.glob("tissue-*")) == 2
