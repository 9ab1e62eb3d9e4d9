"""Composite frames: the coloured image found, its twin beside it, and `abl data split-frames`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from abl.data.composites.composite_regions import colour_region, twin_region
from abl.data.load import load_dataset
from abl.spec.data import Data
from commands import abl as command

WIDTH, HEIGHT = 400, 240
ELASTICITY = (225, 60, 365, 180)  # x0, y0, x1, y1
SLACK = 3  # pixels


def composite(seed: int = 0, region: tuple[int, int, int, int] = ELASTICITY) -> np.ndarray:
    """uint8 (240, 400, 3): grey speckle in both halves, colour over a part of one, a colour bar."""
    draw = np.random.default_rng(seed)
    frame = np.repeat(draw.integers(20, 120, (HEIGHT, WIDTH, 1)), 3, axis=2).astype(np.uint8)
    x0, y0, x1, y1 = region
    hue = draw.random((y1 - y0, x1 - x0, 1))
    frame[y0:y1, x0:x1] = np.concatenate([200 * hue, 200 * (1 - hue), 60 * hue], axis=2) + 30
    frame[60:180, 388:394] = (255, 0, 0)  # the colour bar is thin
    return frame


def is_near(region: tuple[int, ...] | None, wanted: tuple[int, ...]) -> bool:
    return region is not None and max(np.abs(np.subtract(region, wanted))) <= SLACK


@pytest.mark.parametrize(
    ("region", "twin"),
    [
        (ELASTICITY, (25, 60, 165, 180)),
        ((25, 60, 165, 180), ELASTICITY),
        ((130, 130, 270, 220), (130, 10, 270, 100)),  # above
    ],
)
def test_the_twin_is_at_the_same_place_of_the_other_half(region, twin) -> None:
    found = colour_region(composite(region=region))
    assert is_near(found, region)
    assert found is not None
    assert is_near(twin_region(found, HEIGHT, WIDTH), twin)
    moved = twin_region(found, HEIGHT, WIDTH, (3 - found[0], 5 - found[1]))
    assert moved is not None
    assert moved[:2] == (3, 5)


def test_grey_frames_and_thin_colour_have_no_region() -> None:
    grey = np.repeat(composite()[..., :1], 3, axis=2)
    assert colour_region(grey) is None
    assert colour_region(grey[..., 0]) is None
    bar = grey.copy()
    bar[60:180, 388:394] = (255, 0, 0)
    assert colour_region(bar) is None
    assert twin_region((100, 60, 300, 200), HEIGHT, WIDTH) is None


def written(folder: Path, frames: list[np.ndarray]) -> Path:
    folder.mkdir()
    rows = []
    for at, frame in enumerate(frames):
        Image.fromarray(frame).save(folder / f"{at}.png")
        box = {"box_x0": 65, "box_y0": 80, "box_x1": 105, "box_y1": 120}
        rows.append({"image": f"{at}.png", "label": at % 2, "patient": f"p{at}", **box})
    pd.DataFrame(rows).to_csv(folder / "frames.csv", index=False)
    return folder / "frames.csv"


def test_frames_become_pairs_that_a_sweep_reads(tmp_path: Path) -> None:
    frames = [composite(seed) for seed in range(4)]
    manifest = written(tmp_path / "frames", frames)
    sheet, out = tmp_path / "sheet.png", tmp_path / "pairs"
    result = command(
        tmp_path, "data", "split-frames", str(manifest), "--out", str(out), "--sheet", str(sheet)
    )
    assert (result.exit_code, "4 frames split" in result.output) == (0, True), result.output
    assert Image.open(sheet).size[0] > 300
    pairs = load_dataset(Data(manifest="pairs.csv", modality="both"), base=out)
    assert len(pairs) == 4
    assert pairs.second is not None
    for at, frame in enumerate(frames):
        row = pairs.frame.iloc[at]
        for name, image in (("conventional", pairs.source), ("elasticity", pairs.second)):
            x0, y0, x1, y1 = (int(row[f"{name}_{edge}"]) for edge in ("x0", "y0", "x1", "y1"))
            cut, decoded = frame[y0:y1, x0:x1], image.decode(at)
            grey = decoded.ndim == 2  # a picture of equal channels is read as grey
            assert grey == (name == "conventional")
            assert np.array_equal(decoded, cut[..., 0] if grey else cut)
        # the nodule's box, in pixels of the conventional image
        assert row["box_x0"] == 65 - int(row["conventional_x0"])
        assert row["box_y1"] == 120 - int(row["conventional_y0"])


def test_frames_without_a_pair_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    grey = np.repeat(composite()[..., :1], 3, axis=2)
    both = composite(region=(120, 60, 280, 200))
    manifest = written(tmp_path / "frames", [composite(), grey, both, composite(3)])
    out = tmp_path / "pairs"
    arguments = ["data", "split-frames", str(manifest), "--out", str(out)]
    result = command(tmp_path, *arguments)
    assert result.exit_code == 2
    assert "1.png: has no coloured image" in result.output
    assert "2.png: has its coloured image at" in result.output
    assert not out.exists()
    # a twin that lies over the coloured image is none
    result = command(tmp_path, *arguments, "--offset=0,0")
    assert result.exit_code == 2
    assert "0.png: has its coloured image at" in result.output
    result = command(tmp_path, *arguments, "--offset=left")
    assert result.exit_code == 2
    assert "write two whole numbers" in result.output


def test_images_that_overlap_are_no_pair(tmp_path: Path) -> None:
    manifest = written(tmp_path / "frames", [composite(seed) for seed in range(2)])
    out = tmp_path / "pairs"
    for offset in ("0,0", "-20,10"):
        arguments = ["data", "split-frames", str(manifest), "--out", str(out)]
        result = command(tmp_path, *arguments, f"--offset={offset}")
        assert result.exit_code == 2
        assert "0.png: has its coloured image at" in result.output
        assert "its twin would overlap it: --offset is at least" in result.output
        assert not out.exists()


def test_the_papers_sweeps_read_what_is_written(tmp_path: Path) -> None:
    papers = Path(__file__).parents[2] / "sweeps" / "papers"
    paired = [path for path in papers.glob("*.yaml") if "image2" in path.read_text("utf-8")]
    named = {yaml.safe_load(path.read_text("utf-8"))["data"]["manifest"] for path in paired}
    out = tmp_path / "pairs"
    manifest = written(tmp_path / "frames", [composite(seed) for seed in range(2)])
    assert (
        command(tmp_path, "data", "split-frames", str(manifest), "--out", str(out)).exit_code == 0
    )
    assert named == {path.name for path in out.glob("*.csv")}
