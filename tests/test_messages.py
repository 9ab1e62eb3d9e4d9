"""What a sweep file is told when names are nearly right, or values do not go together."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import commands
from commands import abl
from tiny_sweeps import TWO_NETWORKS, write_sweep, write_tiny_set


def told(folder: Path, **changes: object) -> str:
    """What `abl plan` says of a sweep with these changes."""
    if not (folder / "images").exists():
        write_tiny_set(folder / "images")
    (folder / "s.yaml").write_text(yaml.safe_dump({**TWO_NETWORKS, **changes}))
    done = commands.abl(folder, "plan", "s.yaml")
    assert done.exit_code == 2, done.output
    return done.output


def test_a_base_that_is_no_arm_is_told_the_nearest(tmp_path: Path) -> None:
    axes = {"train.network": ["pooled3", "pooled6"], "train.epochs": [3, 4]}
    said = told(tmp_path, axes=axes, base={"train.network": "poled3", "train.epochs": 5})
    assert "base: no arm has train.network poled3: did you mean 'pooled3'?" in said
    assert "base: no arm has train.epochs 5: valid: 3, 4" in said
    said = told(
        tmp_path,
        axes=axes,
        exclude=[{"train.network": "pooled3", "train.epochs": 4}],
        base={"train.network": "pooled3", "train.epochs": 4},
    )
    assert "base: matches no arm of the sweep: the nearest one is" in said


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nosuch.thing", "no setting 'nosuch.thing'"),
        ("train.epoch", "no setting 'train.epoch': did you mean 'epochs'?"),
        ("replicates.seeds", "'replicates.seeds' cannot be an axis"),
    ],
)
def test_an_axis_that_is_no_setting_is_told_apart_from_one_that_may_not_vary(
    tmp_path: Path, name: str, said: str
) -> None:
    found = told(tmp_path, axes={name: [1, 2]}, base=None)
    assert said in found
    assert ("must be the same for all arms" in found) == (name == "replicates.seeds")


def test_a_default_that_nobody_wrote_is_called_one(tmp_path: Path) -> None:
    train = {**TWO_NETWORKS["train"], "epochs": 2}
    del train["last_k"]
    said = told(tmp_path, train=train)
    assert "is more than epochs: 2" in said
    assert "is its default: write last_k: 2 or less" in said
    assert "default" not in told(tmp_path, train={**train, "last_k": 9})


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("margin", 2, "input should be less than 1, not 2: write 0.02 for 2 points"),
        ("margin", "2 %", "a number is wanted, not '2 %': write 0.02 for 2 points"),
        ("splits.test", 25, "input should be less than 1, not 25: write 0.25 for 25 %"),
        ("splits.validation", "20%", "a number is wanted, not '20%': write 0.2 for 20 %"),
        ("train.share", 50, "input should be less than or equal to 1, not 50: write 0.5 for 50 %"),
        ("train.optimizer.momentum", 9, "input should be less than 1, not 9"),
        ("margin", -2, "input should be greater than 0, not -2"),
    ],
)
def test_a_share_in_per_cent_is_told_how_it_is_written(
    tiny_folder: Path, setting: str, value: object, said: str
) -> None:
    write_sweep(tiny_folder, {setting: value})
    found = abl(tiny_folder, "plan", "tiny.yaml", "--mlruns", "runs")
    (line,) = found.stderr.splitlines()
    assert found.exit_code == 2
    assert line.endswith(f": {setting}: {said}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("table tiny --format cvs", "'cvs' is not known, did you mean 'csv'?"),
        ("table tiny --format yaml", "'yaml' is not known, valid: csv, html, latex, md, text"),
        ("table tiny --decimals 9", "input should be less than or equal to 6, not '9'"),
        ("table tiny --decimals two", "a whole number is wanted, not 'two'"),
        ("store ls --format cvs", "'cvs' is not known, did you mean 'csv'?"),
    ],
)
def test_a_wrong_value_of_an_option_is_told_in_plain_words(
    tmp_path: Path, words: str, said: str
) -> None:
    found = abl(tmp_path, *words.split())
    told = " ".join(found.stderr.replace("│", " ").split())
    assert found.exit_code == 2
    assert said in told
    assert "error," not in told
