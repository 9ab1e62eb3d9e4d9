"""Which features of frozen layers are worth keeping, computed once for all folds and arms."""

from __future__ import annotations

from dataclasses import replace

from abl.plan.graph import Front, Plan
from abl.plan.stage import Stage
from abl.spec.sweep import Resources

# what one core sustains, and reads of a file that is in memory; see docs/benchmarks.md
CPU_FLOPS, CPU_BYTES = 25e9, 1.5e9
GPU_FLOPS, GPU_BYTES = 20e12, 3e9


def keep_features(plan: Plan, asked: Resources) -> None:
    """Adds the features stages that are worth it to a plan, as shortcuts of its trainings.

    Worth it: reading what is kept takes less time than computing it, over all trainings, and the
    disk budget holds it; those that save most a byte come first. `plan.notes` says what was kept.
    """
    by_stages: dict[tuple[str, ...], list[str]] = {}
    for digest, front in plan.fronts.items():
        key = tuple(stage.digest for stage in front.stages)
        by_stages.setdefault(key, []).append(digest)
    flops, speed = (GPU_FLOPS, GPU_BYTES) if asked.gpus else (CPU_FLOPS, CPU_BYTES)
    left = asked.features_gb * 1e9
    chosen: dict[str, Front] = {}
    offers = []
    for users in by_stages.values():
        front = plan.fronts[users[0]]
        is_half = front.stages[0].settings["train"].get("frozen_precision") == "fp16"
        size = front.numbers * (2 if is_half else 4)
        computing = front.flops / flops
        shown = sum(plan.fronts[digest].images_shown for digest in users)
        saved = shown * (computing - size / speed) - front.images * (computing + size / speed)
        offers.append((saved / (front.images * size), saved, front.images * size, users, front))
    stages_there: set[str] = set()
    said: dict[tuple[str, str], list[tuple[Front, float, int]]] = {}
    for _, saved, needed, users, front in sorted(offers, key=lambda each: -each[0]):
        new = needed * sum(s.digest not in stages_there for s in front.stages) / len(front.stages)
        if saved <= 0:
            why = "computing them whenever they are needed takes no longer"
        elif new > left:
            why = f"over resources.features_gb: {asked.features_gb:g}"
        else:
            left -= new
            stages_there |= {stage.digest for stage in front.stages}
            chosen |= dict.fromkeys(users, front)
            why = ""
        said.setdefault((front.name, why), []).append((front, needed, len(users)))
    by_share = sorted(said.items(), key=lambda each: each[1][0][0].share)
    plan.notes += [_said(parts, why) for (_, why), parts in by_share]
    if not chosen:
        return
    stages: dict[str, Stage] = {}
    for digest, stage in plan.stages.items():
        if digest in chosen:
            kept = chosen[digest].stages
            for each in kept:
                stages.setdefault(each.digest, each)
            roles = {f"features_{at}": each.digest for at, each in enumerate(kept)}
            stage = replace(stage, shortcuts=roles)
        stages[digest] = stage
    plan.stages = stages


def _said(parts: list[tuple[Front, float, int]], why: str) -> str:
    front, users = parts[0][0], sum(users for _, _, users in parts)
    # the two branches of a fusion read what each modality's own arm reads
    distinct = {
        stage.digest: size / len(each.stages) for each, size, _ in parts for stage in each.stages
    }
    size = _bytes(sum(distinct.values()))
    sets = f"{len(distinct)} sets, {size}" if len(distinct) > 1 else size
    trainings = "1 training" if users == 1 else f"{users} trainings"
    what = f"features of {front.name}: {sets}, {100 * front.share:.0f} % of the FLOPs of"
    return f"{what} {trainings}: " + (f"not kept, {why}" if why else "kept, computed once")


def _bytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
