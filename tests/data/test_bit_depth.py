"""Files of 16 bits that use fewer, and images in which nothing is to be seen."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_folders import grey_tiff, noise_image, write_set
from PIL import Image

from abl.data.bit_depth import bits_read, is_sixteen_bits
from abl.data.checks.image_checks import check_images
from abl.data.image_decoding import decoded_image
from abl.data.load import load_dataset
from abl.data.manifest import load_manifest
from abl.errors import InputError
from abl.spec.data import Data

LEVELS = np.array([[0, 1, 8, 2048], [4095, 100, 4094, 17]], np.uint16)
SCALED = np.array([[0, 0, 0, 128], [255, 6, 255, 1]])  # of 4095


def png(values: np.ndarray, bits: int | None = None) -> bytes:
    """A grey PNG of 16 bits, with an sBIT chunk as a camera's 12 bits have it."""
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "PNG")
    content = buffer.getvalue()
    if bits is None:
        return content
    chunk = b"sBIT" + bytes([bits])
    chunk = struct.pack(">I", 1) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return content[:33] + chunk + content[33:]  # behind IHDR


def tiff12(values: np.ndarray) -> bytes:
    """A grey TIFF of 12 bits a sample, packed: two values in three bytes."""
    height, width = values.shape
    flat = values.reshape(-1).astype(int)
    data = b"".join(
        bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255])
        for a, b in zip(flat[::2], flat[1::2], strict=True)
    )
    return grey_tiff(data, width, height, bits=12)


def test_twelve_bits_declared_by_the_file_are_the_whole_range() -> None:
    np.testing.assert_array_equal(decoded_image(png(LEVELS, 12)), SCALED)
    np.testing.assert_array_equal(decoded_image(tiff12(LEVELS)), SCALED)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_whose_zero_is_white_is_no_negative(bits: int) -> None:
    """Pillow turns those of 8 bits round, and no others."""
    stored = np.array([[0, 1], [100, 255]]).repeat(2, axis=0)
    scaled = stored * 257 if bits == 16 else stored
    for white_at_zero in (False, True):
        kept = scaled.astype(f"<u{bits // 8}").tobytes()
        found = decoded_image(grey_tiff(kept, 2, 4, bits=bits, white_at_zero=white_at_zero))
        np.testing.assert_array_equal(found, 255 - stored if white_at_zero else stored)


def test_a_file_that_declares_bits_and_is_scaled_keeps_what_it_was() -> None:
    # as the PNG specification wants it: by shift and repeat, or by rounding
    for scaled in (LEVELS << 4 | LEVELS >> 8, np.rint(LEVELS * (65535 / 4095)).astype(np.uint16)):
        assert bits_read(png(scaled, 12)) == 0
        np.testing.assert_array_equal(decoded_image(png(scaled, 12)), decoded_image(png(scaled)))
        dark = scaled * (scaled < 4096)
        assert bits_read(png(dark.astype(np.uint16), 12)) == 0


