"""An arm found by a few words of its title, its row in the table, or the start of its key."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.plan.outcome import ArmOutcome, Outcome
from abl.report.labels import arm_label, one_line
from abl.report.named import setting_in, words_of

_MOST_LISTED = 6
_MARKS = "()[]{}<>\"'°:;.!?"
_KEY = re.compile(r"[0-9a-f]{6,64}")


def arm_named(outcome: Outcome, words: str, *, alone: bool = False) -> ArmOutcome:
    """The only arm that has all of these words and settings.

    Args:
        alone: Whether the words are given without the sweep's name, so that advice has none.

    Raises:
        InputError: None has, or several have; says what to type instead.
    """
    words = words.strip()
    if re.fullmatch(r"#\d+", words):
        row = int(words[1:])
        if not 1 <= row <= len(outcome.arms):
            raise InputError(f"{outcome.name}:{words}: its rows are #1 to #{len(outcome.arms)}")
        return outcome.arms[row - 1]
    by_key = [arm for arm in outcome.arms if _KEY.fullmatch(words) and arm.key.startswith(words)]
    if len(by_key) == 1:
        return by_key[0]
    wanted = _tokens(words)
    if not wanted:
        return _only(outcome, words, list(enumerate(outcome.arms, 1)), alone)
    own = [_arm_tokens(outcome, arm) for arm in outcome.arms]
    known = set().union(*own) if own else set()
    asked = _with_axes(wanted, known)
    spelt = {token.casefold(): token for token in _words(words)}  # as it was typed
    written = _as_written(outcome)
    words_known = {written.get(token, token) for token in known if "=" not in token}
    unknown = [spelt.get(token, token) for token in asked if token not in known]
    raise_if_any(
        [
            Problem(f"{outcome.name}: no arm has '{word}': {_advice(outcome, word, words_known)}")
            for word in unknown
        ]
    )
    rows = enumerate(zip(outcome.arms, own, strict=True), 1)
    fitting = [(row, arm) for row, (arm, tokens) in rows if set(asked) <= tokens]
    labels = {row: _tokens(words_of(arm, outcome, outcome.axes)) for row, arm in fitting}
    exact = [(row, arm) for row, arm in fitting if sorted(labels[row]) == sorted(wanted)]
    return _only(outcome, words, exact or fitting, alone)


def _advice(outcome: Outcome, word: str, known: Collection[str]) -> str:
    """The word that is nearest, or the arms: words of all of them in a heap help nobody."""
    near = nearest(word, known, show=0)
    if near.startswith("did you mean"):
        return near
    return f"there are {_listed(outcome, list(enumerate(outcome.arms, 1)))}"


def arm_title(outcome: Outcome, arm: ArmOutcome) -> str:
    """An arm in a few words, as `abl plan` writes it."""
    return words_of(arm, outcome, outcome.axes) or one_line(outcome.name)


def _only(
    outcome: Outcome, words: str, found: list[tuple[int, ArmOutcome]], alone: bool
) -> ArmOutcome:
    if len(found) == 1:
        return found[0][1]
    sweep = "" if alone else f"{outcome.name}:"
    asked = sweep + one_line(words)
    if not found:
        listed = _listed(outcome, list(enumerate(outcome.arms, 1)))
        raise InputError(f"{asked}: no arm has all of these; there are {listed}")
    row = found[0][0]
    raise InputError(
        f"{asked} fits {len(found)} arms: {_listed(outcome, found)}; "
        f"add a word, or write {sweep}#{row}"
    )


def _listed(outcome: Outcome, found: list[tuple[int, ArmOutcome]]) -> str:
    shown = [f"#{row} {arm_title(outcome, arm)}" for row, arm in found[:_MOST_LISTED]]
    more = f", and {len(found) - _MOST_LISTED} more" if len(found) > _MOST_LISTED else ""
    return ", ".join(shown) + more


def _tokens(text: str) -> list[str]:
    return _words(text.casefold())


def _words(text: str) -> list[str]:
    return [word for word in re.split(r"[\s,·]+", text) if word]


def _arm_tokens(outcome: Outcome, arm: ArmOutcome) -> set[str]:
    """Words of an arm: of its values, of the axes of its numbers, and `axis=value`."""
    tokens: set[str] = set()
    for axis in outcome.axes:
        value = arm.params.get(axis, "")
        if value != "":
            tokens |= {*_tokens(arm_label({axis: value}, [axis])), *_tokens(str(value))}
            tokens |= {*_tokens(setting_in(outcome, axis, value))}
            tokens |= {f"{axis.casefold()}={token}" for token in _tokens(str(value))}
    # nobody types the brackets of `ResNet (tiny)`
    return tokens | {bare for token in tokens if (bare := token.strip(_MARKS))}


def _as_written(outcome: Outcome) -> dict[str, str]:
    """Each word of the arms' titles, case folded -> as it stands there."""
    titles = [words_of(arm, outcome, outcome.axes) for arm in outcome.arms]
    return {word.casefold(): word for title in titles for word in _words(title)}


def _with_axes(wanted: Sequence[str], known: set[str]) -> list[str]:
    """`consensus 3` as one setting where the words are an axis and a value of it."""
    asked: list[str] = []
    for token in wanted:
        if asked and f"{asked[-1]}={token}" in known:
            asked[-1] = f"{asked[-1]}={token}"
        else:
            asked.append(token)
    return asked
