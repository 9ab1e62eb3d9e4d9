"""Names that `abl` gives to what it makes in a store: whatever has another is somebody else's.

A folder that a user keeps in a store, or mounts there, is not removed by a collection.
"""

from __future__ import annotations

import re

from abl.scratch import PROCESS_MARK

_DIGEST = re.compile(r"[0-9a-f]{64}")
_RUN = re.compile(r"[0-9a-f]{32}")
# of earlier versions without the mark of a process
_ATTEMPT = re.compile(
    rf"[0-9a-f]{{12}}(\.{PROCESS_MARK}|\.checkpoints)?|discarded-[0-9a-f]{{8}}(\.{PROCESS_MARK})?"
)
# images-, view-, masks-, file-, ... and what its content was digested to
_CACHE = re.compile(r"[a-z]+-[0-9a-f]{16,64}")


def is_stage_name(name: str) -> bool:
    """Whether it is the digest of a stage: of its folders in done, work and fetched, its lease."""
    return _DIGEST.fullmatch(name) is not None


def is_run_name(name: str) -> bool:
    """Whether it is the name of a run: of its plan and that plan's lease."""
    return _RUN.fullmatch(name) is not None


def is_attempt_name(name: str) -> bool:
    """Whether it is that of an attempt at a stage, its checkpoints, or a stage on its way out."""
    return _ATTEMPT.fullmatch(name) is not None


def is_cache_name(name: str) -> bool:
    """Whether it is that of a folder of the cache."""
    return _CACHE.fullmatch(name) is not None
