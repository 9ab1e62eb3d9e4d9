"""What is kept of a finished stage: DONE.json, written before the commit, says what it holds."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from abl.contained import is_contained
from abl.kept_files import json_kept
from abl.plan.stage import Stage, digest_of
from abl.scratch import written_whole
from abl.spec.yaml_file import sha256_of

DONE = "DONE.json"
CHECKSUM = "checksum"  # of all else that DONE.json says
# what the digest of a stage is taken of: Stage.identity
RECIPE = ("kind", "version", "settings", "inputs", "reads", "seed")
DAMAGED = "DAMAGED.json"
_ATTEMPT = re.compile(r"(?!\.{1,2}$)[\w.-]*", re.ASCII)


def write_atomically(path: Path, text: str) -> None:
    """Writes a text file so that a reader sees the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as part:
        part.write_text(text, encoding="utf-8")


@dataclass(frozen=True)
class Done:
    """What DONE.json says of a finished stage.

    Attributes:
        digest: Of the stage.
        files: Name -> size in bytes and SHA-256.
        content: One hash over all files: what readers of this stage have consumed.
        inputs: Digest -> content hash of each input when it was read.
        facts: Seconds, label, versions, hardware, numbers of the stage; not part of any identity.
        stage: What the digest was taken of, with label and context.
        attempt: Name of the attempt that committed it.
    """

    digest: str
    files: Mapping[str, tuple[int, str]]
    content: str
    inputs: Mapping[str, str]
    facts: Mapping[str, Any]
    stage: Mapping[str, Any] = field(default_factory=dict)
    attempt: str = ""


def files_below(folder: Path) -> list[Path]:
    """Every file below a folder, sorted.

    Raises:
        OSError: A folder cannot be listed. `Path.rglob` passes over it without a word, and a stage
            would be committed without the files in it.
    """

    def refuse(error: OSError) -> None:
        raise error

    found = [Path(at, name) for at, _, names in os.walk(folder, onerror=refuse) for name in names]
    return sorted(path for path in found if path.is_file())


def done_to_json(
    attempt: Attempt, stage: Stage, facts: Mapping[str, Any], inputs: Mapping[str, str]
) -> str:
    """DONE.json of what lies in an attempt's folder."""
    files = {}
    for path in files_below(attempt.folder):
        name = path.relative_to(attempt.folder).as_posix()
        files[name] = (path.stat().st_size, sha256_of(path))
    said = {
        "attempt": attempt.name,
        "files": files,
        "content": digest_of({name: sha for name, (_, sha) in files.items()}),
        "inputs": dict(inputs),
        "facts": dict(facts),
        "stage": {**stage.identity(), "label": stage.label, "context": dict(stage.context)},
    }
    said = json.loads(json.dumps(said))  # as it will be read
    return json.dumps({**said, CHECKSUM: digest_of(said)}, indent=1, sort_keys=True)


def done_from_json(digest: str, text: str | bytes) -> Done | None:
    """What DONE.json says; None if it is damaged, or of another stage than its folder.

    Those of earlier versions have no checksum: what can be told of them is told. Names in it make
    paths, and whoever wrote to a bucket or a shared folder has written them: none leads elsewhere.
    """
    try:
        said = json_kept(text)
        checksum = said.pop(CHECKSUM, None)
        # of an earlier version too: it is none of ours if a number in it is not finite
        found = digest_of(said)
        if checksum is not None and checksum != found:
            return None
        if digest_of({name: said["stage"][name] for name in RECIPE}) != digest:
            return None
        float(said["facts"].get("seconds", 0))
        attempt = str(said.get("attempt", ""))
        if not (all(map(is_contained, said["files"])) and _ATTEMPT.fullmatch(attempt)):
            return None
        if not isinstance(said["stage"].get("context", {}), dict):
            return None
        return Done(
            digest,
            {name: (int(size), str(sha)) for name, (size, sha) in said["files"].items()},
            str(said["content"]),
            dict(said["inputs"]),
            dict(said["facts"]),
            dict(said["stage"]),
            attempt,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        return None


def with_checksum(text: str | bytes) -> str | None:
    """DONE.json of an earlier version with its checksum; None if it has one.

    It is "" if what it says of its files is not what the hash over them was taken of.
    """
    said = json_kept(text)
    if CHECKSUM in said:
        return None
    if said["content"] != digest_of({name: sha for name, (_, sha) in said["files"].items()}):
        return ""
    return json.dumps({**said, CHECKSUM: digest_of(said)}, indent=1, sort_keys=True)


@dataclass
class Attempt:
    """A folder that one attempt at a stage writes to; nobody else does."""

    digest: str
    name: str
    folder: Path
