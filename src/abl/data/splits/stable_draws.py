"""Draws of groups that stand still: a corrected label or a new patient moves few others.

Every group has a place of its own, a keyed hash of its name: the fold it wants, how readily it
gives that up, and which folds it takes instead. Nothing else of the set enters it. Then as few
groups as possible are moved until each class is spread evenly: the cheapest assignment within the
bounds of every fold, a minimum-cost flow by shortest augmenting paths (Ahuja, Magnanti, Orlin,
Network Flows, 1993, section 9.7). It is unique, so no order of rows or steps decides.

A group is counted for every class that it holds. Those of several classes are spread first, then
those of one; of these first the largest by number of images. Each layer fills up what those
before it left uneven, so that a class is even over all of its groups.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
FAR = np.int64(2**61)  # no way
MOVE, TASTE_BITS, GIVE_UP_BITS = 2**50, 22, 28  # fewest moves, then who moves, then where to


@dataclass(frozen=True, eq=False)
class Holders:
    """Groups with the classes that they hold.

    Attributes:
        names: (G,) ids, sorted.
        images: int64 (G, K), images of each class.
    """

    names: tuple[str, ...]
    images: Ints

    def __len__(self) -> int:
        return len(self.names)

    @property
    def holds(self) -> NDArray[np.bool_]:
        """(G, K): whether a group counts for a class."""
        return self.images > 0

    def without(self, taken: set[str]) -> Holders:
        """The same less some groups."""
        kept = np.flatnonzero([name not in taken for name in self.names])
        return Holders(tuple(self.names[at] for at in kept), self.images[kept])


def stable_folds(holders: Holders, folds: int, key: Sequence[int]) -> dict[str, int]:
    """Group -> fold; classes that groups hold alone or in pairs differ by at most one group.

    Args:
        key: Of the draw; another key is another draw.
    """
    place = hashed_places(holders.names, key)
    home = (place[:, 0] % np.uint64(folds)).astype(np.int64)
    held = np.zeros((holders.images.shape[1], folds), dtype=np.int64)
    fold_of = np.zeros(len(holders), dtype=np.int64)
    for members, classes in _layers(holders, folds):
        low, high = _level(held[classes].mean(axis=0).astype(np.int64), len(members))
        fold_of[members] = _within(
            home[members], _costs(place[members], home[members], folds), low, high
        )
        for fold in range(folds):
            held[:, fold] += holders.holds[members[fold_of[members] == fold]].sum(axis=0)
    return {name: int(fold) for name, fold in zip(holders.names, fold_of, strict=True)}


def stable_share(holders: Holders, share: float, left: int, key: Sequence[int]) -> set[str]:
    """A share of the groups of each class, at least one, leaving at least so many: those first by
    their places."""
    place = hashed_places(holders.names, key)[:, 0]
    whole = holders.holds.sum(axis=0)
    seen, taken = np.zeros_like(whole), np.zeros_like(whole)
    found: list[int] = []
    for members, classes in _layers(holders, 1):
        seen += holders.holds[members].sum(axis=0)
        wanted = np.floor(share * seen + 0.5).astype(np.int64)
        wanted = np.where(seen == whole, np.minimum(np.maximum(wanted, 1), whole - left), wanted)
        count = int(np.floor((wanted - taken)[classes].mean() + 0.5))
        count = min(max(count, 0), len(members))
        chosen = members[np.argsort(place[members], kind="stable")[:count]]
        taken += holders.holds[chosen].sum(axis=0)
        found += chosen.tolist()
    return {holders.names[at] for at in found}


def hashed_places(names: Sequence[str], key: Sequence[int]) -> NDArray[np.uint64]:
    """(G, 3) random numbers that depend on key and name alone."""
    start = ",".join(map(str, key)) + "|"
    digests = (hashlib.blake2b((start + name).encode(), digest_size=24) for name in names)
    data = b"".join(each.digest() for each in digests)
    return np.frombuffer(data, dtype="<u8").reshape(-1, 3)


def _layers(holders: Holders, folds: int) -> Iterator[tuple[Ints, Ints]]:
    """Positions of groups that are spread together, and their classes.

    Groups of one set of classes; sets that fewer groups hold than there are folds are one layer,
    as each alone could not be spread. Sizes count in powers of sixteen: an image more or less
    seldom matters.
    """
    sets, member = np.unique(holders.holds, axis=0, return_inverse=True)
    member = member.reshape(-1)
    several = sets.sum(axis=1) > 1
    rare = several & (np.bincount(member, minlength=len(sets)) < folds)
    order = sorted(np.flatnonzero(~rare), key=lambda at: (-int(sets[at].sum()), sets[at].tolist()))
    together = [np.flatnonzero(rare)] if rare.any() else []
    total = holders.images.sum(axis=1)
    size = np.floor(np.log2(np.maximum(total, 1)) / 4).astype(np.int64)
    layers = [np.array([at]) for at in order]
    first_alone = next((at for at, own in enumerate(order) if not several[own]), len(order))
    for which in [*layers[:first_alone], *together, *layers[first_alone:]]:
        classes = np.flatnonzero(sets[which].any(axis=0))
        here = np.flatnonzero(np.isin(member, which))
        for each in sorted(set(size[here].tolist()), reverse=True):
            yield here[size[here] == each], classes


def _level(held: Ints, count: int) -> tuple[Ints, Ints]:
    """Least and most of `count` more for each fold, so that all rise to one level, within one."""
    level = int(held.min()) + -(-count // len(held))
    while np.maximum(level - held, 0).sum() < count:
        level += 1
    while np.maximum(level - 1 - held, 0).sum() >= count:
        level -= 1
    return np.maximum(level - 1 - held, 0), np.maximum(level - held, 0)


def _costs(place: NDArray[np.uint64], home: Ints, folds: int) -> Ints:
    """int64 (M, folds): 0 at home; elsewhere a move, more for those who give up less readily."""
    mixed = place[:, 2:] + np.arange(1, folds + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)  # splitmix64
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    taste = (mixed >> np.uint64(64 - TASTE_BITS)).astype(np.int64)
    give_up = (place[:, 1] >> np.uint64(64 - GIVE_UP_BITS)).astype(np.int64)
    costs: Ints = MOVE + (give_up[:, None] << TASTE_BITS) + taste
    costs[np.arange(len(home)), home] = 0
    return costs


def _within(home: Ints, costs: Ints, low: Ints, high: Ints) -> Ints:
    """(M,) the cheapest folds that hold at least `low` and at most `high` each."""
    folds = len(low)
    held = np.bincount(home, minlength=folds)
    moves = int(np.maximum(held - high, 0).sum() + np.maximum(low - held, 0).sum())
    # only those who give up most readily can be moved: the others need not be looked at
    eager = np.lexsort((costs.max(axis=1), home))
    start = np.concatenate([[0], np.cumsum(held)[:-1]])
    rank = np.arange(len(home)) - np.repeat(start, held)
    looked_at = eager[rank < 2 * (moves + folds)]
    own, cost = home[looked_at].copy(), costs[looked_at]
    while (over := held > high).any() or (held < low).any():
        ends = (over, held < high) if over.any() else (held > low, held < low)
        step, who = _steps(own, cost, folds)
        path = _cheapest(step, *ends)
        for here, there in itertools.pairwise(path):
            own[who[here, there]] = there
        held[path[0]] -= 1
        held[path[-1]] += 1
    fold_of = home.copy()
    fold_of[looked_at] = own
    return fold_of


def _steps(own: Ints, cost: Ints, folds: int) -> tuple[Ints, Ints]:
    """(folds, folds): the cheapest move of one group from fold to fold, and whose it is."""
    step = np.full((folds, folds), FAR)
    who = np.zeros((folds, folds), dtype=np.int64)
    for fold in range(folds):
        here = np.flatnonzero(own == fold)
        if len(here):
            dearer = cost[here] - cost[here, fold][:, None]
            least = dearer.argmin(axis=0)
            step[fold], who[fold] = dearer[least, np.arange(folds)], here[least]
    np.fill_diagonal(step, FAR)
    return step, who


def _cheapest(step: Ints, sources: NDArray[np.bool_], targets: NDArray[np.bool_]) -> list[int]:
    """The folds along the cheapest way from any source to any target (Bellman, Ford)."""
    folds = len(step)
    away = np.where(sources, np.int64(0), FAR)
    before = np.full(folds, -1)
    for _ in range(folds):
        through = np.minimum(away[:, None] + step, FAR)
        nearer = through.min(axis=0) < away
        if not nearer.any():
            break
        before[nearer] = through.argmin(axis=0)[nearer]
        away = np.minimum(away, through.min(axis=0))
    end = int(np.where(targets & ~sources, away, FAR).argmin())
    path = [end]
    while before[path[0]] >= 0:
        path.insert(0, int(before[path[0]]))
    return path
