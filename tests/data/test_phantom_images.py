"""The generated images: physics, what is where, and the same bytes in every process."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from abl.data.phantom import (
    PhantomSource,
    phantom_dataset,
    phantom_table,
    phantom_truth,
    render,
)
from abl.data.phantom import rendering as physics
from abl.data.phantom.scene import FLUID, STONE, blank_scene
from abl.spec.data import Phantom

SMALL = Phantom(patients=40, size=64, centre_b=0.3)


def lateral_width(image: np.ndarray) -> float:
    """Lag-1 correlation along the rows: wider speckle, higher."""
    return float(np.corrcoef(image[:, 1:].ravel(), image[:, :-1].ravel())[0, 1])


def uniform_envelope(pixels: int = 512, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return physics.envelope(np.full((pixels, pixels), 0.02), 40 / pixels, 1.0, draw)


def test_speckle_of_uniform_tissue_is_rayleigh_before_compression() -> None:
    tissue = np.stack([uniform_envelope(seed=seed) for seed in range(6)])
    for rows in (slice(0, 170), slice(170, 340), slice(340, 512)):
        part = tissue[:, rows]
        assert part.mean() / part.std() == pytest.approx(1.913, abs=0.04)
    # as bright at the border as inside
    for part in (tissue[:, :5], tissue[:, -5:], tissue[:, :, :5], tissue[:, :, -5:], tissue):
        assert (part**2).mean() == pytest.approx(0.02**2, rel=0.2)


def test_speckle_is_wider_across_than_along_and_widens_with_depth() -> None:
    tissue = uniform_envelope()
    top, bottom = tissue[:128], tissue[-128:]
    assert lateral_width(top) < lateral_width(bottom)
    assert lateral_width(top.T) < lateral_width(top)
    assert lateral_width(top.T) == pytest.approx(lateral_width(bottom.T), abs=0.02)


def test_log_compression_shows_sixty_decibels() -> None:
    levels = np.array([[10.0, 1.0, 10**-1.5, 10**-3.0, 10**-4.0, 0.0]])
    grey = physics.log_compressed(levels, 0.0)
    np.testing.assert_allclose(grey, [[255, 255, 127.5, 0, 0, 0]], atol=1e-9)
    np.testing.assert_allclose(physics.log_compressed(levels, -6.0)[0, 1], 255 * 0.9)


@pytest.mark.parametrize(("extra", "sign"), [(6.0, -1), (-0.35, 1)])
def test_shadow_behind_calcification_enhancement_behind_fluid(extra: float, sign: int) -> None:
    scene = blank_scene(256, 40.0)
    part, away = scene.oval(0.5, 0.4, 0.1, 0.1)
    scene.fill(part, away < 1, STONE if extra > 0 else FLUID, extra)
    mm = scene.depth_mm / 256
    level = scene.level + physics.accumulated_db(scene.extra, mm)
    envelope = physics.envelope(10 ** (level / 20), mm, 1.0, np.random.default_rng(1))
    grey = physics.log_compressed(envelope, 0.0)
    contrast = grey[:, 118:138].mean(axis=1) - grey[:, 10:80].mean(axis=1)
    assert sign * contrast[150:220].mean() > 20  # below it
    assert abs(contrast[5:65].mean()) < 12  # above it, where all is alike


def test_boxes_hold_masks_loosely_and_masks_have_the_stated_size() -> None:
    for size in (32, 100):
        settings = Phantom(patients=25, size=size)
        table, source = phantom_table(settings), PhantomSource(settings, "mask")
        slack = []
        for position, row in table.iterrows():
            mask = source.decode(int(position)) > 0
            assert 0.02 <= mask.mean() <= 0.30
            rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
            assert 0 <= row.box_x0 <= columns[0]
            assert columns[-1] < row.box_x1 <= size
            assert 0 <= row.box_y0 <= rows[0]
            assert rows[-1] < row.box_y1 <= size
            slack.append((row.box_x1 - row.box_x0) / len(columns))
            # inside the tissue, and clear of the text
            assert row.roi_x0 <= columns[0]
            assert columns[-1] < row.roi_x1
        assert 1.05 < np.mean(slack) < 1.35


def test_irregular_margins_show_in_the_mask() -> None:
    settings = Phantom(patients=60, size=128, planes=1)
    score = phantom_truth(settings)["latent_margin"]
    roughness = []
    for position in range(len(score)):
        mask = PhantomSource(settings, "mask").decode(position) > 0
        edge = (mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum()
        roughness.append(edge / np.sqrt(mask.sum()))
    assert spearmanr(score, roughness).statistic > 0.6


def test_text_lies_outside_the_tissue_in_the_stated_share() -> None:
    settings = Phantom(patients=600, size=64, text=0.3)
    table = phantom_table(settings)
    has_text = (table["roi_x0"] > 0) | (table["roi_x1"] < 64)
    assert has_text.mean() == pytest.approx(0.3, abs=0.06)
    for position in np.flatnonzero(has_text)[:10]:
        frame = render(settings, int(position)).bmode
        row = table.loc[position]
        outside = np.ones(64, dtype=bool)
        outside[int(row.roi_x0) : int(row.roi_x1)] = False
        band = frame[:, outside]
        assert (band == 0).mean() > 0.5
        assert band.max() >= 200
        assert (frame[:, ~outside] == 0).mean() < 0.2


def test_echogenicity_and_stiffness_show_inside_the_nodule() -> None:
    settings = Phantom(patients=80, size=64, planes=1, text=0)
    truth = phantom_truth(settings)
    frames = [render(settings, position) for position in range(len(truth))]
    dark = [np.median(f.bmode[f.mask]) - np.median(f.bmode[~f.mask]) for f in frames]
    stiff = [f.elasticity[f.mask].mean() for f in frames]
    assert spearmanr(truth["latent_echogenicity"], dark).statistic < -0.6
    assert spearmanr(truth["latent_stiffness"], stiff).statistic > 0.85


def test_centre_b_is_brighter_and_coarser() -> None:
    tissue: dict[str, list[np.ndarray]] = {"A": [], "B": []}
    settings = Phantom(patients=60, size=128, planes=1, centre_b=0.5, text=0, distractors=False)
    for position, centre in enumerate(phantom_table(settings)["centre"]):
        tissue[centre].append(render(settings, position).bmode[40:60])
    level = {name: np.mean(images) for name, images in tissue.items()}
    width = {name: np.mean([lateral_width(i) for i in images]) for name, images in tissue.items()}
    assert level["B"] > level["A"] + 8
    assert width["B"] > width["A"]


def test_pixels_change_exactly_where_fingerprints_do() -> None:
    base = phantom_dataset(SMALL)
    for change in ({"text": 0.6}, {"flip": 0.4}, {"prevalence_b": 0.3}, {"patients": 50}):
        other = phantom_dataset(SMALL.model_copy(update=change))
        same = base.frame["fingerprint"] == other.frame["fingerprint"][: len(base)]
        assert same.any(), change
        for position in [*np.flatnonzero(same)[:4], *np.flatnonzero(~same)[:4]]:
            equal = (base.source.decode(position) == other.source.decode(position)).all()
            assert equal == same[position], change
    assert (base.frame["fingerprint"] == phantom_dataset(SMALL).frame["fingerprint"]).all()
    assert base.frame["fingerprint"].is_unique


def test_settings_that_change_pixels_change_every_fingerprint() -> None:
    base = set(PhantomSource(SMALL).fingerprints())
    for change in ({"seed": 1}, {"size": 65}, {"distractors": False}, {"task": "source"}):
        assert base.isdisjoint(PhantomSource(SMALL.model_copy(update=change)).fingerprints())
    assert base.isdisjoint(PhantomSource(SMALL, "elasticity").fingerprints())


DIGEST = """
import hashlib
from abl.data.phantom import phantom_truth, render
from abl.spec.data import Phantom
digest = hashlib.sha256()
for settings in (Phantom(patients=6, size=64), Phantom(patients=6, size=100, centre_b=0.9)):
    digest.update(phantom_truth(settings).to_csv(index=False).encode())
    for position in reversed(range(6)):
        images = render(settings, position)
        for image in (images.bmode, images.elasticity, images.mask):
            digest.update(image.tobytes())
print(digest.hexdigest())
"""


def test_the_same_bytes_in_every_process_whatever_its_threads() -> None:
    found = set()
    for threads in ("1", "3"):
        environment = os.environ | {
            "OMP_NUM_THREADS": threads,
            "OPENBLAS_NUM_THREADS": threads,
            "PYTHONHASHSEED": threads,
        }
        run = subprocess.run(
            [sys.executable, "-c", DIGEST], env=environment, capture_output=True, check=True
        )
        found.add(run.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == len(hashlib.sha256().hexdigest())


def test_sources_travel_to_other_processes_and_give_the_stated_arrays() -> None:
    for modality in ("bmode", "elasticity", "mask"):
        dataset = phantom_dataset(SMALL, modality)
        copy = pickle.loads(pickle.dumps(dataset.source))
        image = copy.decode(5)
        assert image.dtype == np.uint8
        assert image.shape == (64, 64)
        np.testing.assert_array_equal(image, dataset.source.decode(5))
        assert len(copy.fingerprints()) == len(dataset)
