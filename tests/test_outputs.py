"""Every option that writes a file: what a command reads is never written over, what is somebody
else's only with --force, and its own result again without a word.
"""

from __future__ import annotations

import csv
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from typer.models import OptionInfo

from abl.cli.every import app
from commands import abl
from tiny_sweeps import write_sweep

IMAGE, MANIFEST, SWEEP = "images/png/003a.png", "images/manifest.csv", "tiny.yaml"
DECIDE = ("decide", "--original", "o.csv", "--true", "t.csv", "--sweep")
FRAMES = ("data", "split-frames", "frames/frames.csv", "--out", "pairs")
IMPORT = ("data", "import", "via")


@dataclass(frozen=True)
class Case:
    """An option that writes.

    Attributes:
        words: The command without it.
        option: As it is typed.
        read: Files that the command reads, or that are of a kind that it never writes.
        fresh: A name that it may write.
        is_repeated: Whether the same command writes its own file again without --force.
    """

    words: Sequence[str]
    option: str
    read: Sequence[str]
    fresh: str
    is_repeated: bool = True

    @property
    def named(self) -> str:
        group = self.words[0] in ("data", "readers")
        return " ".join([*self.words[: 1 + group], self.option])


CASES = (
    Case(("splits", SWEEP), "--out", (MANIFEST, SWEEP, IMAGE), "x.csv"),
    Case(("compare", "tiny:model1", "tiny:original"), "--out", (MANIFEST, SWEEP, IMAGE), "x.html"),
    Case(("compare", "tiny:model1", "tiny:original"), "--out", ("o.pdf",), "x.txt"),
    Case(("schema",), "--out", (MANIFEST, SWEEP, IMAGE), "x.json"),
    Case(("schema", "--markdown"), "--out", (MANIFEST, SWEEP, IMAGE), "x.md"),
    Case(
        ("audit", "o.csv", "--images", MANIFEST, "--classes", "benign,malignant"),
        "--out", ("o.csv", MANIFEST, SWEEP), "x.csv",
    ),
    Case(("audit", "net=o.csv"), "--out", ("o.csv",), "x.parquet"),
    Case(DECIDE, "--out", ("o.csv", "t.csv", SWEEP), "x.csv"),
    Case(DECIDE, "--curve", ("o.csv", "t.csv", SWEEP), "x.parquet"),
    Case(("data", "tissue", "frames/frames.csv"), "--sheet", ("frames/0.png", SWEEP), "x.png"),
    Case(FRAMES, "--sheet", ("frames/0.png", "frames/frames.csv"), "x.png"),
    Case(("data", "group", MANIFEST), "--out", (MANIFEST, IMAGE), "images/x.csv", False),
    Case(
        ("data", "group", MANIFEST, "--out", "images/y.csv"),
        "--sheet", (MANIFEST, IMAGE), "x.png", False,
    ),
    Case(IMPORT, "--out", ("via/via.csv", "via/0.png"), "via/x.csv", False),
    Case(
        (*IMPORT, "--out", "via/y.csv"), "--left", ("via/via.csv", "via/0.png", SWEEP), "x.csv",
        False,
    ),
)  # fmt: skip

# of a folder, in which files have names of their own: tested below, or where the command is
FOLDERS = {
    "new --out",
    "init --out",
    "review --out",
    "data tissue --out",
    "data split-frames --out",
}
# goes on from the file, which is refused if it is no journal; what `abl readers` writes is tested
# with it
ELSEWHERE = {"decide --study", "readers compare --out", "readers page --out"}
READ = {
    "audit --images", "compare --module", "data check --images", "decide --false",
    "decide --original", "decide --true", "list --module", "readers page --module",
    "review --apply", "review --module", "table --module", "table --published",
}  # fmt: skip


