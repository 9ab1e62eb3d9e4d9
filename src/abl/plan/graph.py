"""The plan of a sweep: its arms, and its stages, each digest once."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from abl.plan.stage import Stage, canonical_json
from abl.spec.labels import written_value

if TYPE_CHECKING:
    from abl.spec.sweep import Sweep

MOST_SHOWN = 20  # arms of a plan that is printed


@dataclass(frozen=True, order=True)
class Replicate:
    """One (repeat, fold, seed) on which every arm is run."""

    repeat: int
    fold: int
    seed: int

    def __str__(self) -> str:
        return f"r{self.repeat} f{self.fold} s{self.seed}"


@dataclass(frozen=True)
class Arm:
    """One row of the ablation table.

    Attributes:
        params: Axis -> value, only the axes that matter to this arm.
        shown: The axes that the sweep names; the others are at their default in every arm.
        tuned: Setting -> value that a search chose for it. It is no axis: arms are compared at
            equal axes, each with the values chosen for it.
    """

    params: Mapping[str, Any]
    shown: tuple[str, ...] = ()
    tuned: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, Any]:
        """The values of the study's own axes; the others are settings, by dotted path."""
        return {axis: value for axis, value in self.params.items() if "." not in axis}

    @property
    def named(self) -> dict[str, Any]:
        """The values of the axes that are shown."""
        return {axis: _shown(value) for axis, value in self.params.items() if axis in self.shown}

    @property
    def title(self) -> str:
        """The arm in a few words: names as they are, numbers after their axis."""
        return " · ".join(
            value if isinstance(value, str) and value != "none" else f"{axis} {value}"
            for axis, value in self.named.items()
        )


def _shown(value: Any) -> Any:
    """A value as a table shows it: lists as their items, blocks as their settings."""
    if value is None or isinstance(value, Mapping | list | tuple):
        return written_value(value)
    return value


@dataclass(frozen=True)
class PlannedCell:
    """An arm on a replicate: which stages it is computed from, by role."""

    arm: int
    replicate: Replicate
    uses: Mapping[str, str]


@dataclass(frozen=True)
class Front:
    """The frozen front of a training, whose features could be kept.

    Attributes:
        stages: What would compute them, one a branch; their digests are in no plan yet.
        images_shown: Images that the training puts through the front, epochs and predictions.
        images: Images whose features are kept, times their fixed views.
        flops: Floating-point operations of the front for one image.
        numbers: Of the features of one image.
        share: Of the network's floating-point operations that lie in the front.
        name: For people.
    """

    stages: tuple[Stage, ...]
    images_shown: int
    images: int
    flops: int
    numbers: int
    share: float
    name: str


@dataclass(repr=False)
class Plan:
    """All stages of a sweep.

    Attributes:
        stages: Digest -> stage; inputs are always in it.
        arms: Rows of the table, in order.
        replicates: In order.
        cells: Every arm on every replicate.
        asked: Trainings that would be run if each cell trained its own networks.
        notes: What the planner wants to say (arms that are the same, few patients).
        fronts: Digest of a training -> its frozen front, if its features could be kept.
        beside: Name -> digest of a stage -> that of one beside it (predictions on an external set,
            class activation maps). They are of no cell: what they say decides nothing.
        without: Position of an arm -> why it has no cells.
        dynamics: Digest of a training -> bytes of the logits by epoch that it keeps.
        sweeps: The settings of each arm, without external centres.
        idle: Axes that change no prediction.
    """

    stages: dict[str, Stage] = field(default_factory=dict)
    arms: list[Arm] = field(default_factory=list)
    replicates: list[Replicate] = field(default_factory=list)
    cells: list[PlannedCell] = field(default_factory=list)
    asked: int = 0
    notes: list[str] = field(default_factory=list)
    fronts: dict[str, Front] = field(default_factory=dict)
    beside: dict[str, dict[str, str]] = field(default_factory=dict)
    without: dict[int, str] = field(default_factory=dict)
    dynamics: dict[str, int] = field(default_factory=dict)
    sweeps: list[Sweep] = field(default_factory=list)
    idle: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        kinds = Counter(stage.kind for stage in self.stages.values())
        stages = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "none"
        sizes = f"{len(self.arms)} arms, {len(self.replicates)} replicates"
        unshared = f"trainings if none were shared: {self.asked}"
        return f"<Plan: {sizes}; distinct stages: {stages}; {unshared}>"

    def __str__(self) -> str:
        """What it holds, its arms and notes, a line each."""
        arms = [f"  {arm.title or 'the one arm'}" for arm in self.arms[:MOST_SHOWN]]
        beyond = len(self.arms) - len(arms)
        more = [f"  and {beyond} more arms"] if beyond > 0 else []
        return "\n".join([repr(self), *arms, *more, *(f"  note: {note}" for note in self.notes)])

    def add(self, stage: Stage) -> str:
        """Adds a stage unless its digest is known; returns the digest.

        Raises:
            KeyError: If an input was not added before.
        """
        for role, digest in [*stage.inputs.items(), *stage.shortcuts.items()]:
            if digest not in self.stages:
                raise KeyError(f"{stage.label}: input {role} is not in the plan")
        self.stages.setdefault(stage.digest, stage)
        return stage.digest

    def put_beside(self, name: str, digest: str, stage: Stage) -> None:
        """Adds a stage that stands beside another under a name and is of no cell."""
        self.beside.setdefault(name, {})[digest] = self.add(stage)

    def beside_of(self, name: str, digest: str) -> str:
        """Digest of what stands beside a stage under a name, "" if nothing does."""
        return self.beside.get(name, {}).get(digest, "")

    def cells_by_arm(self) -> list[list[PlannedCell]]:
        """The cells of each arm, in order."""
        cells: list[list[PlannedCell]] = [[] for _ in self.arms]
        for cell in self.cells:
            cells[cell.arm].append(cell)
        return cells

    def arms_using(self) -> dict[str, set[int]]:
        """Digest -> the arms that need it, directly or through other stages."""
        using: dict[str, set[int]] = {digest: set() for digest in self.stages}
        for cell in self.cells:
            for digest in cell.uses.values():
                using[digest].add(cell.arm)
                for beside in self.beside.values():
                    if digest in beside:
                        using[beside[digest]].add(cell.arm)
        # inputs were added before what reads them, so one pass backwards is enough
        for digest in reversed(self.stages):
            for source in self.stages[digest].sources:
                using[source] |= using[digest]
        return using


