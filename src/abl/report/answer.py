"""What was asked and what came out: two to five sentences, computed from the verdicts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from abl.decide.verdicts import (
    BETTER,
    DIFFER,
    EQUIVALENT,
    NO_VERDICT,
    SAME,
    TESTED_APART,
    UNDECIDED,
    WORSE,
)
from abl.plan.outcome import ArmOutcome, Comparison, Outcome
from abl.report.gave_up import gave_up_sentence
from abl.report.labels import counted, joined, label_in, metric_label, one_line
from abl.report.named import SEPARATOR, axis_in, setting_in, words_of
from abl.report.numbers import Scale, scale_of
from abl.report.replicates_said import differences_over

MOST_NAMED = 3  # in a sentence


def answer_sentences(outcome: Outcome, *, per_cent: bool | None = None) -> list[str]:
    """What was compared, what helps or harms and by how much, what is alike, what stays open, and
    what the design could have seen; those that there is nothing to say of are left out.

    Args:
        per_cent: As in the table; default: as the sweep file asks.
    """
    return _Answer(outcome, outcome.facts.table.per_cent if per_cent is None else per_cent).said()


@dataclass(frozen=True)
class _Compared:
    """An arm with its comparison."""

    arm: ArmOutcome
    found: Comparison

    @property
    def size(self) -> float:
        """Of the difference; of one that is not defined the least."""
        return -1.0 if math.isnan(self.found.difference) else abs(self.found.difference)


class _Answer:
    def __init__(self, outcome: Outcome, per_cent: bool):
        self._outcome = outcome
        self._arms = [arm for arm in outcome.arms if not arm.failed]
        means = [a.cells[outcome.primary].mean for a in self._arms if outcome.primary in a.cells]
        decimals = outcome.facts.table.decimals
        self._scale: Scale = scale_of(outcome.primary, means, per_cent=per_cent, decimals=decimals)
        self._label = label_in(outcome, outcome.primary)
        self._over = differences_over(outcome)
        self._words = {arm.key: words_of(arm, outcome) for arm in outcome.arms}
        titles = {outcome.title_of(arm): self._words[arm.key] for arm in outcome.arms}
        self._bases = titles | self._words
        self._compared = [
            _Compared(arm, arm.comparison) for arm in self._arms if arm.comparison is not None
        ]
        bases = {each.found.base for each in self._compared}
        self._base = self._base_words(next(iter(bases))) if len(bases) == 1 else ""
        self._base_setting = self._common_setting() if len(bases) > 1 else ""

    @property
    def _apart(self) -> bool:
        return any(TESTED_APART in note for note in self._outcome.notes)

    def said(self) -> list[str]:
        """The sentences in their order."""
        if not self._arms:
            return [f"No arm has results: {counted(len(self._outcome.arms), 'arm')} failed."]
        every = (
            self._asked(), gave_up_sentence(self._outcome, self._words), self._best(),
            *self._effects(), self._alike(), self._open(),
        )  # fmt: skip
        return [each for each in (*every, self._power()) if each]

    def _asked(self) -> str:
        outcome, count = self._outcome, len(self._outcome.arms)
        axes = [axis_in(outcome, axis) for axis in outcome.told_apart]
        by = f" by {joined(axes)}" if axes and count > 1 else ""
        replicates = max((len(arm.replicates) for arm in self._arms), default=0)
        text = f"{counted(count, 'arm')}{by}"
        if self._compared:
            at_equal = f"{self._base_setting} at equal other axes" if self._base_setting else ""
            text += f", compared with {self._base or at_equal or 'a base of its own each'}"
        text += f" on {self._label}, over {counted(replicates, 'replicate')}"
        failed = count - len(self._arms)
        return f"Asked: {text}{f'; {failed} failed' if failed else ''}."

    def _best(self) -> str:
        """Of a sweep that compares nothing: the best arm, or the one there is."""
        if self._compared:
            return ""
        best = next((arm for arm in self._arms if arm.best), None)
        able = [arm for arm in self._arms if self._outcome.primary in arm.cells]
        if best is None and len(able) == 1:
            (best,) = able
        if best is None:
            why = f"arms are {TESTED_APART} their base" if self._apart else "give `base`"
            return f"No arm is marked as the best, and nothing was compared: {why}."
        cell = best.cells[self._outcome.primary]
        value = self._scale.mean_and_interval(cell.mean, cell.low, cell.high)
        unit = f" {self._scale.unit}" if self._scale.unit else ""
        if len(self._arms) == 1:
            return f"{self._words[best.key]}: {self._label} {value}{unit}."
        tied = sum(arm.tied and not arm.best for arm in self._arms)
        rest = f"; {counted(tied, 'other')} cannot be told from it" if tied else ""
        why = f"Arms are {TESTED_APART} their base" if self._apart else "No base was named"
        return (
            f"Best is {self._words[best.key]}: {self._label} {value}{unit}{rest}. "
            f"{why}, so that no difference was tested."
        )

    def _effects(self) -> Iterator[str]:
        better = self._with(lambda verdict: verdict.startswith(BETTER))
        worse = self._with(lambda verdict: verdict.startswith(WORSE))
        judged = self._with(lambda verdict: verdict != SAME and not verdict.startswith(NO_VERDICT))
        if judged and not better and not worse:
            base = self._base or self._base_setting or "its base"
            yield f"No arm is shown to be better or worse than {base}."
        for found, word in ((better, "better"), (worse, "worse")):
            if found:
                yield self._effect(found, word)

    def _effect(self, found: Sequence[_Compared], word: str) -> str:
        if len(found) == 1:
            (one,) = found
            base = self._base_words(one.found.base)
            much = one.found.verdict.removeprefix(word)
            return (
                f"{self._named(one)} is {word} than {base}{much}: "
                f"{self._label} {self._difference(one)}."
            )
        than = self._base or self._base_setting or "their bases"
        listed = "; ".join(
            f"{self._named(each)} ({self._difference(each)})" for each in found[:MOST_NAMED]
        )
        most = "most of all " if len(found) > MOST_NAMED else ""
        return (
            f"{len(found)} of {counted(len(self._compared), 'arm')} are {word} than {than} in "
            f"{self._label}: {most}{listed}."
        )

    def _alike(self) -> str:
        parts = []
        equal = self._with(lambda verdict: verdict == EQUIVALENT)
        margin = self._outcome.facts.margin
        if equal:
            within = "" if margin is None else f" (margin {self._amount(margin)})"
            base = self._base or self._base_setting or "its base"
            parts.append(f"equivalent to {base}{within}: {self._list(equal)}")
        if same := self._with(lambda verdict: verdict == SAME):
            parts.append(f"no image is predicted otherwise than by its base: {self._list(same)}")
        if differ := self._with(lambda verdict: verdict == DIFFER):
            parts.append(
                "different as trained networks, which says nothing of other trainings: "
                + self._list(differ)
            )
        return _sentence("; ".join(parts))

    def _open(self) -> str:
        parts = []
        if found := self._with(lambda verdict: verdict == UNDECIDED):
            parts.append(f"open, neither a difference nor its absence: {self._list(found)}")
        if found := self._with(lambda verdict: verdict.startswith(NO_VERDICT)):
            why = dict.fromkeys(each.found.verdict.removeprefix(NO_VERDICT) for each in found)
            parts.append(f"no verdict ({', '.join(why)}): {self._list(found)}")
        return _sentence("; ".join(parts))

    def _power(self) -> str:
        """What the design could see: by the intervals that came out, or by the plan's sentence.

        The plan does not know how alike the arms are: what it expects may be far from what is seen.
        """
        note = next(iter(self._outcome.facts.ran.get("power", ())), "")
        text = str(note).partition(" (80 % power")[0].partition(";")[0].strip()
        reach = [(each.found.high - each.found.low) / 2 for each in self._compared]
        if known := [each for each in reach if math.isfinite(each)]:
            tested, colon, _ = text.partition(": ")
            middle = self._amount(statistics.median(known))
            one = len(known) == 1
            said = "the interval reaches" if one else "the intervals of differences reach about"
            return _sentence(
                f"{tested}{colon}{said} {middle} to either side; much smaller differences could "
                "not have been seen"
            )
        own = metric_label(self._outcome.primary)
        return f"{text.replace(f' in {own} of ', f' in {self._label} of ')}." if text else ""

    def _with(self, wanted: Callable[[str], bool]) -> list[_Compared]:
        """Comparisons whose verdict is wanted, the largest difference first."""
        found = [each for each in self._compared if wanted(each.found.verdict)]
        return sorted(found, key=lambda each: -each.size)

    def _list(self, found: Sequence[_Compared]) -> str:
        named = [f"{self._named(e)} ({self._difference(e)})" for e in found[:MOST_NAMED]]
        more = len(found) - len(named)
        return "; ".join(named) + (f"; and {more} more" if more else "")

    def _named(self, each: _Compared) -> str:
        return self._words[each.arm.key]

    def _common_setting(self) -> str:
        """What the bases of all arms have otherwise than these: one setting, or ""."""
        outcome, by_name = self._outcome, dict[str, ArmOutcome]()
        for arm in outcome.arms:
            by_name |= {arm.key: arm, outcome.title_of(arm): arm}
        settings = set()
        for each in self._compared:
            base = by_name.get(each.found.base)
            if base is None:
                return ""
            settings.add(
                tuple(
                    setting_in(outcome, axis, base.params.get(axis, ""))
                    for axis in outcome.told_apart
                    if base.params.get(axis, "") != each.arm.params.get(axis, "")
                )
            )
        return SEPARATOR.join(settings.pop()) if len(settings) == 1 else ""

    def _base_words(self, base: str) -> str:
        return self._bases.get(base) or one_line(base)

    def _difference(self, each: _Compared) -> str:
        found, over = each.found, self._over.get(each.arm.key, "")
        text, interval = self._scale.difference(found.difference), ""
        if not math.isnan(found.low):
            interval = f" {self._scale.interval(found.low, found.high)}"
        points = " points" if self._scale.unit else ""
        return f"{text}{points}{interval}{f' over {over}' if over else ''}"

    def _amount(self, value: float) -> str:
        return f"{self._scale.number(value)}{' points' if self._scale.unit else ''}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