def file_options(family: typer.Typer, above: str = "") -> Iterator[str]:
    """Every option that takes a path: `data tissue --sheet`."""
    for command in family.registered_commands:
        assert command.callback is not None
        own = command.name or command.callback.__name__.replace("_", "-")
        for name, hint in get_type_hints(command.callback, include_extras=True).items():
            if get_origin(hint) is not Annotated or "pathlib" not in str(get_args(hint)[0]):
                continue
            told = get_args(hint)[1]
            if isinstance(told, OptionInfo):
                declared = (told.param_decls or [f"--{name.replace('_', '-')}"])[0]
                yield f"{above}{own} {declared}"
    for group in family.registered_groups:
        assert group.typer_instance is not None
        yield from file_options(group.typer_instance, f"{above}{group.name} ")


def test_every_option_that_names_a_file_is_known_here() -> None:
    named = {name for name in file_options(app) if not name.endswith("--mlruns")}
    written = {case.named for case in CASES}
    assert named == written | FOLDERS | ELSEWHERE | READ


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory, tiny_images: Path) -> Path:
    """A folder with all that the commands read, in which the tiny sweep was run."""
    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(tiny_images.parent, folder / "images")
    write_sweep(folder)
    found = abl(folder, "sweep", SWEEP, "--executor", "local", "--record", "off")
    assert found.exit_code == 0, found.output
    draw = np.random.default_rng(0)
    images = pd.read_csv(folder / MANIFEST)["image"]
    for name in ("o", "t"):
        p = draw.random(len(images)).round(3)
        rows = {"image": images, "label": np.arange(len(images)) % 2, "p_0": 1 - p, "p_1": p}
        pd.DataFrame(rows).to_csv(folder / f"{name}.csv", index=False)
    (folder / "o.pdf").write_bytes(b"%PDF")
    (folder / "frames").mkdir()
    for at in range(2):
        frame = np.repeat(draw.integers(20, 120, (240, 400, 1)), 3, axis=2).astype(np.uint8)
        frame[60:180, 225:365] = (200, 90, 90)
        Image.fromarray(frame).save(folder / f"frames/{at}.png")
    (folder / "frames/frames.csv").write_text("image,label,patient\n0.png,0,a\n1.png,1,b\n")
    (folder / "via").mkdir()
    with (folder / "via/via.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(
            ["filename", "file_size", "file_attributes", "region_count", "region_id",
             "region_shape_attributes", "region_attributes"]
        )  # fmt: skip
        for at in range(2):
            Image.fromarray(draw.integers(0, 255, (32, 32), np.uint8)).save(
                folder / f"via/{at}.png"
            )
            shape = '{"name":"rect","x":4,"y":4,"width":9,"height":9}'
            label = f'{{"class":"{("benign", "malignant")[at]}"}}'
            table.writerow([f"{at}.png", 1, "{}", 1, 0, shape, label])
    return folder


@pytest.fixture
def folder(ran: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(ran, tmp_path / "own"))


def everything_in(folder: Path) -> dict[Path, bytes]:
    files = (each for each in folder.rglob("*") if "mlruns" not in each.parts)
    return {each: each.read_bytes() for each in files if each.is_file()}


def refused(folder: Path, *words: str) -> str:
    """The one line that a command ends with that writes nothing."""
    before = everything_in(folder)
    found = abl(folder, *words)
    assert found.exit_code == 2, found.output
    assert found.stdout == ""
    assert len(found.stderr.splitlines()) == 1, found.stderr
    assert everything_in(folder) == before
    return found.stderr


def written(folder: Path, *words: str) -> None:
    for each in ("pairs", "images/y.csv", "via/masks", "via/y.csv"):
        path = folder / each
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
    found = abl(folder, *words)
    assert found.exit_code == 0, found.output
    if "--force" not in words:  # a sheet of groups is drawn only if there are some
        path = words[-1]
        assert not (folder / path).is_file() or path in found.output, "not told what was written"


with_each = pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.named} {case.fresh}")


@with_each
def test_what_is_read_is_never_written_over(folder: Path, case: Case) -> None:
    for path in case.read:
        for force in ([], ["--force"]):
            said = refused(folder, *case.words, case.option, path, *force)
            assert f"{path}: " in said
            assert any(
                each in said
                for each in ("is read too, and would be overwritten", "name it", "has to end",
                             "paths of a manifest", "is there; --force")
            ), said  # fmt: skip


