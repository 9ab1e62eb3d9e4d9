"""A checkout of somebody else's runs nothing when its state is read, and shows no other's files.

Each test first sees that git by itself would run the marker program (or show the file), so that
none passes because git has changed.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from abl.report.checkout import git_state

SETTINGS = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
LOCAL = ["-c", "protocol.file.allow=always"]


def git(folder: Path, *arguments: str, check: bool = True) -> str:
    done = subprocess.run(
        ["git", *SETTINGS, *LOCAL, *arguments],
        cwd=folder,
        check=check,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def checkout_at(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.txt").write_text("one\n")
    git(folder, "add", "a.txt")
    git(folder, "commit", "-qm", "first")
    return folder


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    return checkout_at(tmp_path / "theirs")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program that leaves a file `ran` beside it."""
    path = tmp_path / "program.sh"
    path.write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n")
    path.chmod(0o755)
    return path


def with_fsmonitor(checkout: Path, program: Path) -> None:
    git(checkout, "config", "core.fsmonitor", str(program))


def with_hooks(checkout: Path, program: Path) -> None:
    hooks = checkout / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(program)
    git(checkout, "config", "core.hooksPath", str(hooks))
    # only an index whose times are old is written again
    os.utime(checkout / "a.txt", (1, 1))


def with_filter(checkout: Path, program: Path) -> None:
    (checkout / ".gitattributes").write_text("*.txt filter=x\n")
    git(checkout, "config", "filter.x.clean", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_process_filter(checkout: Path, program: Path) -> None:
    (checkout / ".git/info").mkdir(exist_ok=True)
    (checkout / ".git/info/attributes").write_text("*.txt filter=x\n")
    git(checkout, "config", "filter.x.process", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_include(checkout: Path, program: Path) -> None:
    with_filter(checkout, program)
    config = checkout / ".git/config"
    (checkout / "more").write_text(config.read_text())
    git(checkout, "config", "--unset", "filter.x.clean")
    git(checkout, "config", "include.path", "../more")


def with_external_diff(checkout: Path, program: Path) -> None:
    git(checkout, "config", "diff.external", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_diff_driver(checkout: Path, program: Path) -> None:
    (checkout / ".gitattributes").write_text("*.txt diff=x\n")
    git(checkout, "config", "diff.x.command", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_textconv(checkout: Path, program: Path) -> None:
    (checkout / ".gitattributes").write_text("*.txt diff=x\n")
    git(checkout, "config", "diff.x.textconv", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_submodule(checkout: Path, program: Path) -> None:
    other = checkout_at(checkout.parent / "other")
    git(checkout, "submodule", "add", "-q", str(other), "sub")
    git(checkout, "commit", "-qm", "second")
    with_fsmonitor(checkout / "sub", program)


def with_submodule_log(checkout: Path, program: Path) -> None:
    with_submodule(checkout, program)
    git(checkout, "config", "diff.submodule", "diff")
    git(checkout, "config", "status.submoduleSummary", "true")
    (checkout / "sub/a.txt").write_text("two\n")


def with_absent_object(checkout: Path, program: Path) -> None:
    """A clone that fetches what it lacks, by a program of its own."""
    blob = git(checkout, "rev-parse", "HEAD:a.txt").strip()
    (checkout / ".git/objects" / blob[:2] / blob[2:]).unlink()
    git(checkout, "config", "core.repositoryFormatVersion", "1")
    git(checkout, "config", "extensions.partialClone", "origin")
    git(checkout, "config", "remote.origin.url", str(checkout))
    git(checkout, "config", "remote.origin.promisor", "true")
    git(checkout, "config", "remote.origin.uploadpack", str(program))
    (checkout / "a.txt").write_text("two\n")


def with_what_looks_like_a_repository(checkout: Path, program: Path) -> None:
    """No .git: its parts lie in the folder itself, and are found there."""
    with_fsmonitor(checkout, program)
    git(checkout, "config", "core.bare", "false")
    git(checkout, "config", "core.worktree", str(checkout))
    for part in (checkout / ".git").iterdir():
        part.rename(checkout / part.name)
    (checkout / ".git").rmdir()


HOSTILE: list[Callable[[Path, Path], None]] = [
    with_fsmonitor, with_hooks, with_filter, with_process_filter, with_include, with_external_diff,
    with_diff_driver, with_textconv, with_submodule, with_submodule_log, with_absent_object,
    with_what_looks_like_a_repository,
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_a_checkouts_own_programs_are_not_run(
    checkout: Path, program: Path, hostile: Callable[[Path, Path], None]
) -> None:
    hostile(checkout, program)
    ran = program.with_name("ran")
    git(checkout, "status", check=False)
    git(checkout, "diff", "HEAD", check=False)
    assert ran.exists()  # git by itself runs it
    ran.unlink()
    if hostile is with_hooks:
        os.utime(checkout / "a.txt", (2, 2))
    git_state(checkout)
    assert not ran.exists()


@pytest.mark.parametrize("hostile", [with_filter, with_include])
def test_filters_and_includes_are_told(
    checkout: Path, program: Path, hostile: Callable[[Path, Path], None]
) -> None:
    hostile(checkout, program)
    state = git_state(checkout)
    assert state is not None
    assert state["commit"] == git(checkout, "rev-parse", "HEAD").strip()
    assert (state["dirty"], state["diff"]) == (None, "")
    assert "filter.x.clean" in state["unseen"] or "include.path" in state["unseen"]
    assert "git config" in state["unseen"]


@pytest.mark.parametrize("name", ["GIT_EXTERNAL_DIFF", "GIT_PAGER", "GIT_SSH_COMMAND"])
def test_programs_of_the_environment_are_not_run(
    checkout: Path, program: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (checkout / "a.txt").write_text("two\n")
    monkeypatch.setenv(name, str(program))
    state = git_state(checkout)
    assert not program.with_name("ran").exists()
    assert state is not None
    assert "+two" in state["diff"]


def test_the_folders_own_checkout_is_described_inside_a_hook_of_another(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = checkout_at(checkout.parent / "mine")
    (other / "a.txt").write_text("mine\n")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git/index"))
    state = git_state(checkout)
    assert state is not None
    assert (state["dirty"], state["diff"]) == (False, "")


def test_a_program_git_in_the_folder_is_not_found(
    checkout: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "git").symlink_to(program)
    monkeypatch.chdir(checkout)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    git_state(checkout)
    assert not program.with_name("ran").exists()


def leading_by_worktree(checkout: Path, private: Path) -> None:
    git(checkout, "config", "core.worktree", str(private))


def leading_by_file(checkout: Path, private: Path) -> None:
    (checkout / ".git").rename(checkout / "was")
    (checkout / ".git").write_text(f"gitdir: {private}/.git\n")


def leading_by_link(checkout: Path, private: Path) -> None:
    (checkout / ".git").rename(checkout / "was")
    (checkout / ".git").symlink_to(private / ".git")


def leading_by_common_folder(checkout: Path, private: Path) -> None:
    (checkout / ".git/commondir").write_text(f"{private}/.git\n")


def leading_by_links_inside(checkout: Path, private: Path) -> None:
    for name in ("objects", "refs"):
        (checkout / ".git" / name).rename(checkout / f"was-{name}")
        (checkout / ".git" / name).symlink_to(private / ".git" / name)


@pytest.mark.parametrize(
    "leading",
    [
        leading_by_worktree,
        leading_by_file,
        leading_by_link,
        leading_by_common_folder,
        leading_by_links_inside,
    ],
)
def test_the_files_of_another_folder_are_not_shown(
    checkout: Path, leading: Callable[[Path, Path], None]
) -> None:
    private = checkout_at(checkout.parent / "private")
    (private / "a.txt").write_text("what is private\n")
    if leading is not leading_by_worktree:
        git(private, "commit", "-qam", "second")
    leading(checkout, private)
    assert "what is private" in git(checkout, "diff", "HEAD")  # by git itself
    state = git_state(checkout)
    assert state is not None
    assert "private" not in state["diff"]


def test_work_trees_and_submodules_are_described(checkout: Path) -> None:
    git(checkout, "worktree", "add", "-q", "../linked", "-b", "second")
    other = checkout_at(checkout.parent / "other")
    git(checkout, "submodule", "add", "-q", str(other), "sub")
    for place in (checkout.parent / "linked", checkout / "sub"):
        (place / "a.txt").write_text("two\n")
        state = git_state(place)
        assert state is not None
        assert "+two" in state["diff"]
        assert "unseen" not in state


def test_a_checkout_of_another_user_is_told_with_what_to_type(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own, for its tests
    monkeypatch.setattr("abl.report.checkout._KEPT", re.compile("GIT_TEST_.*"))
    monkeypatch.setenv("HOME", str(checkout.parent / "nobody"))
    state = git_state(checkout)
    assert state is not None
    assert state["commit"] is None
    assert f"git config --global --add safe.directory {checkout}" in state["unseen"]


def test_the_home_folder_hides_no_password(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # `//root:` of an address must not become `//~:` before it is looked at
    monkeypatch.setenv("HOME", "/root")
    (checkout / "a.txt").write_text("mysql://root:kn0ck@h/db\nin /root/data and /rooted\n")
    state = git_state(checkout)
    assert state is not None
    assert "kn0ck" not in state["diff"]
    assert "+in ~/data and /rooted" in state["diff"]
