"""What `abl plan` prints: a plan in numbers, from plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from abl.plan.graph import Plan, wanted_stages

DAY_S = 86_400
# what one data-centre GPU sustains in training with TF32; cards differ by a factor of several
ASSUMED_FLOPS = 20e12


def plan_numbers(
    plan: Plan, done: set[str], seconds: Mapping[str, float], slots: int
) -> dict[str, Any]:
    """The plan as numbers, JSON-able.

    Args:
        done: Digests that the store holds.
        seconds: Expected seconds by digest, where known.
        slots: Trainings that run at once.
    """
    wanted = wanted_stages(plan.stages, done)
    missing = [digest for digest in wanted if digest not in done]
    known = [seconds[digest] for digest in missing if digest in seconds]
    trainings = sum(stage.kind == "train" for stage in plan.stages.values())
    return {
        "arms": len(plan.arms),
        "replicates": len(plan.replicates),
        "stages": len(plan.stages),
        "stages_by_kind": dict(sorted(Counter(s.kind for s in plan.stages.values()).items())),
        "trainings": trainings,
        "trainings_without_sharing": plan.asked,
        "in_store": len(wanted) - len(missing),
        "to_compute": len(missing),
        "unknown_times": len(missing) - len(known),
        "seconds": sum(known) / max(slots, 1),
        "slots": slots,
        "notes": list(plan.notes),
    }


def plan_text(name: str, numbers: Mapping[str, Any], arms: list[str]) -> str:
    """The numbers of `plan_numbers` for a person."""
    kinds = ", ".join(f"{count} {kind}" for kind, count in numbers["stages_by_kind"].items())
    asked, trainings = numbers["trainings_without_sharing"], numbers["trainings"]
    times = asked / trainings if trainings else 1.0
    digits = 0 if times >= 10 else 1
    ratio = f" ({times:.{digits}f} times as many)" if asked > trainings else ""
    lines = [
        name,
        f"  arms         {numbers['arms']}",
        f"  replicates   {numbers['replicates']}",
        f"  stages       {numbers['stages']} distinct: {kinds}",
        f"  trainings    {trainings} distinct; {asked} if each cell trained its own{ratio}",
        f"  in the store {numbers['in_store']}, to compute {numbers['to_compute']}",
        f"  time         {_time(numbers)}",
    ]
    if numbers.get("flops_of_unknown"):
        lines.append(f"  compute      {_compute(numbers['flops_of_unknown'])}")
    lines += [f"  note         {note}" for note in numbers["notes"]]
    lines += ["", "arms", *(f"  {arm}" for arm in arms)]
    return "\n".join(lines) + "\n"


def _time(numbers: Mapping[str, Any]) -> str:
    if not numbers["to_compute"]:
        return "nothing to compute"
    slots = f"{numbers['slots']} at once"
    unknown = numbers["unknown_times"]
    if unknown == numbers["to_compute"]:
        return f"not known: no such stage was ever run here ({slots})"
    least = "at least " if unknown else "about "
    suffix = f", and {unknown} stages of unknown length" if unknown else ""
    return f"{least}{span_text(numbers['seconds'])} by recorded stage times, {slots}{suffix}"


def _compute(flops: float) -> str:
    hours = flops / ASSUMED_FLOPS / 3600
    shown = f"{hours:,.0f}" if hours >= 10 else f"{hours:.1g}"
    return (
        f"{flops:.2g} FLOP in stages of unknown length: about {shown} GPU hours at "
        f"{ASSUMED_FLOPS / 1e12:.0f} TFLOP/s sustained (assumed)"
    )


def span_text(seconds: float) -> str:
    """A span of time in the unit that suits it: `90 s`, `12 min`, `3.5 h`, `2.1 days`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 2 * DAY_S:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / DAY_S:.1f} days"