@with_each
def test_what_is_somebody_elses_is_written_over_with_force_alone(folder: Path, case: Case) -> None:
    path = folder / case.fresh
    path.write_text("mine\n", encoding="utf-8")
    said = refused(folder, *case.words, case.option, case.fresh)
    assert f"{case.fresh}: is there" in said
    assert "--force" in said
    written(folder, *case.words, case.option, case.fresh, "--force")
    # a sheet of groups is drawn only if there are some
    assert case.named == "data group --sheet" or path.read_bytes() != b"mine\n"


@with_each
def test_its_own_file_is_written_again(folder: Path, case: Case) -> None:
    words = (*case.words, case.option, case.fresh)
    written(folder, *words)
    if case.is_repeated:
        written(folder, *words)
    elif (folder / case.fresh).exists():
        assert "is there" in refused(folder, *words)


@with_each
def test_a_place_that_takes_no_file_is_told(folder: Path, case: Case) -> None:
    (folder / "x.dir").mkdir()
    for place in ("x.dir", f"none/{Path(case.fresh).name}"):
        refused(folder, *case.words, case.option, place)


def test_a_shipped_sweep_is_not_written_over_itself(tmp_path: Path) -> None:
    assert abl(tmp_path, "new", "threshold").exit_code == 0
    assert "threshold.yaml is there already" in abl(tmp_path, "new", "threshold").stderr.replace(
        ":", ""
    )
    (tmp_path / "other").mkdir()
    (tmp_path / "other/sweep.schema.json").write_text("{}")
    assert "sweep.schema.json" in refused(tmp_path, "new", "threshold", "--out", "other")
    assert abl(tmp_path, "new", "threshold", "--force").exit_code == 0


def test_a_page_that_is_no_review_is_not_written_over(folder: Path) -> None:
    (folder / "page").mkdir()
    (folder / "page/review.html").write_text("mine")
    words = ("review", "tiny", "--out", "page")
    assert "review.html: is there already: move it away" in refused(folder, *words)
    (folder / "page/review.html").unlink()
    written(folder, *words)
    written(folder, *words)


def test_a_place_that_cannot_be_written_is_named_as_it_was_typed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(part: str, whole: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(part), None, str(whole))

    monkeypatch.setattr(os, "replace", refuse)
    for words, named in (
        (("new", "threshold"), "--out ."),
        (("new", "threshold", "--out", "."), "--out ."),
        (("schema", "--out", "x.json"), "--out x.json"),
        (("compare", "tiny:model1", "tiny:original", "--out", "x.md"), "--out x.md"),
        (("data", "tissue", "frames/frames.csv", "--out", "cut"), "--out cut"),
        (("data", "tissue", "frames/frames.csv", "--sheet", "x.png"), "--sheet x.png"),
        (FRAMES, "--out pairs"),
        (("data", "phantom", "set", "--patients", "4", "--size", "32"), "set"),
    ):
        said = refused(folder, *words)
        assert said == f"abl: {named}: cannot be written (Permission denied)\n"


def test_what_a_module_prints_is_no_part_of_the_json(folder: Path) -> None:
    (folder / "mine.py").write_text(
        "from torch import nn\n"
        "from abl.nets.registry import network\n"
        "print('as it is read')\n"
        "@network('mine')\n"
        "def mine(classes, channels, image_size):\n"
        "    print('as it is built')\n"
        "    return nn.Sequential(nn.Flatten(), nn.LazyLinear(classes))\n",
        encoding="utf-8",
    )
    text = (folder / SWEEP).read_text(encoding="utf-8")
    (folder / "own.yaml").write_text(f"{text}module: mine.py\n", encoding="utf-8")
    found = abl(folder, "plan", "own.yaml", "--json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["arms"]
    assert "as it is read" in found.stderr
    found = abl(folder, "list", "network", "mine", "--module", "mine.py")
    assert "as it is built" not in found.stdout
