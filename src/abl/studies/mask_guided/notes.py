"""What is said of a mask_guided sweep: values without a use, and what is weak in it."""

from __future__ import annotations

from itertools import product
from typing import Any

from abl.report.page.report_facts import ReportFacts
from abl.spec.read import SweepFile
from abl.studies.shared.arms import Relevant

GUIDED = "an arm without a predicted mask"


def design_weaknesses(facts: ReportFacts) -> tuple[str, ...]:
    """What is weak in a sweep by its arms."""
    if not any(arm.params.get("mask") in ("true", "ellipse") for arm in facts.outcome.arms):
        return ()
    return (
        "Arms with true masks, or ellipses in boxes, know where the nodules of the test images "
        "are: they bound what a branch could give, and are no method.",
    )


def idle_notes(file: SweepFile, relevant: Relevant) -> list[str]:
    """A sentence for each arm block with values that no arm of it uses.

    Of a block that also has arms which use them nothing is said: the product of variants and
    masks is the usual way to write such arms.
    """
    found = []
    for at, block in enumerate(file.sweep.arms):
        variants, masks = _values(file, block, "variant"), _values(file, block, "mask")
        idle = [
            axis
            for axis in block
            if not any(
                axis in relevant({"variant": variant, "mask": mask}, block)
                for variant, mask in product(variants, masks)
            )
        ]
        if not idle:
            continue
        # of a guided variant, what is idle belongs to the branch that its masks do without
        is_guided = any("mask" in relevant({"variant": each}, ["mask"]) for each in variants)
        whom = GUIDED if is_guided else f"variant {_listed(variants)}"
        lines = sorted({file.places.line(("arms", at, axis)) or 0 for axis in idle})
        where = f"line{'s' if len(lines) > 1 else ''} {_listed(lines)}"
        verb = "do" if len(idle) > 1 else "does"
        found.append(
            f"{_listed(idle)} {verb} not matter to {whom}: what {where} of the file gives it "
            "changes nothing"
        )
    return found


def _values(file: SweepFile, block: dict[str, Any], axis: str) -> list[Any]:
    """The values of an axis in a block: its own, else those of `axes`, else of the settings."""
    sweep = file.sweep
    if axis in block:
        given = block[axis]
        return list(given) if isinstance(given, list | tuple) else [given]
    if axis in sweep.axes:
        return list(sweep.axes[axis].listed())
    return [getattr(sweep.train.attention, axis)]


def _listed(words: list[Any]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    *first, last = [str(each) for each in words]
    return f"{', '.join(first)} and {last}" if first else last
