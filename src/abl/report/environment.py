"""What a run ran on, for the record: versions, hardware, state of the code.

Nothing here names a person or a machine: no environment variables, user or host names, and the home
folder is written `~`.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGES = (
    "abl", "torch", "torchvision", "timm", "ray", "mlflow", "optuna", "scikit-learn", "scipy",
    "statsmodels", "numpy", "pandas", "pyarrow", "pydantic", "pillow", "safetensors",
)  # fmt: skip
DIFF_LIMIT_BYTES = 200_000
# files that usually hold secrets: of these a difference is not shown
_SECRET_FILES = ("*.env", "*.env.*", "*.pem", "*.key", "*secret*", "*password*", "*credential*")
_SECRET_NAMES = ("PASSWORD", "SECRET", "TOKEN", "_KEY")
_SECRET_LENGTH = 6  # what is shorter would blank half the text
_GIT_TIMEOUT_S = 20


def environment(folder: Path | None = None) -> dict[str, Any]:
    """Python, packages, operating system, processor, memory, GPUs and git state, JSON-able.

    GPUs are listed only if torch has already been imported, as importing it takes seconds.

    Args:
        folder: Where the sweep is; its git checkout is described. Default: the current folder.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    return {
        "python": platform.python_version(),
        "packages": _package_versions(),
        "os": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_count": os.cpu_count(),
        "cpu_usable": len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "gpus": _gpu_names(),
        "git": git_state(Path.cwd() if folder is None else folder),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit, whether anything differs from it, and the difference; None outside a checkout.

    Keys: commit (hex, or None before the first), dirty (bool; untracked files count), untracked
    (number of files), diff (text against the commit, without secrets, at most DIFF_LIMIT_BYTES),
    diff_cut (bool).
    """
    status = _git(folder, "status", "--porcelain", "--untracked-files=normal")
    if status is None:
        return None
    commit = _git(folder, "rev-parse", "--verify", "HEAD")
    diff = b""
    if commit is not None:
        kept = [":/", *(f":(top,exclude,icase){pattern}" for pattern in _SECRET_FILES)]
        plain = ("--no-color", "--no-ext-diff", "--no-textconv")
        diff = _git(folder, "diff", "HEAD", *plain, "--", *kept) or b""
    lines = status.decode("utf-8", "replace").splitlines()
    home = str(Path.home())
    shown = diff.decode("utf-8", "replace").replace(home, "~" if len(home) > 1 else home)
    text = _without_secrets(shown).encode()
    return {
        "commit": None if commit is None else commit.decode().strip(),
        "dirty": bool(lines),
        "untracked": sum(line.startswith("??") for line in lines),
        "diff": text[:DIFF_LIMIT_BYTES].decode("utf-8", "ignore"),
        "diff_cut": len(text) > DIFF_LIMIT_BYTES,
    }


def _package_versions() -> dict[str, str]:
    versions = {}
    for name in PACKAGES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(total / 2**30, 1)


def _gpu_names() -> list[str]:
    torch = sys.modules.get("torch")
    if torch is None:
        return []
    try:
        return [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    except (AttributeError, RuntimeError):  # half imported, or a driver that does not answer
        return []


def _git(folder: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=True,
            timeout=_GIT_TIMEOUT_S,
            # a look at the state takes no lock that the user's own git would wait for
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def _without_secrets(text: str) -> str:
    # somebody trying things out has typed one where only a variable's name belongs
    for name, value in os.environ.items():
        if len(value) >= _SECRET_LENGTH and any(word in name.upper() for word in _SECRET_NAMES):
            text = text.replace(value, f"<{name}>")
    return text
