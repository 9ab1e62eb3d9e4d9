"""Outcomes on disk: the tables of a sweep, old ones kept, the newest found by name."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from abl.errors import InputError, nearest
from abl.plan.outcome import Outcome
from abl.plan.outcome_json import outcome_from_json, outcome_to_json
from abl.record.store import Store, write_atomically
from abl.report.figures import bar_figure, curve_figure, save_figure
from abl.report.table_model import Table
from abl.report.tables import render, table_of

SUFFIX = {"text": "txt", "md": "md", "csv": "csv", "latex": "tex", "html": "html"}


def styled_table(outcome: Outcome) -> Table:
    """The table of an outcome, printed as its sweep file asks."""
    style = outcome.facts.get("table", {})
    return table_of(
        outcome,
        per_cent=bool(style.get("per_cent", True)),
        decimals=int(style.get("decimals", 1)),
        intervals=bool(style.get("intervals", False)),
    )


def outcome_named(store: Store, name: str) -> Outcome:
    """The newest outcome of a sweep.

    Raises:
        InputError: No sweep of that name was run here.
    """
    folder = store.sweep_folder(name)
    try:
        key = json.loads((folder / "latest.json").read_text(encoding="utf-8"))["key"]
        return outcome_from_json((folder / key / "outcome.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        known = sweep_names(store)
        advice = nearest(name, known) if known else "run `abl sweep FILE` first"
        raise InputError(f"no sweep '{name}' was run here: {advice}") from None


def sweep_names(store: Store) -> list[str]:
    """Sweeps that have a table, sorted."""
    folder = store.root / "sweeps"
    if not folder.is_dir():
        return []
    return sorted(path.name for path in folder.iterdir() if (path / "latest.json").exists())


def keep_outcome(store: Store, outcome: Outcome, sweep_text: str) -> tuple[Path, dict[str, Path]]:
    """Writes an outcome with its tables and figures beside earlier ones of the same name.

    Returns:
        The folder, and name -> file of the figures.
    """
    folder = store.sweep_folder(outcome.name) / outcome.key[:16]
    write_atomically(folder / "outcome.json", outcome_to_json(outcome))
    write_atomically(folder / "sweep.yaml", sweep_text)
    for suffix, text in rendered(outcome).items():
        write_atomically(folder / suffix, text)
    figures = {}
    for name, figure in (("curve", curve_figure(outcome)), ("arms", bar_figure(outcome))):
        if figure is not None:
            for kind in ("png", "svg"):
                figures[f"{name}.{kind}"] = folder / f"{name}.{kind}"
                save_figure(figure, folder / f"{name}.{kind}")
    write_atomically(folder.parent / "latest.json", json.dumps({"key": outcome.key[:16]}))
    return folder, figures


def rendered(outcome: Outcome) -> dict[str, str]:
    """The table in every format, by file name."""
    made = styled_table(outcome)
    return {f"table.{suffix}": render(made, format) for format, suffix in SUFFIX.items()}


def what_changed(store: Store, outcome: Outcome) -> str:
    """How a sweep differs from its last run under the same name; "" if it does not."""
    try:
        before = outcome_named(store, outcome.name)
    except InputError:
        return ""
    if before.key == outcome.key:
        return ""
    old = Counter(arm.key for arm in before.arms)
    new = Counter(arm.key for arm in outcome.arms)
    return (
        f"{outcome.name} was edited since its last run: {(new - old).total()} arms are new or "
        f"changed, {(old - new).total()} are gone; the old table is kept as {before.key[:16]}"
    )
