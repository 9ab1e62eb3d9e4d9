"""What a stage, a plan and an arm cost beside the work itself.

    python benchmarks/overhead.py                          # all of it, about seven minutes
    python benchmarks/overhead.py --part expand --quick

Prints a section for docs/benchmarks.md. Stages do nothing but wait, so that everything beyond the
waiting is overhead.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import resource
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import NAPS, machine_line, markdown_table, run_measured
from PIL import Image

from abl import api
from abl.plan.outcome import ArmOutcome, Cell, Outcome
from abl.plan.reasons import reasons_of
from abl.plan.stage import Stage
from abl.record.mlflow_writer import MlflowRecord
from abl.record.recipes import recipes_of
from abl.record.store import Store
from abl.runner.engine import Executor, run_plan

SLOTS = 16
PARTS = ("tune", "local", "expand", "reasons", "record")
MAX_OVER_IDEAL, MAX_DRIVER_S = 1.6, 0.1
MAX_EXPANSION_S, MAX_EXPANSION_MIB = 30, 1024
MIN_ARMS_A_SECOND = 20


def verdict(held: bool) -> str:
    """How a figure compares with its bar."""
    return "held" if held else "**missed**"


class Clock(api.Callback):
    """Notes when the first stage started, and when and how often one ended."""

    def __init__(self) -> None:
        self.began = time.perf_counter()
        self.first_start = math.nan
        self.last_end = math.nan
        self.ended = 0

    def started(self, stage: Stage, where: str) -> None:
        """The first is noted."""
        if math.isnan(self.first_start):
            self.first_start = time.perf_counter() - self.began

    def finished(self, stage: Stage, seconds: float, reused: bool) -> None:
        """The last is noted."""
        self.last_end = time.perf_counter() - self.began
        self.ended += 1


def naps(count: int, seconds: float) -> dict[str, Stage]:
    """Stages that wait, none of which needs another."""
    stages = [
        Stage("nap", 1, {"seconds": seconds, "text": str(at)}, context=NAPS, label=f"nap {at}")
        for at in range(count)
    ]
    return {stage.digest: stage for stage in stages}


def run_naps(count: int, seconds: float, executor: Executor, workers: int) -> tuple[Clock, float]:
    """Runs naps into an empty store; gives the clock and the CPU seconds of this process."""
    stages = naps(count, seconds)
    with tempfile.TemporaryDirectory() as folder:
        clock, cpu = Clock(), time.process_time()
        run_plan(stages, Store(Path(folder)), clock, executor=executor, workers=workers)
        cpu = time.process_time() - cpu
    if clock.ended != count:
        raise SystemExit(f"{clock.ended} of {count} stages ended well")
    return clock, cpu


def tune_part(quick: bool) -> str:
    """Stages on Ray Tune, in 16 slots whatever the machine has."""
    rows = []
    for count, seconds in ((200, 0.0), (160, 1.0)) if quick else ((1000, 0.0), (2000, 1.0)):
        clock, cpu = run_naps(count, seconds, "tune", SLOTS)
        ideal = math.ceil(count / SLOTS) * seconds
        busy = clock.last_end - clock.first_start
        if seconds:
            ratio = clock.last_end / ideal
            bar = f"{ratio:.2f} x ideal (bar {MAX_OVER_IDEAL}): {verdict(ratio <= MAX_OVER_IDEAL)}"
        else:
            held = verdict(busy / count <= MAX_DRIVER_S)
            bar = f"{busy / count:.3f} s a stage (bar {MAX_DRIVER_S}): {held}"
        rows.append(
            (
                f"{count:,} of {seconds:g} s",
                f"{ideal:.0f}",
                f"{clock.first_start:.1f}",
                f"{busy:.1f}",
                f"{clock.last_end:.1f}",
                f"{1e3 * cpu / count:.0f}",
                bar,
            )
        )
    head = (
        "stages",
        "ideal, s",
        "start of Ray and 16 workers, s",
        "stages, s",
        "together, s",
        "driver's CPU a stage, ms",
        "bar",
    )
    return (
        f"### A stage on Ray Tune, {SLOTS} slots\n\n{markdown_table(head, rows)}\n\n"
        "With stages of 0 s the driver is what they wait for, so that time a stage is its time."
    )


def local_part(quick: bool) -> str:
    """Stages in this process."""
    count = 200 if quick else 2000
    clock, cpu = run_naps(count, 0.0, "local", 1)
    each = 1e3 * (clock.last_end - clock.first_start) / count
    head = ("stages", "together, s", "a stage, ms", "CPU a stage, ms")
    row = (f"{count:,}", f"{clock.last_end:.1f}", f"{each:.1f}", f"{1e3 * cpu / count:.1f}")
    return f"### A stage in this process\n\n{markdown_table(head, [row])}"


SWEEP = """\
name: expansion
study: two_step
data: {{manifest: manifest.csv}}
image: {{size: 16, channels: 1, normalize: half}}
splits: {{kind: kfold, folds: 5, validation: 0.25}}
replicates: {{repeats: {repeats}, seeds: {seeds}}}
train: {{network: plain4}}
options: {{panel: [plain4, tiny_resnet, tiny_dense, tiny_inception, tiny_mobile]}}
axes:
  consensus: [1, 2, 3, 4, 5]
  rule: [original, "true", average, model1, model2]
  threshold: {{from: 0, to: 0.95, steps: 20, curve: true}}
  train.optimizer.lr: {{from: 0.001, to: 0.01, steps: {rates}}}
  train.optimizer.weight_decay: {{from: 0, to: 0.001, steps: {decays}}}
