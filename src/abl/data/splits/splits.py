"""Train, validation and test: grouped, stratified, drawn anew in every repeat.

Groups (patients, as a rule) are never cut. A group counts for every class that it holds. Draws are
keyed by (seed, repeat, fold) alone. So a split depends neither on the order of the manifest nor on
how many repeats there are, and a corrected label or a new patient moves few others: see
stable_draws.py. They read `label`, never `train_label`: planted label noise, and labels corrected
for training alone, move nobody. Images that train nothing leave the training part at the end.

`draw: 1` is how version 0.1 drew (draws.py): a group is of the class of most of its images, a tie
goes to the higher class, and one label more or less moves most of a class.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from abl.data.splits.draws import drawn_folds, drawn_share
from abl.data.splits.scored_rows import scored_roles, shown_role
from abl.data.splits.split_groups import SplitGroups, groups_of
from abl.data.splits.stable_draws import stable_folds, stable_share
from abl.data.splits.training_pool import trained_part
from abl.data.tables.alike_names import shown_name
from abl.data.tables.words import ROLES, is_missing, role_named
from abl.data.train_labels import NOT_TRAINED, TRAIN_LABEL
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.plan.graph import Replicate
from abl.spec.splits import Replicates, Splits

# streams of random numbers, never shared
TEST_DRAW, VALIDATION_DRAW, FOLD_DRAW, INNER_DRAW, INNER_TEST_DRAW = range(5)  # more: training_pool
NAMED = 5  # groups listed in a message


@dataclass(frozen=True)
class Split:
    """Positions of rows, int64, sorted; the three are disjoint, and together every row but those
    of the training part that train nothing, or are not of its pool and share.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray

    def items(self) -> tuple[tuple[str, np.ndarray], ...]:
        return tuple((role, getattr(self, role)) for role in ROLES)


def fold_count(splits: Splits) -> int:
    """Folds in a repeat: 1 but for kfold."""
    return splits.folds if splits.kind == "kfold" else 1


def split_of(frame: pd.DataFrame, splits: Splits, repeat: int, fold: int) -> Split:
    """The split of a replicate.

    `holdout` and `monte_carlo` draw alike, one split a repeat. `column` is the same in every
    repeat, but if it names no validation rows they are drawn from its training rows; so they are
    where `scored: validation` makes its validation rows the test set. With `validation: 0` there
    are none.

    Args:
        frame: Of a Dataset: image, label, patient, nodule; the split column for `column`.
        repeat: From 0; nothing depends on how many there are.
        fold: From 0, below `fold_count(splits)`.

    Raises:
        InputError: Too few groups, a role without a class, a group on two sides of the column, a
            column that does not name the rows that are to be scored.
    """
    if not 0 <= fold < fold_count(splits):
        raise ValueError(f"fold {fold} of {fold_count(splits)}")
    groups = groups_of(frame, splits)
    if splits.kind == "column":
        role_of = _roles_in_column(frame, groups, splits, repeat)
    else:
        role_of = _drawn_roles(groups, splits, repeat, fold)
    roles = np.array([role_of.get(name, "train") for name in groups.of_row])
    positions = {role: np.flatnonzero(roles == role) for role in ROLES}
    if TRAIN_LABEL in frame:
        trained = frame[TRAIN_LABEL].to_numpy()[positions["train"]] != NOT_TRAINED
        positions["train"] = positions["train"][trained]
    positions["train"] = trained_part(frame, positions["train"], splits, repeat, fold)
    _check_classes(frame, positions, groups, splits)
    return Split(**positions)


def inner_folds(frame: pd.DataFrame, train: np.ndarray, splits: Splits, folds: int) -> np.ndarray:
    """Inner fold of each training row, int64 (len(train),): groups whole, classes balanced.

    Args:
        train: Positions of the training part.
        splits: What is never cut, and the seed.

    Raises:
        InputError: A class has fewer groups than there are folds.
    """
    groups = groups_of(frame.iloc[train], splits)
    if min(groups.by_class.values()) < folds:
        raise InputError(
            f"inner folds: {folds} need as many {groups.word}s of each class in the training part; "
            f"{groups.counted()}"
        )
    fold_of = _folds(groups, folds, splits, INNER_DRAW, folds)
    return np.array([fold_of[name] for name in groups.of_row], dtype=np.int64)


