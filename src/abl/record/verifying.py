"""Finished stages held against what was committed, file by file: damaged and unreadable apart."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Literal

from abl.record.done import DONE, Done, done_from_json, with_checksum
from abl.record.lying import PAUSES_S
from abl.record.own_names import is_stage_name
from abl.record.patient import ABSENT, UnreadableError, patiently
from abl.record.store import Store


@dataclass(frozen=True)
class Verdict:
    """What was found of one stage.

    Attributes:
        digest: Its name in the store.
        state: right; damaged: proven wrong; unreadable: nothing can be said; strange: no stage.
        why: Of all but the right ones: which file, and what is wrong.
        label: Of the stage, "" if that is not known.
        files, bytes: That were read.
    """

    digest: str
    state: Literal["right", "damaged", "unreadable", "strange"]
    why: str = ""
    label: str = ""
    files: int = 0
    bytes: int = 0


def verdict_on(store: Store, digest: str) -> Verdict | None:
    """Reads a stage whole; None if it has gone meanwhile.

    What is proven wrong counts as not finished from then on, as when a run finds it. DONE.json of
    an earlier version gets its checksum, if all files are right; their inodes stay.
    """
    if not is_stage_name(digest):
        return Verdict(digest, "strange", "no stage of abl has such a name")
    try:
        text = patiently(partial(store.read_done, digest), store.folder(digest) / DONE, PAUSES_S)
    except ABSENT:
        if digest not in store.digests():
            return None
        return Verdict(digest, "damaged", f"{DONE} is missing")
    except UnreadableError as error:
        return Verdict(digest, "unreadable", str(error))
    done = done_from_json(digest, text)
    if done is None:
        return Verdict(digest, "damaged", f"{DONE} does not say what its folder's name does")
    label = str(done.stage.get("label", ""))
    try:
        wrong = _wrong_file(store, done)
    except UnreadableError as error:
        return Verdict(digest, "unreadable", str(error), label)
    size = sum(size for size, _ in done.files.values())
    completed = None if wrong else with_checksum(text)
    if completed == "":
        wrong = f"{DONE} lists other files than were committed"
    if not wrong:
        if completed:
            with suppress(OSError):  # a store that is only read
                store.complete(digest, completed)
        return Verdict(digest, "right", "", label, len(done.files), size)
    with suppress(OSError):
        if store.read_done(digest) != text:
            return verdict_on(store, digest)  # computed again while it was read
        store.mark_damaged(done)
    if digest not in store.digests():
        return None
    return Verdict(digest, "damaged", wrong, label, len(done.files), size)


def _wrong_file(store: Store, done: Done) -> str:
    for name, (size, sha) in done.files.items():
        path = store.folder(done.digest) / name
        try:
            there, found = patiently(partial(store.measured, done, name), path, PAUSES_S)
        except ABSENT:
            return f"{name} is missing"
        if there != size:
            return f"{name} has {there} bytes and not {size}"
        if found != sha:
            return f"{name} is damaged (checksum)"
    return ""
