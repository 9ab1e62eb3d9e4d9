"""What `abl data check` prints of images, and the shortcuts that it warns of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from image_folders import noise_image, write_png, write_set
from PIL import Image
from sklearn.metrics import roc_auc_score

from abl.data.checks.checking import check_report
from abl.data.checks.second_images import exchanged_by_looks
from abl.data.checks.shortcuts import Shortcut, auc_of, lower_end, shortcut_words, shortcuts
from abl.errors import InputError

CLASSES = ("benign", "malignant")


def warnings(report: str) -> list[str]:
    start = "  warning: "
    return [line.removeprefix(start) for line in report.splitlines() if line.startswith(start)]


def told(folder: Path) -> list[str]:
    """What `abl data check` refuses, a line each."""
    with pytest.raises(InputError) as caught:
        check_report(folder / "manifest.csv", CLASSES)
    return [str(problem).partition("manifest.csv:")[2] for problem in caught.value.problems]


def plain(number: int, label: int) -> np.ndarray:
    return noise_image(number, 40, 60)


def larger(number: int, label: int) -> np.ndarray:
    return noise_image(number, 40 + 4 * label, 60 + 6 * label)  # of the same shape


def wider(number: int, label: int) -> np.ndarray:
    return noise_image(number, 40, 60 + 10 * label + number % 2)


def brighter(number: int, label: int) -> np.ndarray:
    return (noise_image(number, 40, 60) // 2 + 40 * label).astype(np.uint8)


def written_on(number: int, label: int) -> np.ndarray:
    image = noise_image(number, 40, 60) // 2
    image[:2, : 8 + number % 5 + 30 * label] = 230
    return image


def smooth(number: int, label: int) -> np.ndarray:
    """Of one class small files: a few levels only."""
    image = noise_image(number, 40, 60)
    return image // 64 * 64 if label else image


PLANTED: dict[Callable[[int, int], np.ndarray], str] = {
    larger: "image size alone tells malignant (larger in malignant)",
    wider: "aspect ratio alone tells malignant (larger in malignant)",
    brighter: "brightness alone tells malignant (larger in malignant)",
    written_on: "border text alone tells malignant (larger in malignant)",
    smooth: "file size alone tells malignant (smaller in malignant)",
}


def labelled_set(
    folder: Path, draw: Callable[[int, int], np.ndarray], patients: int = 24, **extra: list[object]
) -> Path:
    labels = [number // 2 % 2 for number in range(2 * patients)]
    images = [draw(number, label) for number, label in enumerate(labels)]
    return write_set(folder, images, dict(extra))


@pytest.mark.parametrize("draw", PLANTED)
def test_a_planted_shortcut_is_warned_of(
    tmp_path: Path, draw: Callable[[int, int], np.ndarray]
) -> None:
    found = warnings(check_report(labelled_set(tmp_path, draw), CLASSES))
    (line,) = [each for each in found if f"shortcut: {PLANTED[draw]}" in each]
    assert "95 % interval from 0." in line
    assert "24 patients" in line


def test_few_patients_and_plain_sets_are_warned_of_nothing(tmp_path: Path) -> None:
    few = check_report(labelled_set(tmp_path / "few", larger, patients=6), CLASSES)
    assert not any("shortcut" in each for each in warnings(few))
    assert warnings(check_report(labelled_set(tmp_path / "plain", plain), CLASSES)) == []


def test_centre_and_numbers_of_files_are_looked_at(tmp_path: Path) -> None:
    labels = [number // 2 % 2 for number in range(48)]
    centres = ["A" if label else "B" for label in labels]
    names = [f"images/us_{200 * label + number}.png" for number, label in enumerate(labels)]
    path = labelled_set(tmp_path, plain, image=names, centre=centres)
    found = warnings(check_report(path, CLASSES))
    assert any("shortcut: centre alone tells" in each for each in found)
    assert any("shortcut: number in the file name alone tells malignant" in each for each in found)
    mixed = ["AB"[number // 4 % 2] for number in range(48)]
    found = warnings(check_report(labelled_set(tmp_path / "b", plain, centre=mixed), CLASSES))
    assert found == []


def test_formats_of_files_are_looked_at(tmp_path: Path) -> None:
    labels = [number // 2 % 2 for number in range(48)]
    names = [f"images/{n}.{'bmp' if label else 'png'}" for n, label in enumerate(labels)]
    found = warnings(check_report(labelled_set(tmp_path, plain, image=names), CLASSES))
    assert any("shortcut: file format alone tells" in each for each in found)


def test_a_patient_counts_once(tmp_path: Path) -> None:
    # 40 images of one person are no evidence, however many they are
    facts = {"x": np.r_[np.zeros(40), np.arange(8.0)]}
    labels = np.r_[np.zeros(40, int), np.ones(8, int)]
    one = shortcuts(facts, labels, ["a"] * 40 + [f"p{n}" for n in range(8)])
    many = shortcuts(facts, labels, [f"q{n}" for n in range(48)])
    assert one == []
    assert [each.patients for each in many] == [48]


@pytest.mark.parametrize("seed", range(5))
def test_auc_is_that_of_scikit_learn(seed: int) -> None:
    draw = np.random.default_rng(seed)
    scores, positive = draw.integers(0, 9, 60), draw.random(60) < 0.4
    assert auc_of(scores, positive) == pytest.approx(roc_auc_score(positive, scores))


def test_the_lower_end_of_an_auc_covers() -> None:
    from scipy.stats import norm

    shift, draws, count = 1.5, 400, 15
    truth = norm.cdf(shift / np.sqrt(2))
    draw = np.random.default_rng(0)
    positive = np.repeat([True, False], count)
    below = 0
    for _ in range(draws):
        scores = draw.normal(size=2 * count) + shift * positive
        below += lower_end(auc_of(scores, positive), count, count) <= truth
    assert below / draws > 0.955  # 0.975 but for chance
    assert lower_end(1.0, 5, 5) < 0.7 < lower_end(1.0, 10, 10) < 1


def test_content_is_printed_by_class_and_centre(tmp_path: Path) -> None:
    boxes = {"box_x0": [0] * 48, "box_y0": [0] * 48, "box_x1": [30] * 48, "box_y1": [20] * 48}
    centres = ["A", "B"] * 24
    report = check_report(labelled_set(tmp_path, larger, centre=centres, **boxes), CLASSES)
    lines = [line.split() for line in report.splitlines()]
    head = next(line for line in lines if line[:1] == ["images"])
    assert head == [
        "images", "width", "x", "height", "sizes", "files", "KB", "bits", "colour", "grey", "range",
        "levels", "brightness", "border", "box", "area",
    ]  # fmt: skip
    rows = {line[0]: line[1:] for line in lines if line[:1] in (["all"], ["benign"], ["malignant"])}
    assert rows["all"][:4] == ["48", "60-66", "x", "40-44"]
    assert rows["benign"][:3] == ["24", "60x40", "1"]
    assert rows["benign"][-3:] == ["25.0", "%", "(24)"]
    assert sum(line[:2] in (["centre", "A"], ["centre", "B"]) for line in lines) == 2


def test_content_fits_a_terminal(tmp_path: Path) -> None:
    path = labelled_set(tmp_path, larger, centre=["A", "B"] * 24)
    whole = check_report(path, CLASSES).splitlines()
    narrow = check_report(path, CLASSES, width=80).splitlines()
    at, end = (whole.index("  content:") + 1 + rows for rows in (0, 6))
    table = whole[at:end]
    assert max(map(len, table)) > 80
    blocks = [narrow[at:end], narrow[end : end + 6]]
    assert max(len(line) for block in blocks for line in block) <= 80
    assert [line[4:13] for line in blocks[1]] == [line[4:13] for line in table]  # names of the rows
    said = [" ".join((one + two[13:]).split()) for one, two in zip(*blocks, strict=True)]
    assert said == [" ".join(line.split()) for line in table]
    assert narrow[end + 6 :] == whole[end:]


def deep(seed: int, bits: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1 << bits, (24, 32)).astype(np.uint16)


def test_files_of_16_bits_that_use_12_are_warned_of(tmp_path: Path) -> None:
    path = write_set(tmp_path / "a", [deep(seed, 12) for seed in range(12)])
    (line,) = warnings(check_report(path, CLASSES))
    assert line.startswith("12 files of 16 bits use less than a sixteenth of their range")
    assert "values up to 4095: nearly black" in line
    assert "data: {bits: 12}" in line
    # larger than what images are reduced to, where edges overshoot
    large = [np.kron(deep(seed, 12), np.ones((44, 44), np.uint16)) for seed in range(4)]
    found = warnings(check_report(write_set(tmp_path / "d", large), CLASSES))
    assert any(line.startswith("4 files of 16 bits use less than a sixteenth") for line in found)
    assert warnings(check_report(path, CLASSES, bits=12)) == []
    # one bright image shows that the range is in use; and 8 bits have no more to give
    images = [*(deep(seed, 12) for seed in range(11)), deep(11, 16)]
    assert warnings(check_report(write_set(tmp_path / "b", images), CLASSES)) == []
    dark = [noise_image(seed) // 20 for seed in range(12)]
    assert warnings(check_report(write_set(tmp_path / "c", dark), CLASSES)) == []
    with pytest.raises(InputError, match="--bits 8: write 9 to 16"):
        check_report(path, CLASSES, bits=8)
    with pytest.raises(InputError, match="did you mean 'yolo'"):
        check_report(path, CLASSES, box_format="yol")


def paired_set(folder: Path, count: int = 12, side: int = 24) -> list[str]:
    """Grey images and coloured second ones; lines of the manifest."""
    names = [f"second/{number}.png" for number in range(count)]
    for number, name in enumerate(names):
        write_png(folder / name, noise_image(500 + number, side, 32, 3))
    path = write_set(folder, [noise_image(number) for number in range(count)], {"image2": names})
    return path.read_text(encoding="utf-8").splitlines()


def test_second_images_are_checked_like_first_ones(tmp_path: Path) -> None:
    paired_set(tmp_path)
    assert warnings(check_report(tmp_path / "manifest.csv", CLASSES)) == []
    (tmp_path / "second/1.png").write_bytes(b"no image at all")
    write_png(tmp_path / "second/3.png", np.full((24, 32), 7, np.uint8))
    (tmp_path / "second/5.png").write_bytes((tmp_path / "images/5.png").read_bytes())
    (tmp_path / "second/7.png").write_bytes((tmp_path / "images/0.png").read_bytes())
    lines = told(tmp_path)
    assert [line.partition(" ")[0] for line in lines] == ["3:", "5:", "7:", "9:"]
    assert "'second/1.png' is image2 and is not an image of a kind that is read" in lines[0]
    assert "'second/3.png' is image2 and has one grey value everywhere (7)" in lines[1]
    assert "is image2 and holds the same bytes as the row's image 'images/5.png'" in lines[2]
    assert "is image2 and holds the same bytes as the image 'images/0.png' of row 2" in lines[3]
    (tmp_path / "second/9.png").write_bytes(b"")
    (tmp_path / "second/2.png").unlink()
    more = told(tmp_path)  # what was told before is told beside these
    assert set(lines) < set(more)
    assert any("image2 'second/2.png' no such file" in line for line in more)
    assert any("image2 'second/9.png' is empty (0 bytes)" in line for line in more)


def test_pairs_exchanged_in_some_rows_are_told_by_how_they_look(tmp_path: Path) -> None:
    paired_set(tmp_path)
    for number in (2, 5):  # the files are exchanged, the names are as ever
        one, two = (tmp_path / folder / f"{number}.png" for folder in ("images", "second"))
        first, second = one.read_bytes(), two.read_bytes()
        one.write_bytes(second)
        two.write_bytes(first)
    (line,) = warnings(check_report(tmp_path / "manifest.csv", CLASSES))
    assert line == (
        "image and image2 seem exchanged in 2 of 12 rows, by how they look: images/2.png, "
        "images/5.png"
    )


def test_second_images_of_another_shape_or_nearly_the_same_are_told(tmp_path: Path) -> None:
    paired_set(tmp_path, side=30)
    found = warnings(check_report(tmp_path / "manifest.csv", CLASSES))
    assert any("12 of 12 rows have an image2 of another shape (aspect ratio)" in n for n in found)
    from test_duplicates import compressed, scene

    for number in range(12):
        picture = scene(number)
        picture.save(tmp_path / f"images/{number}.png")
        compressed(picture).save(tmp_path / f"second/{number}.png")
    found = warnings(check_report(tmp_path / "manifest.csv", CLASSES))
    assert any("image2 is nearly the same as its own image in 12 rows" in each for each in found)


def test_near_duplicates_are_told_by_modality_name_and_label(tmp_path: Path) -> None:
    from test_duplicates import compressed, scene

    paired_set(tmp_path)
    scene(0).save(tmp_path / "second/0.png")
    compressed(scene(0)).save(tmp_path / "second/2.png")  # benign and malignant
    scene(1).save(tmp_path / "images/4.png")
    compressed(scene(1)).save(tmp_path / "second/8.png")  # a first image and a second one, benign
    report = check_report(tmp_path / "manifest.csv", CLASSES)
    lines = [line.strip() for line in report.splitlines() if "(distance" in line]
    assert lines[0].startswith(
        "image2 second/0.png (patient p0) and image2 second/2.png (patient p1) (distance "
    )
    assert lines[0].endswith("and their labels contradict: benign and malignant")
    assert lines[1].startswith("image images/4.png (patient p2) and image2 second/8.png (")
    assert len(lines) == 2
    assert any("labels contradict in 1 near-duplicate pair" in each for each in warnings(report))


def test_a_sweep_of_pairs_refuses_copies_among_second_images(tmp_path: Path) -> None:
    from test_duplicates import compressed, scene

    from abl import api

    paired_set(tmp_path, count=24)
    for number in range(0, 24, 2):  # one picture in every patient
        compressed(scene(0)).save(tmp_path / f"second/{number}.png")
    for modality, said in (("both", "image2 second/"), ("second", "image2 second/")):
        text = (
            f"name: pairs\nstudy: frozen\ndata: {{manifest: manifest.csv, modality: {modality}}}\n"
            f"image: {{size: 32}}\ntrain: {{network: tiny_resnet, epochs: 1, last_k: 1"
            f"{', fusion: early' if modality == 'both' else ''}}}\n"
            "axes: {train.optimizer.lr: [1e-3, 1e-4]}\nmetrics: [auc]\nprimary: auc\n"
        )
        (tmp_path / "s.yaml").write_text(text, encoding="utf-8")
        loaded = api.load(tmp_path / "s.yaml", root=tmp_path / "runs")
        with pytest.raises(InputError) as caught:
            api.run(loaded, executor="local", record=False)
        lines = [str(problem) for problem in caught.value.problems]
        assert said in lines[0]
        assert "and their labels contradict: benign and malignant" in lines[0]
        assert "more such pairs; `abl data group`" in lines[-1]
        assert len(lines) == 21


def test_bits_of_colour_are_counted(tmp_path: Path) -> None:
    images = [noise_image(seed, channels=3) for seed in range(12)]
    path = write_set(tmp_path, images)
    Image.fromarray(deep(0, 16)).save(tmp_path / "images/0.png")
    report = check_report(path, CLASSES)
    row = next(line for line in report.splitlines() if line.split()[:2] == ["all", "12"])
    assert "8, 1 of 16" in row
    assert row.split()[-5] == "11"  # in colour


def test_a_pair_that_differs_by_little_is_not_called_exchanged() -> None:
    second = np.zeros((40, 1))  # differences of 85 or so, and two that are only unusual
    first = np.concatenate([np.linspace(75, 95, 38), [-5.0, -20.0]])[:, None]
    assert not len(exchanged_by_looks(first, second))
    first[39] = -90  # as far as the others, the other way
    assert exchanged_by_looks(first, second).tolist() == [39]


def test_contradicting_labels_stay_told_within_a_group(tmp_path: Path) -> None:
    from test_duplicates import compressed, scene

    paired_set(tmp_path)
    scene(0).save(tmp_path / "images/0.png")
    compressed(scene(0)).save(tmp_path / "images/2.png")  # benign and malignant
    path = tmp_path / "manifest.csv"
    frame = pd.read_csv(path)
    alike = ("images/0.png", "images/2.png")
    frame["group"] = ["g1" if name in alike else "" for name in frame["image"]]
    frame.to_csv(path, index=False)
    report = check_report(path, CLASSES)
    assert "near-duplicates: 1 pair, 0 between" in report
    assert "and their labels contradict: benign and malignant" in report
    found = warnings(report)
    assert any("labels contradict in 1 near-duplicate pair" in each for each in found)
    assert not any("may fall on two sides" in each for each in found)


def test_a_shortcut_that_no_network_sees_is_not_said_to_be_learned() -> None:
    name = Shortcut("number in the file name", 1, 1.0, 0.93, 60, True)
    assert "a network can learn what goes with it" in shortcut_words(name, CLASSES)
    size = Shortcut("image size", 1, 1.0, 0.93, 60, True)
    assert "a network can learn that and nothing else" in shortcut_words(size, CLASSES)
