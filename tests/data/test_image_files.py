from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from abl.data.image_decoding import decoded_image
from abl.data.images import decoded_file, file_size, reduced
from abl.data.masks.files import mask_values

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
COLOUR = np.stack([GREY, 255 - GREY, GREY // 2], axis=-1)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "GIF", "PPM"])
def test_grey_is_read_exactly(kind):
    decoded = decoded_image(saved(Image.fromarray(GREY), kind))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, GREY)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_colour_is_read_exactly(kind):
    np.testing.assert_array_equal(decoded_image(saved(Image.fromarray(COLOUR), kind)), COLOUR)


def test_webp_without_loss_and_jpeg_nearly():
    picture = Image.fromarray(COLOUR)
    np.testing.assert_array_equal(decoded_image(saved(picture, "WEBP", lossless=True)), COLOUR)
    decoded = decoded_image(saved(Image.fromarray(GREY), "JPEG", quality=95))
    assert decoded.shape == GREY.shape
    assert np.abs(decoded.astype(int) - GREY).max() < 12


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_sixteen_bits_scale_the_full_range(kind):
    values = np.array([[0, 128, 129, 257, 32768, 65535]], dtype=np.uint16)
    decoded = decoded_image(saved(Image.fromarray(values), kind))
    np.testing.assert_array_equal(decoded, [[0, 0, 1, 1, 128, 255]])


def test_sixteen_bit_tiff_with_white_as_zero_is_inverted():
    values = np.array([[0, 65535]], dtype=np.uint16)
    content = saved(Image.fromarray(values), "TIFF", tiffinfo={262: 0})
    np.testing.assert_array_equal(decoded_image(content), [[255, 0]])


def test_one_bit_becomes_black_and_white():
    content = saved(Image.fromarray(GREY > 100), "PNG")
    np.testing.assert_array_equal(decoded_image(content), np.where(GREY > 100, 255, 0))


def test_equal_channels_are_grey():
    repeated = np.repeat(GREY[..., None], 3, axis=2)
    np.testing.assert_array_equal(decoded_image(saved(Image.fromarray(repeated), "PNG")), GREY)


def test_palette_is_looked_up():
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    expected = [[[10, 20, 30], [200, 100, 50]]]
    np.testing.assert_array_equal(decoded_image(saved(picture, "PNG")), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_is_composited_on_black(mode):
    bands = [200, 200, 200] if mode == "RGBA" else [200]
    pixels = np.array([[[*bands, alpha] for alpha in (0, 51, 255)]], dtype=np.uint8)
    picture = Image.fromarray(pixels, mode)
    np.testing.assert_array_equal(decoded_image(saved(picture, "PNG")), [[0, 40, 200]])


def test_transparent_palette_entry_is_black():
    picture = Image.new("P", (2, 1))
    picture.putpalette([90, 90, 90, 200, 200, 200])
    picture.putpixel((1, 0), 1)
    content = saved(picture, "PNG", transparency=0)
    np.testing.assert_array_equal(decoded_image(content), [[0, 200]])


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(kind):
    picture = Image.fromarray(COLOUR).resize((80, 60), Image.Resampling.NEAREST)
    decoded = decoded_image(saved(picture.convert("CMYK"), kind))
    assert decoded.shape == (60, 80, 3)
    assert np.abs(decoded.astype(int) - np.asarray(picture)).mean() < 10


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda stored: stored),
        (2, np.fliplr),
        (3, lambda stored: np.rot90(stored, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda stored: np.rot90(stored, -1)),
        (7, lambda stored: np.rot90(stored, 2).T),
        (8, np.rot90),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation, upright, kind):
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = saved(Image.fromarray(GREY), kind, exif=exif)
    np.testing.assert_array_equal(decoded_image(content), upright(GREY))


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "tiff_adobe_deflate"])
def test_a_grey_tiff_on_its_side_is_one_picture_as_image_and_as_mask(tmp_path, depth, compression):
    # of an uncompressed one that Pillow opens by its path the rows are torn apart
    # (findings/pillow_grey_tiff_on_its_side.sh)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = GREY.astype(depth) * (257 if depth is np.uint16 else 1)
    Image.fromarray(stored).save(tmp_path / "film.tif", exif=exif, compression=compression)
    expected = np.rot90(GREY, -1)
    np.testing.assert_array_equal(decoded_file(str(tmp_path), "film.tif"), expected)
    assert file_size(str(tmp_path), "film.tif") == expected.shape
    codes = mask_values(str(tmp_path), "film.tif").codes
    np.testing.assert_array_equal(codes, np.rot90(stored, -1))


