"""Why a stage is to be computed: never run, or what is another than in the nearest finished one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from abl.plan.stage import Stage, flattened
from abl.spec.base import Part, identity_default
from abl.spec.data import Image
from abl.spec.splits import Splits
from abl.spec.train import Train

NEVER = "never run"
UNKNOWN_READS = "images or labels changed"
# blocks of which settings at their default are left out
_BLOCKS: dict[str, type[Part]] = {"train": Train, "image": Image, "splits": Splits}
_CONTENT = re.compile(r"sha256:.+|[0-9a-f]{32,64}")
# what reads the images and labels of two stages and says in a few words what differs, if it can
ReadChanges = Callable[[Stage, Stage], list[str]]


class Finished(Protocol):
    """The finished stages of a store, as what they were made of."""

    def stage(self, digest: str) -> Stage | None:
        """One of them, None if it is not there."""

    def nearest(self, stage: Stage, inputs: Mapping[str, str]) -> Stage | None:
        """The one that differs least from a stage with these inputs, None if none is near."""


@dataclass(frozen=True)
class Reason:
    """Why a stage is to be computed.

    Attributes:
        own: What differs in the stage itself, or that it was never run.
        inputs: Words for one or several inputs, what differs there and is not in `own`.
        near: The nearest finished stage, which it is told beside.
    """

    own: tuple[str, ...]
    inputs: tuple[tuple[str, tuple[str, ...]], ...] = ()
    near: Stage | None = None

    @property
    def causes(self) -> list[str]:
        """What it goes back to: what differs in itself, else in what it is read from."""
        return list(dict.fromkeys(self.own or (t for _, texts in self.inputs for t in texts)))

    @property
    def lines(self) -> list[str]:
        """Everything that differs, a line each."""
        told = [f"{words} changed: {'; '.join(texts)}" for words, texts in self.inputs]
        return [*self.own, *told]


def reasons_of(
    stages: Mapping[str, Stage],
    done: Collection[str],
    said: Mapping[str, str],
    finished: Finished,
    read_changes: ReadChanges,
) -> dict[str, Reason]:
    """Digest -> why, for each stage that is not done.

    Args:
        stages: Of a plan, inputs before what reads them.
        done: Digests that need not be computed.
        said: Digest -> why, of those that lie in the store and cannot be used.
        read_changes: Is asked where stages differ in what they read, on equal splits.
    """
    compared = _Compared(stages, finished, read_changes)
    # what stands where a stage will: an input is looked for as its own nearest one
    near = {digest: digest for digest in done}
    found: dict[str, Reason] = {}
    for digest, stage in stages.items():
        if digest in near:
            continue
        if digest in said:
            found[digest] = Reason((said[digest],))
            continue
        inputs = {role: near.get(source, source) for role, source in stage.inputs.items()}
        nearest = finished.nearest(stage, inputs)
        if nearest is None:
            found[digest] = Reason((NEVER,))
        else:
            near[digest] = nearest.digest
            found[digest] = compared.reason(stage, nearest)
    return found


class _Compared:
    """Pairs of a planned and a finished stage, each compared once."""

    def __init__(self, stages: Mapping[str, Stage], finished: Finished, read_changes: ReadChanges):
        self._stages = stages
        self._finished = finished
        self._read_changes = read_changes
        self._known: dict[tuple[str, str], Reason] = {}
        self._reads: dict[tuple[str, str], tuple[str, ...]] = {}

    def reason(self, new: Stage, old: Stage) -> Reason:
        pair = (new.digest, old.digest)
        if pair in self._known:
            return self._known[pair]
        own = list(_recipe_changes(new, old))
        inputs: dict[tuple[str, ...], list[str]] = {}
        is_told = "splits" not in new.context and self._reads_as_an_input(new, old)
        if new.reads != old.reads and not is_told:
            own += self._changes_of_reads(new, old)
        for role, source in new.inputs.items():
            before = old.inputs.get(role)
            if before is None:
                own.append(f"new input {role}")
            elif before != source:
                texts = self._input_changes(source, before)
                further = tuple(text for text in texts if text not in own)
                if further or not texts:
                    inputs.setdefault(further, []).append(role)
        told = tuple((_input_words(roles), texts) for texts, roles in inputs.items())
        if not own and not told:
            own = ["its inputs changed"]
        self._known[pair] = Reason(tuple(own), told, old)
        return self._known[pair]

    def _input_changes(self, source: str, before: str) -> tuple[str, ...]:
        old = self._finished.stage(before)
        if old is None:
            return ("what it was is not in the store any more",)
        return tuple(self.reason(self._stages[source], old).causes)

    def _reads_as_an_input(self, new: Stage, old: Stage) -> bool:
        """Whether an input reads the same, then and now, and so tells what changed."""
        for role, source in new.inputs.items():
            before = self._finished.stage(old.inputs.get(role, ""))
            reads = self._stages[source].reads
            if before is not None and (reads, before.reads) == (new.reads, old.reads):
                return True
        return False

    def _changes_of_reads(self, new: Stage, old: Stage) -> tuple[str, ...]:
        pair = (new.reads, old.reads)
        if pair not in self._reads:
            now, then = new.context, old.context
            of_split: list[str] = []
            if "splits" in now and "splits" in then:
                of_split = [f"new {n}" for n in ("repeat", "fold") if now[n] != then[n]]
                of_split += setting_changes(now, then, "splits")
            told = of_split or self._read_changes(new, old) or [UNKNOWN_READS]
            self._reads[pair] = tuple(told)
        return self._reads[pair]


def _recipe_changes(new: Stage, old: Stage) -> Iterator[str]:
    if new.version != old.version:
        yield f"version of {new.kind} {old.version} -> {new.version}"
    yield from setting_changes(new.settings, old.settings)
    if new.seed != old.seed:
        yield "new seed"


def setting_changes(
    new: Mapping[str, Any], old: Mapping[str, Any], block: str = ""
) -> Iterator[str]:
    """`train.epochs 10 -> 12` for each setting that differs; left out is at its default.

    Args:
        block: The only one that is compared, "" for all.
    """
    now, then = (flattened({block: each[block]} if block else each) for each in (new, old))
    for path in dict.fromkeys([*then, *now]):
        values = [side.get(path, _default(path)) for side in (then, now)]
        if values[0] == values[1]:
            continue
        if path == "train.channels_last":  # as identities still spell it
            words = ["channels_last" if value else "contiguous" for value in values]
            yield f"train.memory_format {' -> '.join(words)}"
            continue
        words = ["a file" if _CONTENT.fullmatch(str(each)) else _word(each) for each in values]
        if words == ["a file", "a file"]:
            yield f"{path}: its content changed"
        else:
            yield f"{path} {' -> '.join(words)}"


def _default(path: str) -> Any:
    """A setting's default as `flattened` writes it, None for one that has none."""
    block, *names = path.split(".")
    if block not in _BLOCKS or not names:
        return 1 if path.endswith("version") else None
    known = names[0] in _BLOCKS[block].model_fields
    value: Any = identity_default(_BLOCKS[block], names[0]) if known else None
    for name in names[1:]:
        value = getattr(value, name, None)
    if isinstance(value, Part):
        return None
    return json.dumps(value) if isinstance(value, tuple) else value


def _word(value: Any) -> str:
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def _input_words(roles: list[str]) -> str:
    return f"input {roles[0]}" + (f" and {len(roles) - 1} more" if len(roles) > 1 else "")
