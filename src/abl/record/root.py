"""The mlruns folder: whether it can be used, asked before anything is read or trained."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from abl.errors import InputError


def check_root(root: Path, *, writing: bool = False) -> None:
    """Tells of a folder that cannot be used; leaves nothing behind.

    Args:
        root: The mlruns folder; it need not exist.
        writing: Whether it must be open for writing if it exists.

    Raises:
        InputError: It is no folder, or cannot be read, made or written to.
    """
    own = Path(root).absolute()
    there = next(path for path in (own, *own.parents) if os.path.lexists(path))
    if not there.is_dir():
        where = "it" if there == own else f"'{there.name}'"
        raise InputError(f"--mlruns {root}: not a folder that can be used: {where} is a file")
    if there == own and not os.access(own, os.R_OK | os.X_OK):
        raise InputError(f"--mlruns {root}: not a folder that can be used: it cannot be read")
    if there == own and not writing:
        return
    try:
        # below a name of its own: another run may be making the folder itself now
        with tempfile.TemporaryDirectory(prefix=".abl-", dir=there) as probe:
            (Path(probe) / own.relative_to(there)).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        done = "written to" if there == own else "made"
        raise InputError(
            f"--mlruns {root}: not a folder that can be used: "
            f"it cannot be {done} ({error.strerror or error})"
        ) from None
