"""What is said of the replicates behind a value: what varied, and which have none."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from abl.decide.replicates import KEYS
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.report.labels import counted

_MOST_NAMED = 6


def varied_words(replicates: pd.DataFrame) -> str:
    """What differs between replicates, and what does not: the scope of a standard deviation."""
    if not _known(replicates):
        return ""
    splits = replicates[["repeat", "fold"]].drop_duplicates()
    seeds = sorted(replicates["seed"].astype(int).unique().tolist())
    one_split, one_seed = len(splits) == 1, len(seeds) == 1
    if one_split and one_seed:
        return f"one split ({_split_names(splits)}) and one seed ({seeds[0]})"
    if one_split:
        return (
            f"{len(seeds)} seeds ({_listed(seeds)}) of one split ({_split_names(splits)}): what "
            "other test patients would give is not in it"
        )
    if one_seed:
        return (
            f"{len(splits)} splits ({_split_names(splits)}) with one seed ({seeds[0]}): what other "
            "seeds would give is not in it"
        )
    return f"{len(splits)} splits ({_split_names(splits)}) × {len(seeds)} seeds ({_listed(seeds)})"


def spread_of(arm: ArmOutcome, metric: str, cell: Cell, trainings: int) -> float:
    """Standard deviation of a cell; over splits alone where all seeds of a split predict the same.

    Args:
        trainings: Distinct predictions among the arm's replicates.

    Returns:
        nan where nothing varied.
    """
    frame = arm.replicates
    if not _known(frame) or metric not in frame.columns or trainings >= len(frame):
        return cell.sd
    by_split = frame.groupby(["repeat", "fold"])[metric].mean().dropna()
    if trainings > frame.groupby(["repeat", "fold"]).ngroups:
        return cell.sd
    return float(by_split.std(ddof=1)) if len(by_split) > 1 else math.nan


def equal_seeds_note(arm: ArmOutcome, trainings: int, *, spread: bool) -> str:
    """That seeds of this arm predict the same, and what is left of the spread."""
    total = len(arm.replicates)
    splits = len(arm.replicates[["repeat", "fold"]].drop_duplicates())
    text = f"{counted(trainings, 'training')} in {counted(total, 'replicate')}: seeds of one split"
    text += " predict the same for every unit"
    if not spread or trainings > splits:
        return text
    return text + ("; ± is over splits alone" if splits > 1 else ", so that there is no ± to show")


def defined_of_all(arm: ArmOutcome, metric: str, cell: Cell) -> str:
    """`3 of 4 folds`: where a metric is defined; of replicates where that depends on the seed."""
    total = cell.count + cell.undefined
    frame = arm.replicates
    if _known(frame) and metric in frame.columns and len(frame) == total:
        return _of_all(frame, frame[metric].isna())
    return f"{cell.count} of {counted(total, 'replicate')}"


def difference_of_all(arm: ArmOutcome, base: ArmOutcome | None, metric: str) -> str:
    """Where both arms have a value, in words as `defined_of_all`; "" if that is everywhere, nowhere
    or not known.
    """
    frames = [] if base is None else [arm.replicates, base.replicates]
    if not frames or not all(_known(each) and metric in each.columns for each in frames):
        return ""
    if not any(each[metric].hasnans for each in frames):  # of thousands of arms, merges take long
        return ""
    own, other = (each[[*KEYS, metric]] for each in frames)
    both = own.merge(other, on=KEYS, suffixes=("", "_of_base"))
    missing = both[metric].isna() | both[f"{metric}_of_base"].isna()
    return _of_all(both, missing) if missing.any() and not missing.all() else ""


def differences_over(outcome: Outcome) -> dict[str, str]:
    """Key of an arm -> over what its difference to its base is, as `difference_of_all`; of those
    alone that some replicates lack.
    """
    bases = {outcome.title_of(arm): arm for arm in outcome.arms}
    bases |= {arm.key: arm for arm in outcome.arms}
    found = {
        arm.key: difference_of_all(arm, bases.get(arm.comparison.base), outcome.primary)
        for arm in outcome.arms
        if arm.comparison is not None
    }
    return {key: of_all for key, of_all in found.items() if of_all}


def partly_defined(of_all: str) -> str:
    """The note on a value that some replicates lack.

    Args:
        of_all: As `defined_of_all` gives it.
    """
    return (
        f"over {of_all}, undefined in the others; values without such a mark are over all of them"
    )


def _of_all(frame: pd.DataFrame, missing: pd.Series) -> str:
    by_split = missing.groupby([frame["repeat"], frame["fold"]])
    splits = len(by_split)
    if splits > 1 and bool((by_split.all() == by_split.any()).all()):
        gone = int(by_split.any().sum())
        word = "folds" if frame["repeat"].nunique() == 1 else "splits"
        return f"{splits - gone} of {splits} {word}"
    return f"{int((~missing).sum())} of {counted(len(frame), 'replicate')}"


def _known(replicates: pd.DataFrame) -> bool:
    return len(replicates) > 0 and set(KEYS) <= set(replicates.columns)


def _split_names(splits: pd.DataFrame) -> str:
    """`folds 0, 1, 2`, or repeats and folds where both differ."""
    repeats = sorted(splits["repeat"].astype(int).unique().tolist())
    folds = sorted(splits["fold"].astype(int).unique().tolist())
    of_folds = f"fold{'s' if len(folds) > 1 else ''} {_listed(folds)}"
    of_repeats = f"repeat{'s' if len(repeats) > 1 else ''} {_listed(repeats)}"
    if len(repeats) == 1:
        return of_folds
    return of_repeats if len(folds) == 1 else f"{of_repeats}; {of_folds}"


def _listed(numbers: Sequence[int]) -> str:
    if len(numbers) > _MOST_NAMED:
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(map(str, numbers))
