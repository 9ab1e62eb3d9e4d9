"""Bad input as a person meets it: exit code 2, a line a fault, no traceback, nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from typer.testing import Result

from commands import abl
from tiny_sweeps import write_sweep

Prepare = Callable[[Path], None]
FROZEN = {
    "study": "frozen",
    "options": {},
    "axes": {"train.epochs": [2, 3]},
    "base": {"train.epochs": 2},
    "train.last_k": 1,
}
HYPER = {"study": "hyper", "options": {}, "axes": {}, "base": None}
LR = {"train.optimizer.lr": {"from": 0.001, "to": 0.1}}
BOX = "box_x0,box_y0,box_x1,box_y1"


@dataclass(frozen=True)
class Fault:
    """What is wrong with a sweep or its data, and the lines that say it.

    Attributes:
        lines: Of stderr, each as words that it must hold; the first is where it begins.
        changes: Of the tiny sweep, by dotted path.
        prepare: Done to the folder before the sweep file is written.
        text: Done to the written sweep file.
    """

    lines: tuple[tuple[str, ...], ...]
    changes: Iterable[tuple[str, Any]] = ()
    prepare: Prepare | None = None
    text: Callable[[str], str | bytes] | None = None


def fault(
    *lines: str | tuple[str, ...],
    changes: dict[str, Any] | None = None,
    prepare: Prepare | None = None,
    text: Callable[[str], str | bytes] | None = None,
) -> Fault:
    worded = tuple((each,) if isinstance(each, str) else each for each in lines)
    return Fault(worded, tuple((changes or {}).items()), prepare, text)


def manifest(change: Callable[[list[str]], list[str]]) -> Prepare:
    """Changes the rows of the manifest: the header first, then two images a patient."""

    def prepare(folder: Path) -> None:
        path = folder / "images/manifest.csv"
        rows = change(path.read_text(encoding="utf-8").splitlines())
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")

    return prepare


def bytes_of_manifest(change: Callable[[bytes], bytes]) -> Prepare:
    def prepare(folder: Path) -> None:
        path = folder / "images/manifest.csv"
        path.write_bytes(change(path.read_bytes()))

    return prepare


def column(name: str, usual: Callable[[int], str], odd: dict[int, str]) -> Prepare:
    """Adds a column; rows are numbered as a person sees them, the header being row 1."""
    return manifest(
        lambda rows: (
            [f"{rows[0]},{name}"]
            + [f"{row},{odd.get(at, usual(at))}" for at, row in enumerate(rows[1:], 2)]
        )
    )


def files(contents: dict[str, Callable[[bytes], bytes] | None]) -> Prepare:
    def prepare(folder: Path) -> None:
        for name, change in contents.items():
            path = folder / "images" / name
            if change is None:
                path.unlink()
            else:
                path.write_bytes(change(path.read_bytes() if path.exists() else b""))

    return prepare


def masks(folder: Path) -> None:
    (folder / "images/mask").mkdir()
    for at in range(2, 50):
        side = 10 if at == 9 else 24
        Image.new("L", (side, 24)).save(folder / f"images/mask/{at}.png")
    column("mask", lambda at: f"mask/{at}.png", {})(folder)
    # what cannot be read is told with it
    files({"png/003a.png": lambda data: data[:200]})(folder)


def pipes(folder: Path) -> None:
    """Pipes that nobody writes to as an image, a mask and a second image; a row is cut short."""
    os.mkfifo(folder / "images/pipe")
    column("mask,image2", lambda _: ",", {5: "pipe,", 7: ",pipe"})(folder)
    rows = {8: lambda row: row.replace("png/003a.png", "pipe"), 10: lambda _: "png/004a.png"}
    manifest(lambda all_rows: [rows.get(at, str)(row) for at, row in enumerate(all_rows, 1)])(
        folder
    )
    files({"png/005a.png": lambda data: data[:200], "png/006a.png": None})(folder)


def in_place_of(name: str, make: Callable[[Path], None]) -> Prepare:
    def prepare(folder: Path) -> None:
        path = folder / name
        path.unlink(missing_ok=True)
        make(path)

    return prepare


def narrow_masks(folder: Path) -> None:
    Image.new("L", (9, 24)).save(folder / "images/mask.png")
    column("mask", lambda _: "mask.png", {})(folder)


def weights(folder: Path) -> None:
    import torch

    torch.save({"2.weight": torch.zeros(3), "surplus": torch.zeros(1)}, folder / "w.pt")


def third(at: int) -> str:
    return ["train", "train", "test", "validation"][(at - 2) // 4 % 4]


def axes(**changes: object) -> dict[str, object]:
    return {"consensus": [1], "rule": ["original", "model1"], "threshold": [0.5]} | changes


MANIFEST = "manifest.csv:"
FAULTS = {
    "unknown keys": fault(
        ("tiny.yaml:6: unknown key 'data.manifst'", "did you mean 'manifest'?"),
        ("tiny.yaml:28: unknown key 'train.epohcs'", "did you mean 'epochs'?"),
        ("tiny.yaml:47: unknown key 'external.0.centr'", "did you mean 'centre'?"),
        changes={
            "data.manifst": "x",
            "train.epohcs": 3,
            "external": [{"name": "B", "centr": "B"}],
        },
    ),
    "a metric without a best end decides": fault(
        ("tiny.yaml:", "primary: calibration_slope is best between its ends: choose a metric"),
        changes={"primary": "calibration_slope"},
    ),
    "wrong types": fault(
        ("tiny.yaml:7: image.size", "whole number is wanted, not [1]"),
        ("tiny.yaml:17: replicates.seeds: a list is wanted: [x]"),
        ("tiny.yaml:20: train.epochs", "whole number", "not 'many'"),
        changes={"image.size": [1], "replicates.seeds": "x", "train.epochs": "many"},
    ),
    "impossible ranges": fault(
        ("tiny.yaml:12: splits.test", "less than 1, not 1.5"),
        ("tiny.yaml:20: train.epochs", "greater than or equal to 1, not -1"),
        ("tiny.yaml:43: margin", "less than 1, not 2"),
        changes={"splits.test": 1.5, "train.epochs": -1, "margin": 2},
    ),
    "settings that do not fit together": fault(
        "tiny.yaml:21: train: last_k: 30 is more than epochs: 3", changes={"train.last_k": 30}
    ),
    "a phantom that nobody could hold": fault(
        ("tiny.yaml:", "patients", "less than or equal to 1000000"),
        changes={"data": {"phantom": {"patients": 10**12}}},
    ),
    "N larger than the panel": fault(
        ("tiny.yaml:33: consensus: 9 is not in 1..3"),
        ("tiny.yaml:33: consensus: 4 is not in 1..3"),
        changes={"axes": axes(consensus=[1, 9, 4])},
    ),
    "thresholds outside [0, 1]": fault(
        ("tiny.yaml:38: threshold: -0.5 is not in [0, 1]", "'always'"),
        ("tiny.yaml:38: threshold: 1.5 is not in [0, 1]"),
        changes={"axes": axes(threshold=[-0.5, 0.5, 1.5])},
    ),
    "thresholds outside [0, 1] beside no numbers": fault(
        ("tiny.yaml:38: threshold: -0.1 is not in [0, 1]"),
        ("tiny.yaml:38: threshold: 1.5 is not in [0, 1]"),
        ("tiny.yaml:41: '.nan' is not a number that can be used"),
        ("tiny.yaml:42: '.inf' is not a number that can be used"),
        ("tiny.yaml:46: unknown metric 'nope'"),
        changes={
            "axes": axes(threshold=[-0.1, 1.5, float("nan"), float("inf"), 0.5]),
            "metrics": ["nope"],
            "base": None,
        },
    ),
    "numbers that begin with 0": fault(
        ("tiny.yaml:20: '08' begins with 0: write 8, or in quotes if it is a name"),
        ("tiny.yaml:43: '-007' begins with 0: write -7"),
        ("tiny.yaml:43: unknown key 'seed'"),
        text=lambda text: text.replace("epochs: 3", "epochs: 08") + "seed: -007\n",
    ),
    "metrics given twice, and one there is not": fault(
        ("tiny.yaml:45: metrics: acc is given twice: take one out"),
        ("tiny.yaml:47: unknown metric 'nope'"),
        changes={"metrics": ["acc", "acc", "f1", "nope"]},
    ),
    "seeds that are all out of range": fault(
        ("tiny.yaml:17: replicates.seeds.0", "greater than or equal to 0, not -1"),
        ("tiny.yaml:18: replicates.seeds.1", "less than or equal to", "not 99999999999999999999"),
        changes={"replicates.seeds": [-1, 99999999999999999999]},
    ),
    "axes of settings, each with a fault of its own": fault(
        ("tiny.yaml:40: train: last_k: 2 is more than epochs: 1"),
        ("tiny.yaml:42: axes: no setting 'train.nosuch'"),
        ("tiny.yaml:45: axes: 'data.phantom.patients' needs a block data.phantom: write one"),
        ("tiny.yaml:48: image.size", "greater than or equal to 8, not 2"),
        changes={
            "axes": axes(
                **{
                    "train.epochs": [1],
                    "train.nosuch": [1, 2],
                    "data.phantom.patients": [40, 50],
                    "image.size": [2],
                }
            )
        },
    ),
    "manifests of several arms": fault(
        ("tiny.yaml:40: data.manifest: '/etc/passwd' is outside the sweep file's folder"),
        ("tiny.yaml:40: data.manifest: there is no 'b' in the sweep file's folder"),
        changes={"axes": axes(**{"data.manifest": ["/etc/passwd", "b"]})},
    ),
    "contrasts that match nothing, each for its own reason": fault(
        ("tiny.yaml:44: contrasts: {rule: model1} against {foo: 1}: no axis 'foo'", "valid: cali"),
        ("tiny.yaml:48: contrasts: {rule: model9} against {rule: original}: no arm has {rule: "),
        changes={
            "contrasts": [
                {"arm": {"rule": "model1"}, "base": {"foo": 1}},
                {"arm": {"rule": "model9"}, "base": {"rule": "original"}},
                {"arm": {"rule": "model1"}, "base": {"rule": "original"}},
            ]
        },
    ),
    "a grid of thresholds that leaves [0, 1]": fault(
        ("tiny.yaml:38: threshold: 1.5 is not in [0, 1]"),
        ("tiny.yaml:38: threshold: 2.0 is not in [0, 1]"),
        changes={"axes": axes(threshold={"from": 0, "to": 2, "steps": 5, "curve": True})},
    ),
    "an arm each for billions of values": fault(
        ("tiny.yaml:", "axes: 4,000,000,000 arms are more than 200,000"),
        changes={
            "axes": axes(
                threshold={"from": 0, "to": 1, "steps": 20_000},
                **{"train.epochs": {"from": 1, "to": 100_000, "steps": 100_000}},
            )
        },
    ),
    "an axis that no arm reads": fault(
        ("tiny.yaml:37: axes.threshold: changes nothing"),
        ("tiny.yaml:40: base: no arm differs from it"),
        changes={"axes": axes(rule=["original"], threshold=[0.2, 0.5])},
    ),
    "axes that no network reads": fault(
        ("tiny.yaml:40: axes.image.multiple: changes nothing", "only if image.fit is own"),
        ("tiny.yaml:43: axes.train.optimizer.momentum: changes nothing", "is sgd, and it is adam"),
        ("tiny.yaml:46: axes.data.duplicates: changes nothing"),
        changes={
            "axes": axes(
                **{
                    "image.multiple": [8, 16],
                    "train.optimizer.momentum": [0.1, 0.9],
                    "data.duplicates": ["ignore", "report"],
                }
            )
        },
    ),
    "two values that are the same": fault(
        ("tiny.yaml:38: axes.threshold: 1.0 is given twice"),
        changes={"axes": axes(threshold=[1, 1.0])},
    ),
    "two arms that are the same": fault(
        ("tiny.yaml:45: arms: {rule: original} is there already, in block 1: take one out"),
        changes={"arms": [{"rule": "original"}, {"rule": ["model1", "original"]}]},
    ),
    "a class without images": fault(
        (MANIFEST, "class 'malignant' (1) has no image", "data: {classes: [...]}"),
        prepare=manifest(lambda rows: [row for row in rows if "malignant" not in row]),
    ),
    "fewer patients than folds": fault(
        ("tiny.yaml:10: splits: 20 folds need 20 patients of each class", "folds: 12 or less"),
        changes={"splits": {"kind": "kfold", "folds": 20}},
    ),
    "patients on both sides of a split column": fault(
        (
            "tiny.yaml:10: splits: column 'split' puts patient 'p002' on two sides",
            "png/002a.png in train, png/002b.png in test",
            "write one for all images of a patient",
        ),
        ("tiny.yaml:10: splits: column 'split' puts patient 'p004' on two sides"),
        changes={"splits": {"kind": "column"}},
        prepare=column("split", third, {6: "train", 7: "test", 10: "test", 11: "val"}),
    ),
    "a split column with gaps and slips": fault(
        ("tiny.yaml:10: splits: column 'split' is empty in the row of png/001a.png", "valid:"),
        ("tiny.yaml:10: splits: column 'split' has 'tset' in the row of png/002b.png"),
        changes={"splits": {"kind": "column"}},
        prepare=column("split", third, {4: "", 7: "tset"}),
    ),
    "no split column": fault(
        ("tiny.yaml:10: splits.column: the data set has no column 'split'"),
        changes={"splits": {"kind": "column"}},
    ),
    "files missing and empty": fault(
        (f"{MANIFEST}8: image 'png/003a.png' no such file"),
        (f"{MANIFEST}12: image 'png/005a.png' is empty (0 bytes)"),
        prepare=files({"png/003a.png": None, "png/005a.png": lambda _: b""}),
    ),
    "files truncated and no images": fault(
        (f"{MANIFEST}8: 'png/003a.png' is damaged or truncated"),
        (f"{MANIFEST}12: 'png/005a.png' is not an image of a kind that is read (PNG, JPEG"),
        (f"{MANIFEST}14: image 'png/006a.png' has no TransferSyntaxUID (0002,0010)"),
        prepare=files(
            {
                "png/003a.png": lambda data: data[:200],
                "png/005a.png": lambda _: b"hello",
                "png/006a.png": lambda _: b"\0" * 128 + b"DICM",
            }
        ),
    ),
    "rows cut short, pipes, missing and truncated files": fault(
        (f"{MANIFEST}5: mask 'pipe' cannot be read: not a regular file; put a copy"),
        (f"{MANIFEST}7: image2 'pipe' cannot be read: not a regular file"),
        (f"{MANIFEST}8: image 'pipe' cannot be read: not a regular file"),
        (f"{MANIFEST}10: has 1 field, the header has 6: fill in what lacks"),
        (f"{MANIFEST}12: 'png/005a.png' is damaged or truncated"),
        (f"{MANIFEST}14: image 'png/006a.png' no such file"),
        prepare=pipes,
    ),
    "very many rows with one fault": fault(
        *[(f"{MANIFEST}{row}: 'mask.png' is a mask of 9 x 24 pixels") for row in range(2, 22)],
        (f"{MANIFEST}21: and 28 more like it: 'mask.png' is a mask", "save it in the size of its"),
        prepare=narrow_masks,
    ),
    "masks of another size": fault(
        (f"{MANIFEST}8: 'png/003a.png' is damaged or truncated"),
        (f"{MANIFEST}9: 'mask/9.png' is a mask of 10 x 24 pixels, its image has 24 x 24"),
        prepare=masks,
    ),
    "boxes outside the image": fault(
        (f"{MANIFEST}5: 'png/001b.png' has box (0, 0, 30, 10), which leaves the image, 24 pixels"),
        prepare=column(BOX, lambda _: "1,1,9,9", {5: "0,0,30,10"}),
    ),
    "boxes that are none, and rows without": fault(
        (f"{MANIFEST}5: box is inverted or empty"),
        (f"{MANIFEST}7: box needs four numbers or none"),
        (f"{MANIFEST}9: box leaves the image: x0 or y0 below 0"),
        changes={"image.crop": {"to": "box"}},
        prepare=column(
            BOX, lambda _: "1,1,9,9", {5: "9,9,3,4", 7: "nan,1,2,3", 9: "-1,1,2,3", 11: ",,,"}
        ),
    ),
    "rows without the box that the crop needs": fault(
        (f"{MANIFEST}11: 'png/004b.png' has no box, which crop.to: box needs"),
        changes={"image.crop": {"to": "box"}},
        prepare=column(BOX, lambda _: "1,1,9,9", {11: ",,,"}),
    ),
    "NaN where patients are grouped and classes balanced": fault(
        (f"{MANIFEST}4: label is empty"),
        (f"{MANIFEST}6: patient is empty"),
        (f"{MANIFEST}7: patient is empty"),
        prepare=manifest(
            lambda rows: [
                *rows[:3],
                rows[3].replace("malignant", "NaN"),
                rows[4],
                rows[5].replace("p002", "nan"),
                rows[6].replace("p002", ""),
                *rows[7:],
            ]
        ),
    ),
    "NaN in the centre that an external set is cut by": fault(
        (f"{MANIFEST}6: 'png/002a.png' has no centre, by which rows are left out"),
        (f"{MANIFEST}7: 'png/002b.png' has no centre, by which rows are left out"),
        ("data.without: fill centre in, or leave these rows out too", "without: {centre: ['']}"),
        changes={**FROZEN, "external": [{"name": "B", "centre": "B"}]},
        prepare=column("centre", lambda at: "AB"[(at - 2) // 4 % 2], {6: "", 7: ""}),
    ),
    "an external set that is not there": fault(
        ("tiny.yaml:", "external set A: manifest: there is no 'none.csv'", "--data"),
        changes={**FROZEN, "external": [{"name": "A", "manifest": "none.csv"}]},
    ),
    "an external centre that is not there": fault(
        ("tiny.yaml:", "external set B: no row has centre 'Q'; valid: A"),
        changes={**FROZEN, "external": [{"name": "B", "centre": "Q"}]},
        prepare=column("centre", lambda _: "A", {}),
    ),
    "a search block": fault(
        ("tiny.yaml:", "unknown key 'search.samplr': did you mean 'sampler'?"),
        ("tiny.yaml:", "search.trials", "greater than or equal to 1, not 0"),
        ("tiny.yaml:", "search.space.train.optimizer.lr: from: 1 must be below to: 0.1"),
        changes={
            **HYPER,
            "search": {
                "samplr": "tpe",
                "trials": 0,
                "space": {"train.optimizer.lr": {"from": 1, "to": 0.1}},
            },
        },
    ),
    "a search of what there is not, and of what nobody reads": fault(
        ("tiny.yaml:", "search.space.train.optimizer.momentum: changes nothing", "is sgd"),
        ("tiny.yaml:", "no setting 'train.optimizer.lrr': did you mean 'lr'?"),
        changes={
            **HYPER,
            "search": {
                "space": {
                    "train.optimizer.momentum": {"from": 0, "to": 0.9},
                    "train.optimizer.lrr": {"from": 0.01, "to": 0.1},
                }
            },
        },
    ),
    "weights that do not fit": fault(
        (
            "tiny.yaml:27: train.weights: w.pt does not fit the network: 2.weight has shape (3,)",
            "2.bias is missing",
            "surplus is not in the network",
            "give a file saved from pooled3",
        ),
        changes={"train.weights": "w.pt"},
        prepare=weights,
    ),
    "weights that are none": fault(
        ("tiny.yaml:27: train.weights: w.safetensors is not a safetensors file"),
        changes={"train.weights": "w.safetensors"},
        prepare=lambda folder: (folder / "w.safetensors").write_bytes(b"\1" * 40) and None,
    ),
    "weights that are not there": fault(
        ("tiny.yaml:27: train.weights: no file 'w.pt' below", "add a folder with --data"),
        changes={"train.weights": "w.pt"},
    ),
    "duplicate keys": fault(
        ("tiny.yaml:43: key 'name' is given twice (first in line 1)"),
        ("tiny.yaml:44: key 'train' is given twice (first in line 18)"),
        text=lambda text: text + "name: other\ntrain: {}\n",
    ),
    "a YAML bomb": fault(
        ("tiny.yaml:", "too many values (aliases that multiply?): write them out"),
        text=lambda text: text
        + "b0: &b0 [x, x]\n"
        + "".join(f"b{n}: &b{n} [{','.join([f'*b{n - 1}'] * 10)}]\n" for n in range(1, 40)),
    ),
    "an alias of itself": fault(
        ("tiny.yaml:43: nested too deep"), text=lambda text: text + "title: &a [*a]\n"
    ),
    "a file nested without end": fault(
        ("tiny.yaml: nested too deep"), text=lambda text: text + "title: " + "[" * 5000
    ),
    "YAML tags": fault(
        ("tiny.yaml:1: tag !!python/object/apply:os.system is not allowed"),
        ("tiny.yaml:43: tag !own is not allowed"),
        text=lambda text: (
            text.replace("name: tiny", "name: !!python/object/apply:os.system ['touch made']")
            + "title: !own x\n"
        ),
    ),
    "a sweep file in UTF-16": fault(
        ("tiny.yaml:1: not UTF-8: save the file as UTF-8"), text=lambda text: text.encode("utf-16")
    ),
    "a sweep file in Latin-1": fault(
        ("tiny.yaml:43: not UTF-8"), text=lambda text: (text + "title: \xe4\n").encode("latin-1")
    ),
    "an empty sweep file": fault(("tiny.yaml:1: a sweep file is a mapping"), text=lambda _: ""),
    "a file far too large": fault(
        ("tiny.yaml: larger than 2,000,000 bytes"), text=lambda text: text + "#" * 2_000_000
    ),
    "a manifest that is a pipe": fault(
        (MANIFEST, "is not a regular file; put a copy of the file in its place"),
        prepare=in_place_of("images/manifest.csv", os.mkfifo),
    ),
    "a manifest that never ends": fault(
        ("tiny.yaml:4: data.manifest: 'images/manifest.csv' is outside the sweep file's folder"),
        prepare=in_place_of("images/manifest.csv", lambda path: path.symlink_to("/dev/zero")),
    ),
    "a manifest in UTF-16": fault(
        (MANIFEST, "has zero bytes, as text of UTF-16 without its mark; save it as UTF-8"),
        prepare=bytes_of_manifest(lambda data: data.decode().encode("utf-16-le")),
    ),
    "a manifest in Latin-1": fault(
        (MANIFEST, "is not UTF-8 (byte 225); save it as UTF-8"),
        prepare=bytes_of_manifest(lambda data: data.replace(b"p003", b"p\xe4")),
    ),
    "a manifest with control characters": fault(
        (f"{MANIFEST}8: patient 'p\\x00' has a control character"),
        (f"{MANIFEST}9: patient 'p\\x00' has a control character"),
        prepare=bytes_of_manifest(lambda data: data.replace(b"p003", b"p\0")),
    ),
    "an empty manifest": fault(
        (MANIFEST, "is empty"), prepare=bytes_of_manifest(lambda _: b""), changes={}
    ),
    "a manifest separated otherwise": fault(
        (MANIFEST, ":1: is not separated by commas, semicolons or tabs"),
        prepare=bytes_of_manifest(lambda data: data.replace(b",", b" ")),
    ),
}  # fmt: skip


def sweep(folder: Path, *words: str) -> Result:
    """Runs the tiny sweep of a folder, in this process."""
    return abl(folder, "sweep", "tiny.yaml", "--executor", "local", "--mlruns", "runs", *words)


@pytest.mark.parametrize("name", FAULTS)
def test_bad_input_is_a_line_a_fault_and_leaves_nothing(tiny_folder: Path, name: str) -> None:
    wrong = FAULTS[name]
    if wrong.prepare is not None:
        wrong.prepare(tiny_folder)
    path = write_sweep(tiny_folder, dict(wrong.changes))
    if wrong.text is not None:
        changed = wrong.text(path.read_text(encoding="utf-8"))
        path.write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    before = sorted(tiny_folder.rglob("*"))
    result = sweep(tiny_folder)
    lines = result.stderr.splitlines()
    assert result.exit_code == 2, result.output
    assert len(lines) == len(wrong.lines), result.stderr
    for line, words in zip(lines, wrong.lines, strict=True):
        assert line.startswith("abl: ")
        assert all(word in line for word in words), line
    assert "Traceback" not in result.output
    assert sorted(tiny_folder.rglob("*")) == before


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
@pytest.mark.parametrize(
    ("words", "file"), [(["plan"], "odd.yaml"), (["data", "check"], "odd.csv")]
)
def test_what_is_no_file_is_not_read(
    tmp_path: Path, make: Callable[[Path], None], words: list[str], file: str
) -> None:
    make(tmp_path / file)
    result = abl(tmp_path, *words, file)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"abl: {file}: ")
    assert "not a regular file; put a copy of the file in its place" in line


def test_a_check_tells_all_faults_of_a_manifest_in_words_of_the_command(tiny_folder: Path) -> None:
    pipes(tiny_folder)
    result = abl(tiny_folder, "data", "check", "images/manifest.csv")
    assert result.exit_code == 2
    rows = [
        line.partition("manifest.csv:")[2].partition(":")[0] for line in result.stderr.splitlines()
    ]
    assert rows == ["5", "7", "8", "10", "12", "14"]
    other = tiny_folder / "other.csv"
    other.write_text("image,label\n" + "".join(f"images/png/00{at}a.png,x\n" for at in range(9)))
    result = abl(tiny_folder, "data", "check", "other.csv")
    assert "name the classes there are with --classes NAME,NAME" in result.stderr
    assert "data: {" not in result.stderr


def test_the_tiny_sweep_itself_is_good(tiny_sweep: Path) -> None:
    result = sweep(tiny_sweep.parent)
    assert result.exit_code == 0, result.output


def test_a_column_gives_one_split_however_often_it_is_asked(tiny_folder: Path) -> None:
    manifest = pd.read_csv(tiny_folder / "images/manifest.csv")
    parts = ["train"] * 24 + ["validation"] * 12 + ["test"] * 12
    manifest.assign(split=parts).to_csv(tiny_folder / "images/manifest.csv", index=False)
    changes = {"splits": {"kind": "column"}, "replicates.repeats": 3}
    write_sweep(tiny_folder, changes)
    told = abl(tiny_folder, "plan", "tiny.yaml")
    assert told.exit_code == 2
    assert "replicates.repeats: 3: column 'split' gives every repeat the same split" in told.stderr
    assert "write repeats: 1" in told.stderr