base: {{rule: original}}
"""
# stages of one setting on one replicate: five selectors (one is O), a selection, five T
A_REPLICATE = 11
# settings (learning rates x decays) and replicates (repeats x 5 folds x seeds)
SHAPES = {
    1_000: (3, 2, 1, 3),
    10_000: (5, 2, 6, 3),
    100_000: (5, 4, 13, 7),
    # as many stages from settings instead of replicates: 17,955 arms
    99_999: (45, 19, 1, 2),
}


def expand_here(count: int) -> dict[str, float]:
    """Expands one plan in this process."""
    rates, decays, repeats, seeds = SHAPES[count]
    noise = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = ["image,label,patient"]
        for at in range(400):
            pixels = noise.integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{at:03d}.png")
            rows.append(f"{at:03d}.png,{at // 2 % 2},{at // 2}")
        (folder / "manifest.csv").write_text("\n".join(rows))
        sweep = SWEEP.format(repeats=repeats, seeds=list(range(seeds)), rates=rates, decays=decays)
        (folder / "sweep.yaml").write_text(sweep)
        began = time.perf_counter()
        plan = api.load(folder / "sweep.yaml", root=folder / "mlruns").plan
        seconds = time.perf_counter() - began
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "stages": len(plan.stages),
        "arms": len(plan.arms),
        "replicates": len(plan.replicates),
        "cells": len(plan.cells),
        "seconds": seconds,
        "mib": peak_kib / 1024,
    }


def expand_part(quick: bool) -> str:
    """Plans of a two-step sweep, each expanded in a new process."""
    rows = []
    for count in (1_000, 10_000) if quick else SHAPES:
        command = [sys.executable, str(Path(__file__).resolve()), "--expand", str(count)]
        found: dict[str, float] = json.loads(run_measured(command).output)
        held = found["seconds"] <= MAX_EXPANSION_S and found["mib"] <= MAX_EXPANSION_MIB
        rows.append(
            (
                *(f"{found[name]:,}" for name in ("stages", "arms", "replicates", "cells")),
                f"{found['seconds']:.1f}",
                f"{found['mib']:.0f}",
                verdict(held),
            )
        )
    head = ("stages", "arms", "replicates", "arms x replicates", "seconds", "peak MiB", "bar")
    return (
        f"### Expansion of a plan\n\n{markdown_table(head, rows)}\n\n"
        f"Bar: {MAX_EXPANSION_S} s and {MAX_EXPANSION_MIB} MiB for 100,000 stages. A new process "
        "each, with the reading of the sweep file, the manifest and 400 image files; memory with "
        "all imports."
    )


def lay_trainings(root: Path, count: int) -> None:
    """Finished trainings without files: 50 repeats and 10 seeds of settings that differ."""
    for at in range(count):
        number, replicate = divmod(at, 500)
        stage = training(number % 17, replicate, lr=1e-4 * (1 + number))
        folder = root / "done" / stage.digest
        folder.mkdir(parents=True)
        said = {**stage.identity(), "label": stage.label, "context": dict(stage.context)}
        done = {"files": {}, "content": "", "inputs": {}, "facts": {"seconds": 1}, "stage": said}
        (folder / "DONE.json").write_text(json.dumps(done))


def training(epochs: int, replicate: int, lr: float) -> Stage:
    """A training of one of 500 replicates."""
    repeat, seed = divmod(replicate, 10)
    train = {"network": "plain4", "epochs": 2 + epochs, "optimizer": {"name": "adam", "lr": lr}}
    settings = {"train": train, "image": {"size": 64, "channels": 1}, "classes": 2}
    context = {"view": "v", "repeat": repeat, "fold": 0}
    return Stage("train", 1, settings, reads=str(repeat), seed=seed, context=context)


def reasons_part(quick: bool) -> str:
    """The nearest finished stage of 1,000 planned ones, beside reading what is finished."""
    rows = []
    for count in (1_000, 5_000) if quick else (10_000, 100_000):
        plan = {s.digest: s for at in range(1000) if (s := training(at // 500, at % 500, lr=0.5))}
        with tempfile.TemporaryDirectory() as name:
            root, times = Path(name), []
            lay_trainings(root, count)
            for look in (read_all, recipes_of, recipes_of):
                began, store = time.perf_counter(), Store(root)
                look(store)
                times.append(time.perf_counter() - began)
            recipes = recipes_of(store)
            began = time.perf_counter()
            found = reasons_of(plan, set(), {}, recipes, lambda new, old: [])
            times.append(time.perf_counter() - began)
        if {why.lines[0].split()[0] for why in found.values()} != {"train.optimizer.lr"}:
            raise SystemExit("the nearest stage was not found")
        again = f"{(times[2] + times[3]) / times[0]:.2f}"
        rows.append((f"{count:,}", *(f"{each:.2f}" for each in times), again))
    head = ("finished", "reading all", "table made", "table read", "1,000 reasons", "again : all")
    return (
        f"### Reasons\n\n{markdown_table(head, rows)}\n\n"
        "Seconds. Reading all: DONE.json of every finished stage, as an expected time took before "
        "there was a table. It is made once; later plans read it and the stages that are new."
    )


def read_all(store: Store) -> None:
    """What is known of every finished stage."""
    store.known(store.digests())


def made_up_outcome(arms: int, replicates: int) -> Outcome:
    """A table with curves, of arms that nobody ran."""
    draws = np.random.default_rng(0)
    metrics = ("acc", "spe", "sen", "f1", "auc")
    rows = []
    for at in range(arms):
        table = pd.DataFrame(draws.random((replicates, 5)), columns=list(metrics))
        table.insert(0, "seed", range(replicates))
        table.insert(0, "fold", 0)
        table.insert(0, "repeat", 0)
        curve = pd.DataFrame({"threshold": np.arange(20) / 20, "step": np.arange(20) * 50})
        curve["f1"] = draws.random(20)
        cells = {
            name: Cell(float(table[name].mean()), 0.1, 0.2, 0.8, replicates) for name in metrics
        }
        params: dict[str, Any] = {"consensus": at // 5, "rule": f"rule {at % 5}"}
        rows.append(ArmOutcome(f"{at:064d}", params, cells, table, curve))
    return Outcome(
        name="made up",
        key="0" * 64,
        study="two_step",
        title="Nothing was trained",
        axes=("consensus", "rule"),
        metrics=metrics,
        primary="f1",
        curve_axis="threshold",
        arms=tuple(rows),
    )


def record_part(quick: bool) -> str:
    """Arms with a curve, and stages with learning curves and predictions, on a new SQLite file."""
    arms, stages = (60, 20) if quick else (500, 200)
    outcome = made_up_outcome(arms, 15)
    history = pd.DataFrame({"epoch": range(1, 11), "train_loss": 0.5, "validation_loss": 0.6})
    predictions = pd.DataFrame({"image": [f"{at:05d}" for at in range(1000)], "p_0": 0.5})
    with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()):
        record = MlflowRecord(Path(name))
        # the import of MLflow and the making of the schema are paid once
        began = time.perf_counter()
        record.record_outcome(replace(outcome, arms=outcome.arms[:1]), sweep_file="")
        start = time.perf_counter() - began
        began = time.perf_counter()
        record.record_outcome(replace(outcome, name="timed", key="1" * 64), sweep_file="")
        by_arm = time.perf_counter() - began
        file = Path(name) / "predictions.parquet"
        predictions.to_parquet(file)
        began = time.perf_counter()
        for at in range(stages):
            record.record_stage(
                f"{at:064d}",
                name=f"stage {at}",
                kind="train",
                params={f"setting {number}": number for number in range(10)},
                history=history,
                predictions=file,
            )
        by_stage = time.perf_counter() - began
    held = verdict(arms / by_arm >= MIN_ARMS_A_SECOND)
    rows = [
        ("arms", arms, f"{by_arm:.1f}", f"{arms / by_arm:.0f} (bar {MIN_ARMS_A_SECOND}): {held}"),
        ("stages", stages, f"{by_stage:.1f}", f"{stages / by_stage:.0f}"),
    ]
    table = markdown_table(("runs", "number", "seconds", "a second"), rows)
    return (
        f"### MLflow on SQLite\n\n{table}\n\nAn arm has 20 metrics and a curve of 20 points, a "
        "stage 10 params, two learning curves of 10 epochs and a Parquet file of 1,000 "
        f"predictions. Import and schema, {start:.1f} s, are not in it."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=PARTS, action="append", help="default: all")
    parser.add_argument("--quick", action="store_true", help="smaller: does it run?")
    parser.add_argument("--expand", type=int, choices=list(SHAPES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.expand:
        print(json.dumps(expand_here(arguments.expand)))
        return
    run = {"tune": tune_part, "local": local_part, "expand": expand_part}
    run |= {"reasons": reasons_part, "record": record_part}
    print(f"## Overhead\n\n{machine_line()}", flush=True)
    for part in arguments.part or PARTS:
        print(f"\n{run[part](arguments.quick)}", flush=True)


if __name__ == "__main__":
    main()
