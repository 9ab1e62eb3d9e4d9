"""A `module:` that comes from elsewhere is run only after a word of consent; one's own unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import abl
from abl.errors import InputError
from abl.nets import trust
from commands import abl as command
from tiny_sweeps import write_sweep

MARKER = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\n"


@pytest.fixture
def module(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module beside the tiny sweep that leaves a file `ran` there; no folder is trusted yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tiny_folder / "config"))
    monkeypatch.setattr(trust, "_said", set())
    write_sweep(tiny_folder, {"module": "net.py"})
    file = tiny_folder / "net.py"
    file.write_text(MARKER)
    return file


def unpacked(module: Path) -> None:
    archive = module.with_name("theirs.tar")
    os.utime(module, (1_600_000_000, 1_600_000_000))
    with tarfile.open(archive, "w") as tar:
        tar.add(module, "net.py")
    module.unlink()
    with tarfile.open(archive) as tar:
        tar.extractall(module.parent, filter="data")


def cloned(module: Path) -> None:
    git = ["git", "-C", str(module.parent)]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "remote", "add", "origin", "https://example.org/x"], check=True)


def of_a_submodule(module: Path) -> None:
    module.with_name(".git").write_text("gitdir: ../.git/modules/x\n")


def open_to_all(module: Path) -> None:
    module.chmod(0o666)


def in_a_folder_open_to_all(module: Path) -> None:
    module.parent.chmod(0o777)


FOREIGN: list[Callable[[Path], None]] = [
    unpacked, cloned, of_a_submodule, open_to_all, in_a_folder_open_to_all,
]  # fmt: skip


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_module_from_elsewhere_is_run_after_trust_alone(
    module: Path, foreign: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign(module)
    ran = module.with_name("ran")
    for verb in ("plan", "sweep"):
        refused = command(module.parent, verb, "tiny.yaml")
        assert refused.exit_code == 2
        (line,) = refused.stderr.splitlines()
        assert line.startswith("abl: tiny.yaml:")
        assert "net.py" in line
        assert "--trust" in line
    assert not ran.exists()
    assert not module.with_name("mlruns").exists()
    command(module.parent, "plan", "tiny.yaml", "--trust")
    assert ran.exists()
    ran.unlink()
    # and is not asked about again, by another process and after a change
    monkeypatch.setattr(trust, "_said", set())
    module.write_text(MARKER + "\nx = 1\n")
    command(module.parent, "plan", "tiny.yaml")
    assert ran.exists()


def test_ones_own_module_is_not_asked_about(module: Path) -> None:
    subprocess.run(["git", "-C", str(module.parent), "init", "-q"], check=True)
    module.write_text(MARKER + "\nx = 1\n")
    result = command(module.parent, "plan", "tiny.yaml")
    assert result.exit_code == 0, result.output
    assert not trust.trusted_folders().exists()


def test_the_file_of_another_user_is_not_ones_own(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trust, "_own_ids", lambda: {os.getuid() + 1})
    assert "another user" in trust.foreign_because(module)


def test_trust_is_of_one_folder(module: Path) -> None:
    trust.trust_folder_of(module)
    below = module.parent / "below"
    below.mkdir()
    (below / "net.py").write_text(MARKER)
    open_to_all(below / "net.py")
    assert trust.distrust(module) == ""
    assert "--trust" in trust.distrust(below / "net.py")


@pytest.mark.parametrize("answer", [True, False])
def test_who_sits_at_a_terminal_is_asked(
    module: Path, monkeypatch: pytest.MonkeyPatch, answer: bool
) -> None:
    cloned(module)
    asked: list[str] = []

    def confirm(text: str, **options: object) -> bool:
        asked.append(text)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    monkeypatch.setattr(sys.modules["abl.cli.app"], "_answers", lambda: True)
    result = command(module.parent, "plan", "tiny.yaml")
    assert len(asked) == 1
    assert module.with_name("ran").exists() == answer
    assert result.exit_code == (0 if answer else 2)


def test_where_the_answer_cannot_be_kept_it_still_counts(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned(module)
    (module.parent / "config").write_text("a file in the place of the folder")
    result = command(module.parent, "plan", "tiny.yaml", "--trust")
    assert result.exit_code == 0, result.output
    assert "give --trust each time, or set XDG_CONFIG_HOME" in result.stderr


def test_a_damaged_list_trusts_nobody(module: Path) -> None:
    cloned(module)
    place = trust.trusted_folders()
    place.parent.mkdir(parents=True)
    for content in ("{", json.dumps({str(module.parent): True}), "[1]"):
        place.write_text(content)
        assert trust.distrust(module)


def test_a_list_in_the_sweeps_own_folder_is_not_read(
    module: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloned(module)
    monkeypatch.setenv("XDG_CONFIG_HOME", "config")
    monkeypatch.setenv("HOME", str(module.parent / "home"))
    monkeypatch.chdir(module.parent)
    (module.parent / "config/abl").mkdir(parents=True)
    (module.parent / "config/abl/trusted.json").write_text(json.dumps([str(module.parent)]))
    assert trust.distrust(module)


def test_python_asks_for_trust_too(module: Path) -> None:
    cloned(module)
    with pytest.raises(InputError, match="trust=True"):
        abl.load(module.with_name("tiny.yaml"), root=module.parent / "runs")
    assert not module.with_name("ran").exists()
    abl.load(module.with_name("tiny.yaml"), root=module.parent / "runs", trust=True)
    assert module.with_name("ran").exists()
