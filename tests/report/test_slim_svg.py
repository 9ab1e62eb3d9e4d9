"""SVGs of a page: fewer bytes, the same picture."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from figure_frames import made_sweep
from PIL import Image, ImageChops

from abl.report.figures.arms import Frames
from abl.report.figures.every import figures_of
from abl.report.figures.style import figure_bytes
from abl.report.page.slim_svg import slim_svg

CHROMIUM = shutil.which("chromium")


def test_scales_keep_their_digits_and_paths_lose_idle_ones() -> None:
    svg = (
        b'<?xml version="1.0"?>\n<svg viewBox="0 0 748.8 471.6">\n <metadata>x</metadata>\n'
        b' <!-- a name -->\n <g transform="translate(39.762829 195.4) scale(0.015625)">\n'
        b'  <path d="M 43.020212 -327.948036 \nL 1 2 \nz\n" style="stroke-width: 0.123456"/>\n'
        b" </g>\n</svg>\n"
    )
    assert slim_svg(svg) == (
        b'<svg viewBox="0 0 748.8 471.6"><g transform="translate(39.76 195.4) scale(0.015625)">'
        b'<path d="M43.02,-327.94L1,2z" style="stroke-width: 0.123456"/></g></svg>\n'
    )
    assert slim_svg(b"<svg/>") == b"<svg/>"


def test_figures_lose_a_fifth_of_their_bytes() -> None:
    made = made_sweep()
    figures = figures_of(made.outcome, Frames(made.predictions, made.networks))
    for name, figure in figures.items():
        whole = figure_bytes(figure, "svg")
        assert len(slim_svg(whole)) < 0.87 * len(whole), name


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM, reason="needs Chromium")
def test_the_picture_is_the_same(tmp_path: Path) -> None:
    made = made_sweep()
    figure = figures_of(made.outcome, Frames(made.predictions, made.networks))["roc"]
    whole = figure_bytes(figure, "svg")
    pictures = []
    for name, data in (("whole", whole), ("slim", slim_svg(whole))):
        (tmp_path / f"{name}.svg").write_bytes(data)
        shot = tmp_path / f"{name}.png"
        command = [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu"]
        command += ["--window-size=1000,700", f"--screenshot={shot}"]
        uri = (tmp_path / f"{name}.svg").as_uri()
        subprocess.run([*command, uri], check=True, timeout=120, capture_output=True)
        pictures.append(Image.open(io.BytesIO(shot.read_bytes())).convert("L"))
    far = np.asarray(ImageChops.difference(*pictures))
    assert np.asarray(pictures[0]).std() > 5
    assert (far > 64).mean() < 1e-3
