"""What pages read that a sweep is run for: its table, its folds, sheets that people filled in."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import paper_sets as sets
from abl import api
from commands import abl
from doc_commands import Command
from doc_world import MADE, OWN_NETWORK, named, shrunk
from test_paper_sweeps import SHAPES, small
from tiny_sweeps import TWO_NETWORKS, changed, write_tiny_set

LOCAL = ("--executor", "local")
OFF = ("--record", "off")
PAPER_SHARE = 12  # of a paper's images one in so many

STUDY: dict[str, Any] = changed(
    TWO_NETWORKS,
    {"name": "study", "axes": {"network": ["resnet18", "pooled3"]}, "image.size": 32,
     "data.manifest": "scanned/manifest.csv", "train.network": "pooled3"},
)  # fmt: skip
FROZEN: dict[str, Any] = {
    **{name: TWO_NETWORKS[name] for name in ("splits", "replicates", "train", "resamples")},
    "name": "frozen",
    "study": "frozen",
    "data": {"phantom": {"patients": 40, "size": 32}},
    "image": {"size": 32, "channels": 1, "normalize": "half"},
    "external": [{"name": "B", "phantom": {"patients": 30, "size": 32, "seed": 3}}],
    "axes": {"network": ["pooled3", "pooled6"]},
}


def ran(folder: Path, file: str, *words: str) -> None:
    """Runs a sweep file in this process."""
    done = abl(folder, "sweep", file, *LOCAL, *OFF, *words)
    assert done.exit_code == 0, f"{file}: {done.output}"


def write_yaml(path: Path, values: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(values, sort_keys=False), encoding="utf-8")


def _study(folder: Path) -> Path:
    if not (folder / "scanned").exists():
        write_tiny_set(folder / "scanned")
    write_yaml(folder / "study.yaml", STUDY)
    return folder / "study.yaml"


def _frozen(folder: Path) -> Path:
    write_yaml(folder / "frozen.yaml", FROZEN)
    return folder / "frozen.yaml"


def _mydata(folder: Path) -> Path:
    MADE["mydata"](folder / "mydata")
    done = abl(folder, "init", "mydata", "--force")
    assert done.exit_code == 0, done.output
    quick(folder / "sweep.yaml")
    return folder / "sweep.yaml"


def _mine(folder: Path) -> Path:
    """The network and the sweep of the page on networks of one's own."""
    MADE["mynet.py"](folder / "mynet.py")
    text = OWN_NETWORK.read_text(encoding="utf-8")
    part = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert part
    values = yaml.safe_load((folder / "sweeps/compare.yaml").read_text(encoding="utf-8"))
    write_yaml(folder / "mine.yaml", {**values, **yaml.safe_load(part[1]), "name": "mine"})
    return folder / "mine.yaml"


# name of a sweep that no file of sweeps/ has -> what writes its file
OWN: dict[str, Callable[[Path], Path]] = {
    "study": _study, "frozen": _frozen, "mydata": _mydata, "mine": _mine,
}  # fmt: skip


def quick(path: Path) -> None:
    """One seed and one epoch for the file that `abl init` wrote."""
    text = re.sub(r"(?m)^  epochs: \d+", "  epochs: 1", path.read_text(encoding="utf-8"))
    text = re.sub(r"(?m)^  last_k: \d+.*$", "  last_k: 1", text)
    text = re.sub(r"seeds: \[[^]]*\]", "seeds: [0]", text)
    path.write_text(text, encoding="utf-8")


def write_paper(folder: Path, stem: str) -> None:
    """The paper's file with small networks, and a share of a set as large as the paper's."""
    values = small(stem)
    shape = SHAPES[stem]
    write_yaml(folder / f"sweeps/papers/{stem}.yaml", values)
    table = pd.DataFrame(shape.rows())
    patients = table["patient"].unique()[::PAPER_SHARE]
    share = table[table["patient"].isin(patients)].dropna(axis=1, how="all")
    shutil.rmtree(folder / "sets", ignore_errors=True)
    rows = share.to_dict("records")
    sets.write_set(folder / "sets", shape.manifest, rows, paired=shape.paired, border=shape.border)


def small_networks(patch: pytest.MonkeyPatch, stems: Sequence[str]) -> None:
    """What stands in the place of the large networks of these papers, under their names."""
    if stems:
        sets.stand_in(patch, {k: v for stem in stems for k, v in SHAPES[stem].small.items()})