def inner_test(
    frame: pd.DataFrame, train: np.ndarray, splits: Splits, share: float, which: Sequence[int]
) -> np.ndarray:
    """Whether each training row is in an inner test set, bool (len(train),): one random draw.

    Groups are whole, and each class is in the set and outside it.

    Args:
        train: Positions of the training part.
        splits: What is never cut, and the seed.
        share: Of the groups of each class.
        which: Numbers that name the draw: other numbers, another draw.

    Raises:
        InputError: A class has a single group there.
    """
    groups = groups_of(frame.iloc[train], splits)
    if min(groups.by_class.values()) < 2:
        raise InputError(
            f"inner splits need two {groups.word}s of each class in the training part; "
            f"{groups.counted()}"
        )
    drawn = _share(groups, set(), share, 1, splits, INNER_TEST_DRAW, *which)
    return np.array([name in drawn for name in groups.of_row], dtype=bool)


def reads_fingerprint(
    frame: pd.DataFrame,
    positions: Sequence[int] | np.ndarray,
    *,
    labels: Literal["label", "train_label"],
) -> str:
    """SHA-256 (hex) over id, content and label of exactly these rows, whatever their order.

    Args:
        positions: Rows that a stage reads; one given twice counts twice.
        labels: The column of labels that it uses.
    """
    rows = frame[["image", "fingerprint", labels]].iloc[np.asarray(positions, dtype=np.int64)]
    lines = sorted(
        json.dumps([image, fingerprint, int(label)])
        for image, fingerprint, label in rows.itertuples(index=False, name=None)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _drawn_roles(groups: SplitGroups, splits: Splits, repeat: int, fold: int) -> dict[str, str]:
    """Group -> role, drawn; groups that are not in it train."""
    is_kfold = splits.kind == "kfold"
    parts = 3 if splits.validation else 2
    needed = max(parts, splits.folds) if is_kfold else parts
    fewest = min(groups.by_class.values()) if len(groups.by_class) > 1 else 0
    if fewest < needed:
        what = "train, validation and test" if splits.validation else "train and test"
        what = f"{splits.folds} folds" if is_kfold else what
        raise InputError(
            f"splits: {what} need {needed} {groups.word}s of each class; {groups.counted()}"
            + (f"; write folds: {fewest} or less" if is_kfold and fewest >= 3 else "")
        )
    if is_kfold:
        fold_of = _folds(groups, splits.folds, splits, FOLD_DRAW, repeat)
        test = {name for name, member in fold_of.items() if member == fold}
    else:
        test = _share(groups, set(), splits.test, parts - 1, splits, TEST_DRAW, repeat)
    return dict.fromkeys(test, "test") | _validation_roles(groups, test, splits, repeat, fold)


def _validation_roles(
    groups: SplitGroups, test: set[str], splits: Splits, repeat: int, fold: int
) -> dict[str, str]:
    if not splits.validation:
        return {}
    chosen = _share(groups, test, splits.validation, 1, splits, VALIDATION_DRAW, repeat, fold)
    return dict.fromkeys(chosen, "validation")


def _folds(groups: SplitGroups, folds: int, splits: Splits, *draw: int) -> dict[str, int]:
    if splits.draw != 1:
        return stable_folds(groups.holders, folds, [splits.seed, *draw])
    drawn = drawn_folds(groups.strata, folds, _generator(splits, *draw))
    return {name: fold for part in drawn for name, fold in part.items()}


def _share(
    groups: SplitGroups, taken: set[str], share: float, left: int, splits: Splits, *draw: int
) -> set[str]:
    """A share of the groups that are not taken yet."""
    if splits.draw != 1:
        rest = groups.holders.without(taken)
        return stable_share(rest, share, left, [splits.seed, *draw])
    generator = _generator(splits, *draw)
    return {
        name
        for part in groups.strata
        for name in drawn_share(part.without(taken), share, left, generator)
    }


def _generator(splits: Splits, draw: int, *which: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence([splits.seed, draw, *which]))


def _roles_in_column(
    frame: pd.DataFrame, groups: SplitGroups, splits: Splits, repeat: int
) -> dict[str, str]:
    """Group -> role, as the column has it; validation is drawn if the column names none."""
    if splits.column not in frame:
        hint = nearest(splits.column, map(str, frame.columns))
        raise InputError(f"splits.column: the data set has no column '{splits.column}'; {hint}")
    written = frame[splits.column].astype(str).str.strip()
    roles = written.map({text: role_named(text) for text in written.unique()})
    problems = [
        Problem(
            f"splits: column '{splits.column}' {_wrong_word(str(value))} in the "
            f"{'row' if len(images) == 1 else 'rows'} of {_listed(images)}; "
            f"valid: {', '.join(ROLES)}"
        )
        for value, images in frame.loc[roles.isna(), "image"].groupby(written)
    ]
    sides = roles.groupby(groups.of_row).nunique()
    torn = sides.index[sides > 1].tolist()
    of_row = np.asarray(groups.of_row, dtype=object)
    for name in torn[:NAMED]:
        rows = np.flatnonzero(of_row == name)
        told = [f"{frame['image'].iloc[row]} in {roles.iloc[row]}" for row in rows]
        problems.append(
            Problem(
                f"splits: column '{splits.column}' puts {groups.named(str(name))} on two sides "
                f"({_listed(told)}); write one for all images of a {groups.word}"
            )
        )
    if len(torn) > NAMED:
        more = f"{len(torn) - NAMED:,} more {groups.word}s on two sides"
        problems.append(Problem(f"splits: column '{splits.column}' puts {more}"))
    raise_if_any(problems)
    role_of = {str(name): str(role) for name, role in zip(groups.of_row, roles, strict=True)}
    role_of = scored_roles(role_of, splits)
    if "validation" not in role_of.values():
        test = {name for name, role in role_of.items() if role == "test"}
        role_of.update(_validation_roles(groups, test, splits, repeat, 0))
    return role_of


def _wrong_word(value: str) -> str:
    if not value or value in ("nan", "None"):
        return "is empty"
    return f"has {shown_name(value)}" + (", which is no part," if is_missing(value) else "")


def _check_classes(
    frame: pd.DataFrame, positions: dict[str, np.ndarray], groups: SplitGroups, splits: Splits
) -> None:
    classes = set(frame["label"].unique().tolist())
    problems = [
        Problem(
            f"splits ({splits.kind}): {shown_role(role, splits)} has no image of class "
            f"{_listed(lacking)}; "
            f"{groups.counted()}"
        )
        for role, rows in positions.items()
        if (role != "validation" or splits.validation or len(rows))
        if (lacking := sorted(classes - set(frame["label"].iloc[rows].tolist())))
    ]
    if not problems and TRAIN_LABEL in frame:
        # labels that a review changed, which splits do not look at
        trained = frame[TRAIN_LABEL].iloc[positions["train"]]
        if lacking := sorted(classes - set(trained.tolist())):
            said = f"no image is left of class {_listed(lacking)} by column {TRAIN_LABEL}"
            problems.append(Problem(f"splits ({splits.kind}): of train {said}; {groups.counted()}"))
    raise_if_any(problems)


def _listed(items: Iterable[object]) -> str:
    words = [str(item) for item in items]
    more = f", and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + more


def all_replicates(splits: Splits, replicates: Replicates) -> list[Replicate]:
    """Every (repeat, fold, seed) of a sweep, in order."""
    return [
        Replicate(repeat, fold, seed)
        for repeat in range(replicates.repeats)
        for fold in range(fold_count(splits))
        for seed in replicates.seeds
    ]