def test_bits_of_the_data_block_are_read(tmp_path: Path) -> None:
    folder = tmp_path
    write_set(folder, [noise_image(0, 2, 4), noise_image(1, 2, 4), *[LEVELS, LEVELS // 2]])
    plain = load_dataset(Data(manifest="manifest.csv"), base=folder)
    told = load_dataset(Data(manifest="manifest.csv", bits=12), base=folder)
    np.testing.assert_array_equal(told.source.decode(2), SCALED)
    np.testing.assert_array_equal(told.source.decode(0), noise_image(0, 2, 4))
    # files of 8 bits are what they were, the others are other images
    same = (plain.frame["fingerprint"] == told.frame["fingerprint"]).tolist()
    assert same == [True, True, False, False]
    with pytest.raises(ValueError, match="fit into 8 bits"):
        Data(manifest="m.csv", bits=8)


def test_a_value_that_the_bits_do_not_hold_is_told_by_row(tmp_path: Path) -> None:
    path = write_set(tmp_path, [LEVELS, LEVELS, LEVELS // 2, LEVELS // 2])
    lines = [str(each) for each in check_images(load_manifest(path, bits=10))]
    assert [line.partition("' ")[2] for line in lines] == [
        "has values up to 4095, and 10 bits hold 1023; write data: {bits: 12}, or leave it out",
        "has values up to 4095, and 10 bits hold 1023; write data: {bits: 12}, or leave it out",
        "has values up to 2047, and 10 bits hold 1023; write data: {bits: 11}, or leave it out",
        "has values up to 2047, and 10 bits hold 1023; write data: {bits: 11}, or leave it out",
    ]


def test_declared_bits_enter_the_digest_and_others_do_not(tmp_path: Path) -> None:
    import hashlib

    path = write_set(tmp_path, [LEVELS] * 4)
    for at, content in enumerate([png(LEVELS), png(LEVELS, 12), png(LEVELS, 16), tiff12(LEVELS)]):
        (tmp_path / f"images/{at}.png").write_bytes(content)
    found = load_manifest(path).frame["fingerprint"]
    plain = [
        hashlib.sha256((tmp_path / f"images/{n}.png").read_bytes()).hexdigest() for n in range(4)
    ]
    assert (found == plain).tolist() == [True, False, True, False]


@pytest.mark.parametrize(
    ("content", "deep"),
    [
        (png(LEVELS), True),
        (tiff12(LEVELS), True),
        (b"P5\n# made by hand\n2 1\n65535\n" + bytes(4), True),
        (b"P5 2 1 255\n" + bytes(2), False),
        (b"\x89PNG\r\n\x1a\n", False),
        (b"", False),
    ],
)
def test_files_of_more_than_eight_bits_are_known_by_their_headers(
    content: bytes, deep: bool
) -> None:
    assert is_sixteen_bits(content) is deep


def rgba(colour: tuple[int, int, int], alpha: np.ndarray) -> bytes:
    image = np.dstack([np.full((*alpha.shape, 3), colour, np.uint8), alpha])
    buffer = io.BytesIO()
    Image.fromarray(image, "RGBA").save(buffer, "PNG")
    return buffer.getvalue()


def test_images_in_which_nothing_is_seen_are_told_by_row(tmp_path: Path) -> None:
    clear, half = np.zeros((24, 32), np.uint8), np.zeros((24, 32), np.uint8)
    half[:12] = 255
    path = write_set(tmp_path, [noise_image(seed) for seed in range(8)])
    for at, content in (
        (0, rgba((200, 90, 10), clear)),
        (2, rgba((0, 0, 0), half)),
        (3, rgba((9, 9, 9), np.full_like(clear, 255))),
        (5, rgba((9, 8, 7), np.full_like(clear, 255))),
    ):
        (tmp_path / f"images/{at}.png").write_bytes(content)
    lines = [str(each).partition("manifest.csv")[2] for each in check_images(load_manifest(path))]
    assert lines == [
        ":2: 'images/0.png' has no visible pixel (alpha is 0 everywhere)",
        ":4: 'images/2.png' is black on a transparent ground, which is read as black too; "
        "save it without transparency",
        ":5: 'images/3.png' has one grey value everywhere (9)",
        ":7: 'images/5.png' has one colour everywhere (9, 8, 7)",
    ]


def test_a_sweep_refuses_them_before_near_duplicates(tmp_path: Path) -> None:
    # all alike once they are read as black: a fault of the files, not of the patients
    from abl import api

    path = write_set(tmp_path, [noise_image(seed) for seed in range(24)])
    for file in (tmp_path / "images").iterdir():
        file.write_bytes(rgba((200, 90, 10), np.zeros((24, 32), np.uint8)))
    text = (
        "name: clear\nstudy: frozen\ndata: {manifest: manifest.csv}\nimage: {size: 32}\n"
        "train: {network: tiny_resnet, epochs: 1, last_k: 1}\n"
        "axes: {train.optimizer.lr: [1e-3, 1e-4]}\nmetrics: [auc]\nprimary: auc\n"
    )
    (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
    loaded = api.load(tmp_path / "s.yaml", root=tmp_path / "runs")
    with pytest.raises(InputError) as caught:
        api.run(loaded, executor="local", record=False)
    lines = [str(problem) for problem in caught.value.problems]
    assert all("has no visible pixel" in line for line in lines[:20])
    assert not any("near-duplicate" in line for line in lines)
    assert path.is_file()