def ran_by_name(folder: Path, name: str) -> None:
    """Runs the sweep of a name; a paper's as `--smoke` makes it, which goes by another name."""
    path = file_of(folder, name)
    data: list[str] = []
    if path.parent.name == "papers":
        write_paper(folder, path.stem)
        shrunk(path, folder / "shrinking")
        data = ["--data", "sets", "--data", "sweeps/papers"]
    ran(folder, str(path.relative_to(folder)), *data)


def sweep_asked(command: Command) -> str:
    """The name of the finished sweep that a command reads, "" if it reads none."""
    words = named(command)
    for option in ("--into", "--sweep"):
        if option in words and words[1] in ("import", "store", "readers"):
            return words[words.index(option) + 1]
    if words[1:3] == ["readers", "page"]:
        return words[3]
    if words[1] in ("table", "log", "diff", "watch", "review"):
        return words[2]
    return words[2].partition(":")[0] if words[1] == "compare" else ""


def file_of(folder: Path, name: str) -> Path:
    """The file of a sweep of this name, written if it is none of the shipped ones."""
    if name in OWN:
        return OWN[name](folder)
    for path in sorted((folder / "sweeps").rglob("*.yaml")):
        if yaml.safe_load(path.read_text(encoding="utf-8"))["name"] == name:
            return path
    raise AssertionError(f"no sweep is called {name}")


def shrink_shipped(folder: Path) -> None:
    """Makes the sweeps that a page may run small, but for those of papers and real sets."""
    for path in [
        *(folder / "sweeps").glob("*.yaml"),
        *(folder / "sweeps/reviewers").glob("*.yaml"),
    ]:
        shrunk(path, folder / "shrinking")


def write_theirs(folder: Path, sweep: Path) -> None:
    """theirs.csv: predictions of another program for the folds that `abl splits` writes."""
    done = abl(folder, "splits", str(sweep.relative_to(folder)), "--out", "theirs.csv")
    assert done.exit_code == 0, done.output
    frame = pd.read_csv(folder / "theirs.csv")
    p = np.round(np.random.default_rng(0).uniform(0.05, 0.95, len(frame)), 3)
    frame.assign(p_0=np.round(1 - p, 3), p_1=p).to_csv(folder / "theirs.csv", index=False)


def write_sheets(folder: Path, root: Path, sweep: str) -> None:
    """Sheets of two reviewers, who decide on the images that come first."""
    done = abl(folder, "review", sweep)
    assert done.exit_code == 0, done.output
    (path,) = (root / "store/sweeps" / sweep).glob("*/review.csv")
    for reader in ("AB", "CD"):
        sheet = pd.read_csv(path, dtype=str, keep_default_na=False)
        sheet.loc[:3, ["decision", "reader"]] = ["drop", reader]
        sheet.loc[4:11, ["decision", "reader"]] = ["keep", reader]
        for name in (f"{reader}.csv", f"review_{reader}.csv"):
            sheet.to_csv(folder / name, index=False)


def write_answers(folder: Path, root: Path, sweep: str) -> None:
    """answers_AB_1.csv, ...: what three readers say of a sweep's test images, in two treatments."""
    frame = api.open(sweep, root=root).predictions
    units = frame[frame["role"] == "test"].drop_duplicates("unit")
    label, draw = units["label"].to_numpy(), np.random.default_rng(6)
    for reader in ("AB", "CD", "EF"):
        rows = []
        for treatment, skill in (("unaided", 1.0), ("aided", 1.5)):
            score = np.clip(
                np.round(5.5 + skill * (2 * label - 1) + draw.normal(0, 2, len(label))), 1, 10
            )
            said = np.where(score > 5, "malignant", "benign")
            frame = pd.DataFrame({"image": units["unit"], "answer": said, "rating": score})
            rows.append(frame.assign(reader=reader, treatment=treatment))
        pd.concat(rows).to_csv(folder / f"answers_{reader}_1.csv", index=False)


def write_versions(folder: Path, sweep: str) -> None:
    """Two more versions of a sweep's table, by its margin."""
    path = file_of(folder, sweep)
    text = path.read_text(encoding="utf-8")
    for margin in ("0.031", "0.032"):
        path.write_text(re.sub(r"(?m)^margin: .*$", f"margin: {margin}", text), encoding="utf-8")
        ran(folder, str(path.relative_to(folder)))
    path.write_text(text, encoding="utf-8")
