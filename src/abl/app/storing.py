"""What `abl store verify` and `abl store gc` do: stages read whole; what nobody needs removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from abl.app.results import sweep_names
from abl.app.store_listing import told_place
from abl.app.table_sums import UnreadableTableError, wrong_drawn, wrong_in_table
from abl.errors import InputError, StageError, nearest
from abl.record.asked import asked_of
from abl.record.housekeeping import Swept, collected, scraps_text
from abl.record.lying import Lying
from abl.record.opening import store_at
from abl.record.sizes import size_text
from abl.record.store import Store
from abl.record.verifying import Verdict, verdict_on
from abl.record.work import entries
from abl.visible import visible_line


def opened_store(root: Path, url: str | None) -> Store:
    """The store of an mlruns folder, or the one at `url`.

    Raises:
        InputError: There is none, or it cannot be used.
    """
    store = store_at(root, url)
    if url is None and not store.root.is_dir():
        raise InputError(f"--mlruns {root}: no store there: run `abl sweep FILE` first")
    store.check(writing=False)
    return store


@dataclass
class Verified:
    """How many stages were looked at, and of what was wrong how many; tables that were read."""

    stages: int = 0
    tables: int = 0
    wrong: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    bytes: int = 0


def verified(store: Store, sweep: str, told: Verified) -> Iterator[str]:
    """Reads finished stages whole; gives a line for each that is not right.

    Args:
        sweep: Those alone that its latest plan and table ask for; "" for all.
        told: Counts what was found.

    Raises:
        InputError: No such sweep.
    """
    digests = store.digests()
    if sweep:
        asked = asked_of(store)
        names = {name for sweeps in asked.sweeps.values() for name in sweeps}
        if sweep not in names:
            advice = nearest(sweep, names) if names else "run `abl sweep FILE` first"
            raise InputError(f"no sweep '{sweep}' was run here: {advice}")
        asked.follow_inputs(store.known(digests))
        wanted = asked.of(sweep)
        digests = [digest for digest in digests if digest in wanted]
    for digest in digests:
        verdict = verdict_on(store, digest)
        if verdict is None:
            continue
        told.stages += 1
        told.bytes += verdict.bytes
        if verdict.state == "right":
            continue
        told.wrong[verdict.state] += 1
        yield _told(verdict)
    for name in [sweep] if sweep else sweep_names(store):
        yield from _tables_of(store, name, told)


def _tables_of(store: Store, name: str, told: Verified) -> Iterator[str]:
    """Lines on what lies beside the tables of a sweep, the latest and earlier ones."""
    for folder in entries(store.sweep_folder(name)):
        if not folder.is_dir():
            continue
        told.tables += 1
        try:
            wrong = wrong_in_table(folder) or _first_of(wrong_drawn(folder))
        except (OSError, UnreadableTableError) as error:
            told.wrong["unreadable"] += 1
            yield visible_line(f"unreadable: {name}, table {folder.name}: {error}")
            continue
        if wrong:
            told.wrong["damaged"] += 1
            yield visible_line(
                f"damaged: {name}, table {folder.name}: {wrong}; `abl sweep FILE` makes it again"
            )


_MOST_NAMED = 6


def _first_of(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


_ADVICE = {
    "damaged": "the next `abl sweep` that needs it computes it again",
    "strange": "move it out of the store",
}


def _told(verdict: Verdict) -> str:
    name = f"{verdict.label} ({verdict.digest[:12]})" if verdict.label else verdict.digest[:12]
    if verdict.state == "unreadable":
        return visible_line(f"unreadable: {name}: {verdict.why}")  # which says what to do
    word = "not a stage" if verdict.state == "strange" else verdict.state
    return visible_line(f"{word}: {name}: {verdict.why}; {_ADVICE[verdict.state]}")


def verified_text(told: Verified) -> str:
    """One line on what was looked at."""
    count = told.stages
    wrong = ", ".join(f"{number} {state}" for state, number in sorted(told.wrong.items()))
    stages = f"{count} stage{'s' if count != 1 else ''}"
    tables = f"{told.tables} table{'s' if told.tables != 1 else ''}"
    return f"verified {stages}, {size_text(told.bytes)}, {tables}: {wrong or 'all are right'}"


def gc_lines(store: Store, keep: int | None, *, dry_run: bool) -> tuple[list[str], str]:
    """Collects; lines on what went and what stays, and why more than `keep` remains, "" if not.

    Raises:
        InputError: The store is no folder.
        StageError: It is not known what is needed: a plan or table cannot be read.
    """
    if "url" in store.address:
        raise InputError(
            f"abl store gc: {store.address['url']} is not collected: it works on folders; an "
            "object store keeps no plans, so that what is needed is not known there"
        )
    swept = collected(store, keep, dry_run=dry_run)
    verb = "would remove" if dry_run else "removed"
    lines = [visible_line(f"{verb} {line}") for line in _went(swept)] or ["nothing to remove"]
    again = sum(bool(each.sweeps) and each.what == "finished" for each in swept.removed)
    if again:
        lines.append(
            f"{again} of these are asked for by latest plans and tables: tables stay, `abl sweep` "
            "computes the stages again where it needs them"
        )
    lines += [visible_line(f"stays: {each}") for each in swept.kept]
    remain = "would remain" if dry_run else "remain"
    lines.append(f"{size_text(swept.remaining)} {remain} in {told_place(store)}")
    if keep is None or swept.remaining <= keep:
        return lines, ""
    return lines, (
        f"--keep {size_text(keep)}: {size_text(swept.remaining)} {remain}: what runs, what cannot "
        "be read, tables of sweeps and what is not of abl are not removed; `abl store ls` lists it"
    )


def _went(swept: Swept) -> list[str]:
    groups: dict[str, list[int]] = defaultdict(list)
    for each in swept.removed:
        groups[_sort_of(each)].append(each.bytes)
    lines = [
        f"{len(sizes)} {sort}: {size_text(sum(sizes))}" for sort, sizes in sorted(groups.items())
    ]
    if swept.scraps:
        size = size_text(swept.scrap_bytes)
        lines.append(f"{scraps_text(swept.scraps)} that dead processes left: {size}")
    return lines


def _sort_of(each: Lying) -> str:
    """A removed thing in words for its like."""
    if each.what == "cache":
        return f"of the cache ({each.kind})"
    by = f"that {', '.join(each.sweeps)} asks for" if each.sweeps else "that no sweep asks for"
    if each.what == "left behind":
        return f"broken off, {by}"
    return f"{each.what} ({each.kind}), {by}" if each.kind else f"{each.what}, {by}"


def raise_if_wrong(told: Verified) -> None:
    """Raises StageError if anything was not right, for the exit code."""
    if told.wrong:
        raise StageError(verified_text(told))
