from __future__ import annotations

import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from image_folders import noise_image, noise_set, write_set
from PIL import Image

from abl.data.arrays import ImageArray, image_array, pixel_array
from abl.data.manifest import load_manifest
from abl.errors import InputError
from abl.spec.data import Crop


def names(cache, suffix=""):
    return sorted(path.name for path in cache.iterdir() if path.is_dir())


def test_images_of_any_size_and_depth_come_back_exactly(tmp_path):
    images = [noise_image(0, 5, 9), noise_image(1, 30, 4, 3), noise_image(2, 1, 2), noise_image(3)]
    dataset = load_manifest(write_set(tmp_path, images))
    array = image_array(dataset, tmp_path / "cache", longest_side=64)
    assert len(array) == 4
    for position, image in enumerate(images):
        stored = array.image(position)
        np.testing.assert_array_equal(stored, image.reshape(*image.shape[:2], -1))
        assert not stored.flags.writeable
    assert array.frame["image"].tolist() == dataset.frame["image"].tolist()
    assert array.frame["channels"].tolist() == [1, 3, 1, 1]


def test_the_second_call_opens_what_the_first_has_written(tmp_path):
    dataset = noise_set(tmp_path)
    first = image_array(dataset, tmp_path / "cache", longest_side=64)
    for path in (tmp_path / "images").iterdir():
        path.unlink()  # nothing is read again
    again = image_array(dataset, tmp_path / "cache", longest_side=64)
    assert again.folder == first.folder
    np.testing.assert_array_equal(ImageArray(first.folder).image(3), noise_image(3)[..., None])
    with pytest.raises(InputError) as error:
        image_array(dataset, tmp_path / "other", longest_side=64)
    assert len(error.value.problems) == 8
    assert not (tmp_path / "other").exists()


def test_boxes_follow_images_that_were_reduced(tmp_path):
    image = np.zeros((100, 200), dtype=np.uint8)
    image[40:60, 100:140] = 255
    box = {"box_x0": [100] * 4, "box_y0": [40] * 4, "box_x1": [140] * 4, "box_y1": [60] * 4}
    dataset = load_manifest(write_set(tmp_path, [image] * 4, box))
    array = image_array(dataset, tmp_path / "cache", longest_side=100)
    assert array.image(0).shape == (50, 100, 1)
    assert array.frame.loc[0, ["box_x0", "box_y0", "box_x1", "box_y1"]].tolist() == [50, 20, 70, 30]
    crop = Crop(to="box", square=False)
    pixels = pixel_array(array, tmp_path / "cache", size=16, channels=1, crop=crop)
    assert pixels[0, 0, 3:-3, 3:-3].min() > 250


def test_a_box_that_leaves_its_image_is_refused(tmp_path):
    box = {"box_x0": [0] * 4, "box_y0": [0] * 4, "box_x1": [9, 9, 99, 9], "box_y1": [9] * 4}
    dataset = load_manifest(write_set(tmp_path, [noise_image(n) for n in range(4)], box))
    with pytest.raises(InputError, match=r"manifest\.csv:4: 'images/2\.png' has box"):
        image_array(dataset, tmp_path / "cache", longest_side=64)


def test_processes_and_one_process_write_the_same_bytes(tmp_path, monkeypatch):
    dataset = noise_set(tmp_path, 300)
    folders = []
    for workers in (1, 2):
        cache = tmp_path / f"cache{workers}"
        monkeypatch.setattr("abl.data.workers.processes_for", lambda *_, n=workers, **__: n)
        array = image_array(dataset, cache, longest_side=20)
        pixel_array(array, cache, size=12, channels=3, crop=Crop())
        folders.append(cache)
    assert names(folders[0]) == names(folders[1])
    for name in names(folders[0]):
        for path in sorted((folders[0] / name).iterdir()):
            if path.suffix != ".npz":  # a zip holds times
                assert path.read_bytes() == (folders[1] / name / path.name).read_bytes()


def test_callers_at_the_same_time_write_once_and_all_read_it(tmp_path, monkeypatch):
    import abl.data.arrays as arrays

    dataset = noise_set(tmp_path)
    written = []
    write = arrays.write_images
    monkeypatch.setattr(
        arrays,
        "write_images",
        lambda *args, **kwargs: (written.append(1), write(*args, **kwargs)),
    )
    with ThreadPoolExecutor(6) as pool:
        found = list(
            pool.map(lambda _: image_array(dataset, tmp_path / "c", longest_side=64), range(6))
        )
    assert written == [1]
    assert len({array.folder for array in found}) == 1


@pytest.mark.parametrize("given", ["{}.partial-1", ".{}.0-1-2-3.part"])
def test_what_a_killed_writer_left_is_not_taken_for_a_result(tmp_path, given):
    dataset = noise_set(tmp_path)
    cache = tmp_path / "cache"
    name = image_array(dataset, tmp_path / "elsewhere", longest_side=64).folder.name
    left = cache / given.format(name)
    left.mkdir(parents=True)
    (left / "bytes.bin").write_bytes(b"half")
    array = image_array(dataset, cache, longest_side=64)
    np.testing.assert_array_equal(array.image(0), noise_image(0)[..., None])
    assert names(cache) == [name]


def test_pixels_are_what_pillow_makes_of_the_window(tmp_path):
    dataset = noise_set(tmp_path, 4, height=20, width=20)
    array = image_array(dataset, tmp_path / "c", longest_side=64)
    pixels = pixel_array(array, tmp_path / "c", size=8, channels=3, crop=Crop())
    assert pixels.shape == (4, 3, 8, 8)
    assert pixels.dtype == np.uint8
    assert not pixels.flags.writeable
    picture = Image.fromarray(noise_image(2, 20, 20)).resize((8, 8), Image.Resampling.BILINEAR)
    for channel in range(3):
        np.testing.assert_array_equal(pixels[2, channel], np.asarray(picture))
    same = pixel_array(array, tmp_path / "c", size=20, channels=1, crop=Crop())
    np.testing.assert_array_equal(same[3, 0], noise_image(3, 20, 20))


def test_pixels_follow_a_change_of_the_boxes_alone(tmp_path):
    images = [noise_image(number) for number in range(4)]
    crop = Crop(to="box")
    found = []
    for x0 in (2, 12):
        box = {"box_x0": [x0] * 4, "box_y0": [3] * 4, "box_x1": [x0 + 8] * 4, "box_y1": [11] * 4}
        dataset = load_manifest(write_set(tmp_path, images, box))
        array = image_array(dataset, tmp_path / "c", longest_side=64)
        pixels = pixel_array(array, tmp_path / "c", size=8, channels=1, crop=crop)
        np.testing.assert_array_equal(pixels[1, 0], images[1][3:11, x0 : x0 + 8])
        found.append(array.folder)
    assert found[0] == found[1]  # decoded once


def test_a_script_without_a_main_guard_may_use_processes(tmp_path):
    write_set(tmp_path, [noise_image(number) for number in range(300)])
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            from pathlib import Path
            import abl.data.workers
            from abl.data.arrays import image_array
            from abl.data.manifest import load_manifest
            abl.data.workers.processes_for = lambda count, worth: 2
            folder = Path({str(tmp_path)!r})
            array = image_array(load_manifest(folder / "manifest.csv"), folder / "cache",
                                longest_side=64)
            print("decoded", len(array))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "decoded 300\n", done.stderr


def test_processes_that_decode_import_neither_pandas_nor_torch():
    code = "import sys, abl.data.pixels, abl.data.images; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"pandas", "torch", "ray", "mlflow"}.isdisjoint(done.stdout.split())
