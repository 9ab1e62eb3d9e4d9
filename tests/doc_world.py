"""The folder in which a page's commands are run: small generated files by the names that pages use.

What a page calls FOLDER or NAME has a name of its own here. Sweep files are the shipped ones as
`--smoke` shrinks them, under their own names, so that the tables that follow find them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import abl
from busi_files import write_busi
from doc_commands import ROOT, Command
from tiny_sweeps import tiny_image

OWN_NETWORK = ROOT / "docs/how-to/own-network.md"
CASES = 48
CLASSES = ("benign", "malignant")
COMPOSITE = (400, 240)  # width and height of a scanner's frame in pixels


def _labels() -> np.ndarray:
    return np.arange(CASES) % 2


def _names() -> list[str]:
    return [f"images/{at:03d}.png" for at in range(CASES)]


def _predictions(seed: int, **more: object) -> pd.DataFrame:
    """A network's probabilities, fairly right, for one image of each of CASES patients."""
    draw = np.random.default_rng(seed)
    p = 1 / (1 + np.exp(-(2.5 * _labels() - 1.25 + draw.normal(0, 1.2, CASES))))
    p = np.round(p, 3)
    patients = [f"p{at:02d}" for at in range(CASES)]
    names = [Path(each).name for each in _names()]
    frame = {"image": names, "label": _labels(), "patient": patients}
    return pd.DataFrame({**frame, **more, "p_0": np.round(1 - p, 3), "p_1": p})


def _network(seed: int) -> Callable[[Path], None]:
    return lambda path: _predictions(seed).to_csv(path, index=False)


def _decided(seed: int) -> Callable[[Path], None]:
    parts = ["validation" if at % 4 < 2 else "test" for at in range(CASES)]
    return lambda path: _predictions(seed, split=parts).to_csv(path, index=False)


def _of_networks(path: Path) -> None:
    frames = [_predictions(seed, network=f"net{seed}") for seed in range(3)]
    pd.concat(frames).to_parquet(path)


def _answers(path: Path) -> None:
    """Three readers and one called NAME, without and with an aid."""
    draw = np.random.default_rng(1)
    rows = []
    for treatment, skill in (("unaided", 1.2), ("aided", 1.8)):
        for reader in ("AB", "CD", "EF", "NAME"):
            scores = skill * _labels() + draw.normal(0, 1, CASES)
            names = [Path(each).name for each in _names()]
            frame = pd.DataFrame({"image": names, "label": [CLASSES[at] for at in _labels()]})
            rating = np.round(scores, 2)
            rows.append(frame.assign(reader=reader, treatment=treatment, rating=rating))
    pd.concat(rows).to_csv(path, index=False)


def _pilot(path: Path) -> None:
    _answers(path)
    frame = pd.read_csv(path)
    frame[frame["reader"] != "NAME"].to_csv(path, index=False)


def _one_answer_page(path: Path) -> None:
    """Answers of one reader on a part of the images of one treatment."""
    _answers(path)
    frame = pd.read_csv(path)
    frame[(frame["reader"] == "AB") & (frame["treatment"] == "unaided")].to_csv(path, index=False)


def _images(path: Path) -> None:
    """Images of both classes in turn, one of them twice, a little brighter."""
    path.mkdir(parents=True)
    draw = np.random.default_rng(2)
    for name, label in zip(_names(), _labels(), strict=True):
        Image.fromarray(tiny_image(int(label), draw, 40)).save(path / Path(name).name)
    with Image.open(path / "044.png") as twin:
        twin.point(lambda value: min(255, round(1.1 * value))).save(path / "046.png")


def _class_folders(path: Path) -> None:
    """mydata/benign/p012_3.png: two images of a patient, and a manifest beside them."""
    draw = np.random.default_rng(3)
    rows = []
    for patient in range(32):
        for at in range(2):
            name = f"{CLASSES[patient % 2]}/p{patient:03d}_{at}.png"
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(tiny_image(patient % 2, draw, 40)).save(path / name)
            rows.append(
                {"image": name, "label": CLASSES[patient % 2], "patient": f"p{patient:03d}"}
            )
    pd.DataFrame(rows).to_csv(path / "manifest.csv", index=False)


def _manifest(path: Path) -> None:
    """A manifest of the images in images/."""
    if not (path.parent / "images").exists():
        _images(path.parent / "images")
    labels = [CLASSES[at] for at in _labels()]
    patients = [f"p{at:02d}" for at in range(CASES)]
    frame = pd.DataFrame({"image": _names(), "label": labels, "patient": patients})
    frame.to_csv(path, index=False)


def _frames(path: Path) -> None:
    """Composite frames of a scanner: grey, with a coloured rectangle in one half."""
    (path.parent / "scans").mkdir()
    width, height = COMPOSITE
    rows = []
    for at in range(4):
        draw = np.random.default_rng(at)
        frame = np.repeat(draw.integers(20, 120, (height, width, 1)), 3, axis=2).astype(np.uint8)
        hue = draw.random((120, 140, 1))
        frame[60:180, 225:365] = np.concatenate([200 * hue, 200 * (1 - hue), 60 * hue], axis=2) + 30
        Image.fromarray(frame).save(path.parent / f"scans/{at}.png")
        rows.append({"image": f"scans/{at}.png", "label": at % 2, "patient": f"p{at}"})
    pd.DataFrame(rows).to_csv(path, index=False)


