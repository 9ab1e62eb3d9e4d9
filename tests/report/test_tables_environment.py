"""The environment's description: useful, and free of what names a person or a machine."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
from pathlib import Path

import pytest

from abl.report.checkout import DIFF_LIMIT_BYTES, git_state
from abl.report.environment import environment


def git(folder: Path, *arguments: str) -> None:
    settings = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *settings, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "a.txt").write_text("one\n")
    git(tmp_path, "add", "a.txt")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_clean_dirty_and_untracked(checkout: Path) -> None:
    clean = git_state(checkout)
    assert clean is not None
    assert (clean["dirty"], clean["diff"]) == (False, "")
    assert len(clean["commit"]) == 40
    (checkout / "a.txt").write_text("two\n")
    (checkout / "b.txt").write_text("new\n")
    dirty = git_state(checkout)
    assert dirty is not None
    assert (dirty["dirty"], dirty["untracked"], dirty["commit"]) == (True, 1, clean["commit"])
    assert "-one\n+two\n" in dirty["diff"]


def test_a_large_difference_is_cut(checkout: Path) -> None:
    (checkout / "a.txt").write_text("größer\n" * 100_000)
    state = git_state(checkout)
    assert state is not None
    assert state["diff_cut"]
    assert len(state["diff"].encode()) <= DIFF_LIMIT_BYTES


def test_no_commit_yet_and_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_state(tmp_path) is None
    git(tmp_path, "init", "-q")
    state = git_state(tmp_path)
    assert state is not None
    assert state["commit"] is None


def test_a_difference_shows_no_secret(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "open-sesame")
    (checkout / "below").mkdir()
    for name in (".env", "below/Secrets.yaml"):
        (checkout / name).write_text("before\n")
        git(checkout, "add", name)
    git(checkout, "commit", "-qm", "second")
    for name in (".env", "below/Secrets.yaml"):
        (checkout / name).write_text("knock-knock\n")
    (checkout / "a.txt").write_text("key: open-sesame\n")
    for folder in (checkout, checkout / "below"):
        state = git_state(folder)
        assert state is not None
        assert "+key: <AWS_SECRET_ACCESS_KEY>" in state["diff"]
        assert "knock-knock" not in state["diff"]
        assert state["dirty"]


def test_nothing_private(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/some-person")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2-secret")
    (checkout / "a.txt").write_text("path: /home/some-person/data\n")
    text = json.dumps(environment(checkout), allow_nan=False)
    assert "path: ~/data" in text
    assert "some-person" not in text
    assert "hunter2-secret" not in text
    assert str(checkout) not in text
    for private in (platform.node(), getpass.getuser()):
        if len(private) > 4:  # `root` and the like are ordinary words
            assert private not in text


def test_what_matters_is_there() -> None:
    found = environment()
    assert found["python"] == platform.python_version()
    assert {"torch", "numpy", "pandas"} <= found["packages"].keys()
    assert found["cpu_count"] >= 1
    assert found["memory_gib"] > 0
