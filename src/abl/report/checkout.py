"""The state of a sweep's git checkout, read without running anything that lies in it.

A folder of somebody else's brings its own `.git/config`, and git starts programs that this names:
fsmonitor, hooks, filters, external diffs, textconv, pagers, fetching of absent objects, and git
itself again in submodules, with their configuration. All of that is switched off here; what cannot
be (filters, and files that are included) is looked for first, and then nothing is compared.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

from abl.redaction import redacted_source
from abl.visible import visible_text

DIFF_LIMIT_BYTES = 200_000
_READ_LIMIT = 8 * DIFF_LIMIT_BYTES  # what is looked through for secrets
# files that usually hold secrets: of these a difference is not shown
_SECRET_FILES = (
    "*.env", "*.env.*", ".env*", ".envrc", "*.pem", "*.key", "*.p12", "*.pfx", "*id_rsa*",
    "*id_ed25519*", "*secret*", "*password*", "*credential*", "*.netrc", ".pgpass", "*auth_token*",
)  # fmt: skip
_TIMEOUT_S = 20
_OFF = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    "core.pager=cat",
    "core.sshCommand=false",
    "core.askPass=false",
    "credential.helper=",
    "diff.submodule=short",
    "diff.ignoreSubmodules=dirty",
    "status.submoduleSummary=false",
    "submodule.recurse=false",
    "protocol.allow=never",
    # a folder that only looks like a repository (HEAD, objects, refs) is none
    "safe.bareRepository=explicit",
    "log.showSignature=false",
)
# variables that say where to look or what to be allowed; all others of git's name programs, files
# that are written, or another repository, as they do inside a hook
_KEPT = re.compile(
    r"GIT_(CEILING_DIRECTORIES|DISCOVERY_ACROSS_FILESYSTEM|EXEC_PATH|"
    r"CONFIG_(NOSYSTEM|SYSTEM|GLOBAL|COUNT|KEY_\d+|VALUE_\d+))"
)
_RUNS_PROGRAMS = re.compile(
    r"(filter|include|includeif|lfs\.extension|lfs\.customtransfer)\..*", re.DOTALL
)
_NOT_RECORDED = "the state of the code is not recorded"


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, whether anything differs from it, and the difference; None outside a checkout.

    Keys: commit (hex, or None before the first), dirty (bool, None if not looked at; untracked
    files count), untracked (number of files), diff (text against the commit, without secrets, at
    most DIFF_LIMIT_BYTES), diff_cut (bool); `unseen`, a sentence, if git refused or was not to
    compare.
    """
    place = _top_of(folder)
    if place is None:
        return None
    refused = _refusal(folder, place)
    if refused is not None:
        return _unseen(None, refused) if refused else None
    commit = _git(folder, place, "rev-parse", "--verify", "HEAD")
    shown = None if commit is None else commit.decode("ascii", "replace").strip()
    programs = _local_programs(folder, place)
    if programs is None or programs:
        named = "cannot be read" if programs is None else f"names {', '.join(programs[:3])}"
        return _unseen(
            shown,
            f"uncommitted changes are not recorded: the checkout's own configuration {named}, "
            "which git would run or read: `git config --local --unset NAME` takes it out, and "
            "`git config --global` is where filters of your own belong",
        )
    ignored = "--ignore-submodules=dirty"
    status = _git(folder, place, "status", "--porcelain", "--untracked-files=normal", ignored)
    if status is None:
        return None if commit is None else _unseen(shown, "uncommitted changes cannot be read")
    diff = b""
    if commit is not None:
        kept = [":/", *(f":(top,exclude,icase){pattern}" for pattern in _SECRET_FILES)]
        plain = ("--no-color", "--no-ext-diff", "--no-textconv", ignored, "--submodule=short")
        diff = _git(folder, place, "diff", "HEAD", *plain, "--", *kept) or b""
    lines = status.decode("utf-8", "replace").splitlines()
    text = _fit_to_keep(diff[:_READ_LIMIT].decode("utf-8", "replace")).encode()
    return {
        "commit": shown,
        "dirty": bool(lines),
        "untracked": sum(line.startswith("??") for line in lines),
        "diff": text[:DIFF_LIMIT_BYTES].decode("utf-8", "ignore"),
        "diff_cut": len(text) > DIFF_LIMIT_BYTES or len(diff) > _READ_LIMIT,
    }


def _unseen(commit: str | None, why: str) -> dict[str, Any]:
    return {
        "commit": commit, "dirty": None, "untracked": 0, "diff": "", "diff_cut": False,
        "unseen": _fit_to_keep(why),
    }  # fmt: skip