def _labelled(path: Path) -> None:
    """Images with annotations as LabelMe writes them, a polygon each."""
    import json

    path.mkdir(parents=True)
    draw = np.random.default_rng(4)
    for at in range(12):
        Image.fromarray(tiny_image(at % 2, draw, 40)).save(path / f"{at}.png")
        polygon = [[10, 10], [30, 10], [30, 30], [10, 30]]
        shape = {"label": CLASSES[at % 2], "points": polygon, "shape_type": "polygon"}
        content = {"version": "5.4.1", "flags": {}, "shapes": [shape], "imagePath": f"{at}.png",
                   "imageData": None, "imageHeight": 40, "imageWidth": 40}  # fmt: skip
        (path / f"{at}.json").write_text(json.dumps(content), encoding="utf-8")


def _ddti(path: Path) -> None:
    """Cases as DDTI has them: an XML file a case, an image, an outline."""
    path.mkdir(parents=True)
    draw = np.random.default_rng(5)
    corners = [(10, 10), (30, 10), (30, 30), (10, 30)]
    points = ", ".join(f'{{"x": {x}, "y": {y}}}' for x, y in corners)
    outline = f'[{{"points": [{points}], "annotation": {{}}, "regionType": "freehand"}}]'
    for case in range(1, 9):
        Image.fromarray(tiny_image((case - 1) % 2, draw, 40)).save(path / f"{case}_1.jpg")
        tirads = ("2", "4a", "3", "4b", "2", "4c", "3", "5")[case - 1]
        (path / f"{case}.xml").write_text(
            f"<case><number>{case}</number><age>40</age><sex>F</sex><tirads>{tirads}</tirads>"
            f"<reportbacaf/><mark><image>1</image><svg>{outline}</svg></mark></case>",
            encoding="utf-8",
        )


def _published(path: Path) -> None:
    path.write_text(
        "consensus,rule,acc,acc_sd,auc,source\n,original,86.1,1.2,0.9038,Lee 2025 table 2\n"
        "3,true,88.5,,0.9125,Lee 2025 table 2\n",
        encoding="utf-8",
    )


def _own_network(path: Path) -> None:
    """The module that the page shows."""
    code = re.search(r"```python\n(.*?)```", OWN_NETWORK.read_text("utf-8"), re.DOTALL)
    assert code
    path.write_text(code[1], encoding="utf-8")


MADE: dict[str, Callable[[Path], object]] = {
    "mydata": _class_folders,
    "Dataset_BUSI_with_GT": write_busi,
    "annotated": _labelled,
    "SET": _labelled,
    "ddti": _ddti,
    "images": _images,
    "images/": _images,
    "manifest.csv": _manifest,
    "frames.csv": _frames,
    "studies/": lambda path: path.mkdir(),
    "o.csv": _decided(10),
    "t.csv": _decided(11),
    "f.csv": _decided(12),
    "resnet.csv": _network(20),
    "densenet.csv": _network(21),
    "cnn.csv": _network(22),
    "predictions.csv": _network(23),
    "predictions.parquet": _of_networks,
    "ANSWERS.csv": _answers,
    "PILOT.csv": _pilot,
    "paper.csv": _published,
    "mynet.py": _own_network,
}


def named(command: Command) -> list[str]:
    """A command's words, with names of this world for those that a page leaves to its reader."""
    words = command.words
    if "FOLDER" in words:
        others = "." if command.page.name == "review.md" else "sets"
        stands = {"init": "mydata", "data": "annotated"}.get(words[1], others)
        words = [stands if word == "FOLDER" else word for word in words]
    return words


def write_world(folder: Path, commands: Iterable[Command]) -> Path:
    """Makes what the commands of a page read, and the shipped files as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copytree(ROOT / "sweeps", folder / "sweeps")
    shutil.copytree(ROOT / "cluster", folder / "cluster")
    for command in commands:
        for word in [each for given in named(command) for each in given.split("=")]:
            name = "mydata" if word.startswith("mydata/") else word
            if name in MADE and not (folder / name).exists() and name not in written_by(command):
                MADE[name](folder / name)
    return folder


_WRITES = re.compile(r"--(?:out|curve|sheet)$")


def written_by(command: Command) -> list[str]:
    """Files and folders that a command writes."""
    words = named(command)
    found = [words[at + 1] for at, word in enumerate(words) if _WRITES.match(word)]
    if words[1:2] == ["new"]:  # into a folder that is there
        return [f"{folder}{words[2]}.yaml" for folder in found]
    if words[1:2] == ["init"]:
        found += ["manifest.csv", "sweep.yaml"]
    if words[1:3] == ["data", "phantom"]:
        found += words[3:4]
    if words[1:2] == ["review"] and "new" in found:
        found += ["new/sweep.yaml"]
    return found


def shrunk(path: Path, root: Path) -> None:
    """Makes a sweep file what `--smoke` makes of it, under the same name."""
    loaded = abl.load(path, root=root, smoke=True)
    name = loaded.name
    path.write_text(
        loaded.text.replace(f"name: {name}", f"name: {name.removesuffix('-smoke')}", 1),
        encoding="utf-8",
    )