def wanted_stages(stages: Mapping[str, Stage], done: Iterable[str]) -> dict[str, Stage]:
    """The stages without those that would only spare work in others, all of which are finished."""
    finished = set(done)
    shortcuts = {d for stage in stages.values() for d in stage.shortcuts.values()}
    wanted: dict[str, Stage] = {}
    needed: set[str] = set()
    # inputs come before what reads them, so one pass backwards is enough
    for digest in reversed(list(stages)):
        if digest in shortcuts and digest not in needed and digest not in finished:
            continue
        wanted[digest] = stages[digest]
        if digest not in finished:
            needed |= stages[digest].sources
    # finished stages no longer ask for what they did not wait for
    return {
        digest: stage if stage.sources <= wanted.keys() else replace(stage, shortcuts={})
        for digest, stage in stages.items()
        if digest in wanted
    }


@dataclass(frozen=True)
class ArmList:
    """The arms of a sweep.

    Attributes:
        arms: Distinct arms in the order of the file.
        cells: How many combinations the file lists, before those that are the same were joined.
        unused: Axes with several values of which no arm uses more than one.
        idle_excludes: Positions of exclude blocks that matched nothing.
    """

    arms: list[Arm]
    cells: int
    unused: list[str]
    idle_excludes: list[int]


def arms_of(
    axes: Mapping[str, Sequence[Any]],
    blocks: Sequence[Mapping[str, Any]],
    exclude: Sequence[Mapping[str, Any]],
    relevant: Callable[[dict[str, Any]], dict[str, Any]],
    shown: Sequence[str] | None = None,
) -> ArmList:
    """The union of the blocks' products, less what is excluded, each distinct arm once.

    Args:
        axes: Axis -> values; an axis that a block does not name runs over all of them.
        blocks: Axis -> value or list of values; no block means one empty block.
        exclude: An arm that has all values of a block is left out.
        relevant: Drops the axes that do not matter to an arm (consensus N to `original`).
        shown: Axes that name an arm; default all.
    """
    order = list(dict.fromkeys([*axes, *(axis for block in blocks for axis in block)]))
    combinations = []
    for block in blocks or [{}]:
        lists = [_listed(block[axis] if axis in block else axes.get(axis)) for axis in order]
        named = [axis for axis, values in zip(order, lists, strict=True) if values is not None]
        given = [values for values in lists if values is not None]
        combinations += [
            dict(zip(named, values, strict=True)) for values in itertools.product(*given)
        ]
    named_by = tuple(order if shown is None else shown)
    matched: set[int] = set()
    kept: dict[str, Arm] = {}
    for params in combinations:
        hits = [at for at, block in enumerate(exclude) if _matches(params, block)]
        matched.update(hits)
        if not hits:
            used = relevant(params)
            kept.setdefault(canonical_json(sorted(used.items())), Arm(used, named_by))
    arms = list(kept.values())
    unused = [
        axis
        for axis in order
        if _differ(params.get(axis) for params in combinations)
        and not _differ(arm.params[axis] for arm in arms if axis in arm.params)
        # one value beside arms to which the axis does not apply still tells arms apart
        and len({axis in arm.params for arm in arms}) == 1
    ]
    idle = [at for at in range(len(exclude)) if at not in matched]
    return ArmList(arms, len(combinations), unused, idle)


def _differ(values: Iterable[Any]) -> bool:
    """Whether one of them is another than the first: 1 is neither 1.0 nor true."""
    texts = map(canonical_json, values)
    first = next(texts, "")
    return any(text != first for text in texts)


def _listed(values: Any) -> list[Any] | None:
    if values is None:
        return None
    return list(values) if isinstance(values, list | tuple) else [values]


def _matches(params: Mapping[str, Any], block: Mapping[str, Any]) -> bool:
    return all(
        axis in params and params[axis] in (_listed(values) or []) for axis, values in block.items()
    )
