"""What `abl plan` prints: a plan in numbers, from plain values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from abl.plan.graph import Plan, wanted_stages
from abl.plan.reasons import Reason
from abl.report.labels import counted

DAY_S = 86_400
# what one data-centre GPU sustains in training with TF32; cards differ by a factor of several
ASSUMED_FLOPS = 20e12
# reasons that a summary tells; the rest it counts
MOST_REASONS = 8


def plan_numbers(
    plan: Plan, done: set[str], seconds: Mapping[str, float], slots: int
) -> dict[str, Any]:
    """The plan as numbers, JSON-able.

    Args:
        done: Digests that the store holds.
        seconds: Expected, by digest, where known.
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
    if numbers.get("last_run"):
        lines.append(f"  last run     {numbers['last_run']}")
    if numbers.get("flops_of_unknown"):
        lines.append(f"  compute      {_compute(numbers['flops_of_unknown'])}")
    lines += _why(numbers.get("reasons", ()))
    lines += [f"  note         {note}" for note in numbers["notes"]]
    lines += ["", "arms", *(f"  {arm}" for arm in arms)]
    if "why" in numbers:
        lines += ["", *_why_arm(numbers["why"])]
    return "\n".join(lines) + "\n"


def reason_numbers(reasons: Mapping[str, Reason]) -> list[dict[str, Any]]:
    """Each cause with its stages and those that are computed because of their inputs alone.

    A stage with several causes is counted for each.

    Args:
        reasons: Digest -> why, of what is to be computed.
    """
    own, readers = Counter[str](), Counter[str]()
    for reason in reasons.values():
        (own if reason.own else readers).update(reason.causes)
    causes = [cause for cause, _ in (own + readers).most_common()]
    return [{"reason": c, "stages": own[c], "readers": readers[c]} for c in causes]


def arm_reasons(title: str, plan: Plan, arm: int, reasons: Mapping[str, Reason]) -> dict[str, Any]:
    """Why each stage is to be computed that an arm needs, JSON-able."""
    using = plan.arms_using()
    stages = []
    for digest, reason in reasons.items():
        if arm in using[digest]:
            near = {"label": reason.near.label, "digest": reason.near.digest} if reason.near else {}
            told = {"label": plan.stages[digest].label, "digest": digest}
            stages.append({**told, "reasons": reason.lines, "nearest": near})
    return {"arm": title, "stages": stages}


def _why(reasons: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = []
    for each in reasons[:MOST_REASONS]:
        own, readers = each["stages"], each["readers"]
        told = [counted(own or readers, "stage")]
        if readers:
            through = f"through {'its' if readers == 1 else 'their'} inputs"
            told = [*told, f"{readers} {through}"] if own else [f"{told[0]} {through}"]
        lines.append(f"{each['reason']}: {', '.join(told)}")
    rest = len(reasons) - MOST_REASONS
    if rest > 0:
        lines.append(f"{counted(rest, 'more reason')}: see --json, or --why ARM")
    return [f"  {'' if at else 'why':<12} {line}" for at, line in enumerate(lines)]


def _why_arm(why: Mapping[str, Any]) -> list[str]:
    if not why["stages"]:
        return [f"why {why['arm']}", "  every stage is in the store"]
    lines = [f"why {why['arm']}"]
    for stage in why["stages"]:
        near = stage["nearest"]
        beside = f", beside {near['label']} ({near['digest'][:12]})" if near else ""
        lines += [f"  {stage['label']}{beside}", *(f"    {line}" for line in stage["reasons"])]
    return lines


def _time(numbers: Mapping[str, Any]) -> str:
    if not numbers["to_compute"]:
        return "nothing to compute"
    slots = f"{numbers['slots']} at once"
    unknown = numbers["unknown_times"]
    if unknown == numbers["to_compute"]:
        if rough := numbers.get("rough_seconds"):
            return (
                f"about {span_text(rough)} by a rule of thumb, on an idle machine: no such stage "
                f"was ever run here ({slots})"
            )
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