def test_gif_gives_its_first_frame():
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(decoded_image(content), GREY)


@pytest.mark.parametrize("kind", ["TIFF", "WEBP", "PNG"])
def test_several_pages_are_refused(kind):
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    content = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="2 pages or frames"):
        decoded_image(content)


def test_floating_point_is_refused_by_name():
    content = saved(Image.fromarray(GREY.astype(np.float32)), "TIFF")
    with pytest.raises(ValueError, match=r"floating-point.*8 or 16 bits"):
        decoded_image(content)


def test_thirty_two_bits_are_refused_by_name():
    content = saved(Image.fromarray(GREY.astype(np.int32)), "TIFF")
    with pytest.raises(ValueError, match="32-bit"):
        decoded_image(content)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("side", [10_000, 14_000])
def test_decompression_bomb_is_refused_before_it_is_decoded(side):
    # half a megabyte or less on disk
    content = saved(Image.new("1", (side, side)), "PNG")
    with pytest.raises(ValueError, match="more than 89,478,485 pixels"):
        decoded_image(content)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"image,label\n", "not an image"),
        (b"%PDF-1.7", "not an image"),
        (bytes(128) + b"DICM" + bytes(100), "DICOM"),
    ],
)
def test_what_is_no_image_is_refused_by_name(content, words):
    with pytest.raises(ValueError, match=words):
        decoded_image(content)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF"])
def test_truncated_files_are_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = saved(Image.fromarray(noise), kind)
    with pytest.raises(ValueError, match=r"truncated|not an image"):
        decoded_image(content[: len(content) // 2])


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_thousands_of_broken_files_are_read_or_refused_with_a_reason():
    draw = np.random.default_rng(0)
    noise = Image.fromarray(draw.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    refused = 0
    for kind in ("PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP", "PPM"):
        whole = np.frombuffer(saved(noise, kind), dtype=np.uint8)
        for _ in range(1000):
            broken = whole.copy()
            places = draw.integers(0, min(len(broken), 2000), draw.integers(1, 8))
            broken[places] = draw.integers(0, 256, len(places))
            content = broken[: draw.integers(1, len(broken) + 1)].tobytes()
            try:
                decoded = decoded_image(content)
            except ValueError:  # anything else fails the test
                refused += 1
                continue
            assert decoded.dtype == np.uint8
            assert decoded.ndim == 2 or decoded.shape[2] == 3
    assert refused > 3000


def test_reduced_bounds_the_longest_side_and_keeps_small_images():
    assert reduced(np.zeros((100, 50), np.uint8), 40).shape == (40, 20)
    assert reduced(np.zeros((3, 1000, 3), np.uint8), 100).shape == (1, 100, 3)
    assert reduced(GREY, 8) is GREY


def test_no_warning_of_pillow_stands_beside_the_line(tmp_path: Path) -> None:
    Image.new("1", (12_000, 9_000)).save(tmp_path / "big.png")
    Image.linear_gradient("L").save(tmp_path / "small.png")
    (tmp_path / "m.csv").write_text("image,label\nbig.png,0\nsmall.png,1\n", encoding="utf-8")
    # a process of its own: pytest has filters of warnings
    words = [sys.executable, "-c", "from abl.cli import main; main()", "data", "check", "m.csv"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert "m.csv:2: 'big.png' has more than 89,478,485 pixels; reduce it first" in lines[0]
    assert all(line.startswith("abl: ") for line in lines)