def _fit_to_keep(text: str) -> str:
    """Without secrets, the home folder's path, and characters that are not to be shown."""
    try:
        home = str(Path.home())
    except RuntimeError:  # no HOME, and no entry of this user
        home = ""
    # secrets first: with HOME=/root the user of //root:password@host would hide one
    text = redacted_source(text)
    if len(home) > 1:
        text = re.sub(rf"(?<![\w/]){re.escape(home)}(?![\w-])", "~", text)
    return visible_text(text)


def _top_of(folder: Path) -> Path | None:
    """The folder that holds `.git`, where git would find it too.

    Git is told this as its work tree: `core.worktree` of the folder's own configuration could name
    any other, whose files would then stand in the difference.
    """
    try:
        here = folder.resolve()
        return next((each for each in (here, *here.parents) if (each / ".git").exists()), None)
    except OSError:
        return None


def _refusal(folder: Path, place: Path) -> str | None:
    """Why it is not to be read, with what to type; "" if it is no checkout, None if nothing."""
    done = _run(folder, place, "rev-parse", "--absolute-git-dir", "--git-common-dir")
    if done is None:
        return ""
    if done.returncode == 0:
        git_folder, _, common = os.fsdecode(done.stdout).rstrip("\n").partition("\n")
        if _is_its_own(place, Path(git_folder), folder / common):
            return None
        return (
            f"{_NOT_RECORDED}: the checkout's .git leads to the git folder of another; clone it, "
            "or `git worktree add` it"
        )
    said = done.stderr.decode("utf-8", "replace")
    if "not a git repository" in said:
        return ""
    if "dubious ownership" in said or "safe.directory" in said:
        command = shlex.join(["git", "config", "--global", "--add", "safe.directory", str(place)])
        return (
            f"{_NOT_RECORDED}: the git folder belongs to another user; if you trust it, type "
            f"{command}"
        )
    first = next(iter(said.strip().splitlines()), "").removeprefix("fatal: ")
    return f"{_NOT_RECORDED}: git says: {first or done.returncode}"


def _is_its_own(place: Path, git_folder: Path, common: Path) -> bool:
    """Whether the git folder is that of this work tree, and points back at it.

    A `.git` that leads into another checkout of this user would bring the files of that one into
    the difference, as deleted.
    """
    try:
        real, common, dot_git = git_folder.resolve(), common.resolve(), place / ".git"
        parts = [common, common / "objects", common / "refs"]
        if any(each.is_symlink() for part in parts for each in (part, *part.iterdir())):
            return False
        if real == dot_git and not dot_git.is_symlink():
            return real == common
        if (real / "gitdir").is_file():  # a linked work tree
            back = Path((real / "gitdir").read_text(encoding="utf-8").strip())
            return real.is_relative_to(common) and (real / back).resolve() == dot_git
        # of a submodule
        written = (real / "config").read_text(encoding="utf-8")
        found = re.search(r"^\s*worktree\s*=\s*(.+?)\s*$", written, re.MULTILINE)
        back = real / (found[1] if found else "")
        return real == common and back.resolve() == place
    except (OSError, ValueError):
        return False


def _local_programs(folder: Path, place: Path) -> list[str] | None:
    """Names in the checkout's own configuration that bring in programs or further files."""
    # includes are not followed: that they are there is enough
    read = ("config", "--no-includes", "--list", "--name-only", "--null", "--show-scope")
    listed = _git(folder, place, *read)
    if listed is None:
        return None
    parts = listed.decode("utf-8", "replace").split("\0")
    scoped = zip(parts[::2], parts[1::2], strict=False)
    own = [name for scope, name in scoped if scope in ("local", "worktree", "unknown")]
    return sorted({name for name in own if _RUNS_PROGRAMS.fullmatch(name.lower())})


def _git(folder: Path, place: Path, *arguments: str) -> bytes | None:
    done = _run(folder, place, *arguments)
    return None if done is None or done.returncode != 0 else done.stdout


def _run(folder: Path, place: Path, *arguments: str) -> subprocess.CompletedProcess[bytes] | None:
    program = shutil.which("git")
    # a relative entry of PATH would find a program of the folder itself
    if program is None or not Path(program).is_absolute():
        return None
    given = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    given |= {name: value for name, value in os.environ.items() if _KEPT.fullmatch(name)}
    settings = [part for each in _OFF for part in ("-c", each)]
    before = ["--no-pager", "--no-optional-locks", "--no-replace-objects", f"--work-tree={place}"]
    try:
        return subprocess.run(
            [program, "-C", str(folder), *before, *settings, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT_S,
            env={
                **given,
                # a look at the state takes no lock that the user's own git would wait for
                "GIT_OPTIONAL_LOCKS": "0",
                "GIT_NO_LAZY_FETCH": "1",
                "GIT_ALLOW_PROTOCOL": "none",
                "GIT_TERMINAL_PROMPT": "0",
                "LC_ALL": "C",
            },
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
