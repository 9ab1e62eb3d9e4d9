"""One pass of a network for all of its layers that a plan asks for.

Each layer is a stage of its own, so that a layer more computes no other one anew. The first of them
to run computes all, and leaves the others' values in the cache, from which their stages take them.
While it runs, others compute their own layer alone: the values are the same, bit for bit.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from abl.data.cache_folders import SUMS, folder_key, folder_once, is_whole
from abl.kept_files import json_kept, read_kept
from abl.plan.graph import Plan
from abl.plan.stage import digest_of
from abl.scratch import part_of
from abl.stages.kind import Work

_OTHERS = "other_layers"  # of a stage's context: digest -> layer
_FACTS = "facts.json"


def share_passes(plan: Plan) -> None:
    """Tells each embed stage which other layers of its network and images the plan asks for."""
    together: dict[str, dict[str, str]] = {}
    for digest, stage in plan.stages.items():
        if stage.kind == "embed":
            together.setdefault(_pass_of(stage.identity()), {})[digest] = stage.settings["layer"]
    for layers in together.values():
        for digest in layers:
            others = {other: layer for other, layer in layers.items() if other != digest}
            if others:
                stage = plan.stages[digest]
                plan.stages[digest] = replace(stage, context={**stage.context, _OTHERS: others})


def _pass_of(identity: Mapping[str, Any]) -> str:
    settings = {key: value for key, value in identity["settings"].items() if key != "layer"}
    return digest_of({**identity, "settings": settings})


class SharedPass:
    """The pass of a stage's network, as far as other stages have a part in it."""

    def __init__(self, work: Work):
        self._work, self._cache = work, work.store.cache
        self._others: Mapping[str, str] = work.stage.context.get(_OTHERS, {})
        # of weights that were trained anew nothing old is taken
        self._content = work.store.content(work.stage.inputs.values())

    def _folder(self, digest: str) -> Path:
        return self._cache / f"layers-{folder_key(digest, self._content)}"

    def taken(self) -> dict[str, Any] | None:
        """Facts of the stage, if another's pass has left its files, which are then in its folder.

        What was left and is damaged is not taken.
        """
        if not self._others:
            return None
        folder, facts = self._folder(self._work.stage.digest), None
        with suppress(OSError, ValueError):
            if (folder / SUMS).exists() and is_whole(folder):
                facts = json_kept(read_kept(folder / _FACTS))
                for path in folder.iterdir():
                    if path.name not in (SUMS, _FACTS):
                        shutil.move(path, self._work.out / path.name)
        self.forget()
        return facts

    def forget(self) -> None:
        """Removes what was left for the stage."""
        folder = self._folder(self._work.stage.digest)
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_name(f"{folder.name}.lock").unlink(missing_ok=True)

    @contextmanager
    def others(self) -> Iterator[dict[str, str]]:
        """Digest -> layer of what else is to be computed now; none while another stage does that.

        Those are left out that are finished, or lie there to be taken.
        """
        if not self._others:
            yield {}
            return
        self._cache.mkdir(parents=True, exist_ok=True)
        lock = self._cache / f"layers-{_pass_of(self._work.stage.identity())[:32]}.lock"
        alone = FileLock(lock)
        try:
            alone.acquire(timeout=0)
        except Timeout:
            yield {}
            return
        try:
            yield {
                digest: layer
                for digest, layer in self._others.items()
                if not self._work.store.has(digest) and not is_whole(self._folder(digest))
            }
        finally:
            lock.unlink(missing_ok=True)  # at worst two compute the same
            alone.release()

    @contextmanager
    def room(self) -> Iterator[Path]:
        """An empty folder for the others' files, gone at the end."""
        folder = part_of(self._cache / "layers")
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def leave(self, digest: str, files: Mapping[str, Path], facts: Mapping[str, Any]) -> None:
        """Leaves the files of another layer's stage (name -> path, which is moved) for it."""
        if self._work.store.has(digest):  # it did not wait
            return

        def write(folder: Path) -> None:
            for name, path in files.items():
                shutil.move(path, folder / name)
            (folder / _FACTS).write_text(json.dumps(facts), encoding="utf-8")

        folder_once(self._cache, self._folder(digest).name, write)
