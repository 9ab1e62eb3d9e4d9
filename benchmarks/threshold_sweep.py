"""One question answered four ways on the same images: N = 1..5, 20 values of T*, five rules.

    python benchmarks/threshold_sweep.py            # about half an hour on 2 CPUs
    python benchmarks/threshold_sweep.py --quick    # minutes: does it run, do the answers agree?
    python benchmarks/threshold_sweep.py --turns 3  # (c) and (d) alone, in turns

(a) one Ray Tune trial a cell, (b) a script an N, (c) the tightest script by hand, (d) `abl sweep`.
Each starts from nothing as a process of its own: imports, Ray, the reading of images and all
recording are in its time. Prints a section for docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from measuring import Measured, machine_line, markdown_table, run_measured
from ways.task import CONSENSUS, ORIGINAL, PANEL, ROLES, RULES, THRESHOLDS, fingerprint

from abl.app.results import outcome_named
from abl.data.phantom import phantom_dataset, write_phantom
from abl.data.splits.splits import split_of
from abl.plan.outcome import Outcome
from abl.record.store import Store
from abl.spec.data import Phantom
from abl.spec.splits import Splits

HERE = Path(__file__).resolve().parent
SIZE = 64
NAME = "threshold-benchmark"
CELLS_RUN = 10
PROCESSES = 2
# the least that (a) and (b) must be slower, the most that (d) may be slower than (c)
MIN_OVER_A, MIN_SHARE_OF_B, MAX_OVER_C = 20, 0.8, 1.25


@dataclass(frozen=True)
class Way:
    """One way, run.

    Attributes:
        seconds: Wall time.
        trainings: Networks trained.
        peak_mib: Of all its processes.
        found: What it printed.
    """

    seconds: float
    trainings: int
    peak_mib: float
    found: list[dict[str, Any]]


@dataclass(frozen=True)
class Sweep(Way):
    """`abl sweep`, run.

    Attributes:
        before, after: Seconds before the first training started and after the last was kept.
        outcome: Its table.
        networks: Fingerprints of all networks' predictions, sorted.
    """

    before: float
    after: float
    outcome: Outcome
    networks: list[str]


def write_task(folder: Path, patients: int, epochs: int, seeds: list[int]) -> str:
    """Images, manifest.csv with a split column, task.json and sweep.yaml; says what they are."""
    settings = Phantom(patients=patients, size=SIZE, seed=7)
    write_phantom(settings, folder)
    frame = phantom_dataset(settings).frame
    manifest = pd.read_csv(folder / "manifest.csv")[["image", "label", "patient", "nodule"]]
    split = split_of(frame, Splits(test=0.3, validation=0.25), 0, 0)
    for role, rows in split.items():
        manifest.loc[rows, "split"] = role
    manifest.to_csv(folder / "manifest.csv", index=False)
    (folder / "task.json").write_text(json.dumps({"seeds": seeds, "epochs": epochs}))
    train = {
        "network": ORIGINAL,
        "epochs": epochs,
        "batch_size": 16,
        "augment": {"rotate_deg": 15},
    }
    sweep = {
        "name": NAME,
        "study": "two_step",
        "data": {"manifest": "manifest.csv", "duplicates": "ignore"},
        "image": {"size": SIZE, "channels": 1, "normalize": "half"},
        "splits": {"kind": "column"},
        "replicates": {"seeds": seeds},
        "train": train,
        "options": {"panel": list(PANEL)},
        "axes": {
            "consensus": list(CONSENSUS),
            "rule": list(RULES),
            "threshold": {"values": list(THRESHOLDS), "curve": True},
        },
        "metrics": ["acc", "auc"],
        "primary": "acc",
        "base": {"rule": "original"},
    }
    (folder / "sweep.yaml").write_text(yaml.safe_dump(sweep))
    # as the scripts train: by the name that older commits know too
    alike = sweep | {"train": {**train, "channels_last": False}}
    (folder / "alike.yaml").write_text(yaml.safe_dump(alike))
    counts = ", ".join(f"{len(rows)} {role}" for role, rows in split.items())
    return f"{len(frame)} images of {SIZE} px ({counts}), {len(seeds)} seeds, {epochs} epochs"


def script(name: str, *arguments: object) -> Measured:
    """One of the ways, as a process of its own."""
    return run_measured([sys.executable, str(HERE / "ways" / name), *map(str, arguments)])


def by_cell(folder: Path, scratch: Path, cells: int) -> tuple[Way, int]:
    """(a) on some cells drawn at random, and how many there are."""
    scratch.mkdir()
    run = script("one_trial_a_cell.py", folder, scratch, cells)
    said = json.loads(run.output.splitlines()[-1])
    return Way(run.seconds, said["trainings"], run.peak_mib, []), said["cells"]


def by_n(folder: Path) -> Way:
    """(b) for every N, two at a time."""
    began = time.perf_counter()
    with ThreadPoolExecutor(PROCESSES) as pool:
        runs = list(pool.map(lambda n: script("one_script_an_n.py", folder, n), CONSENSUS))
    seconds = time.perf_counter() - began
    said = [json.loads(run.output) for run in runs]
    # scripts that ran at once held their memory at once
    peak = sum(sorted(run.peak_mib for run in runs)[-PROCESSES:])
    found = [answer for each in said for answer in each["answers"]]
    return Way(seconds, sum(each["trainings"] for each in said), peak, found)


def by_hand(folder: Path) -> tuple[Way, list[str]]:
    """(c), and fingerprints of its networks' predictions."""
    run = script("by_hand.py", folder)
    said = json.loads(run.output)
    return Way(run.seconds, said["trainings"], run.peak_mib, said["answers"]), said["networks"]


def by_abl(folder: Path, mlruns: Path, file: str = "sweep.yaml") -> Sweep:
    """(d) from an empty mlruns folder."""
    store = Store(mlruns / "store")
    first: list[float] = []
    watch = threading.Thread(target=_note_first_training, args=(mlruns, first), daemon=True)
    watch.start()
    run = sweep_again(folder, mlruns, file)
    watch.join()
    networks = []
    last = 0.0
    for digest in store.digests():
        done = store.done(digest)
        if done is not None and done.stage["kind"] == "train":
            networks.append(_stored_fingerprint(store, digest))
            last = max(last, (store.folder(digest) / "DONE.json").stat().st_mtime)
    return Sweep(
        run.seconds,
        len(networks),
        run.peak_mib,
        [],
        before=first[0] - run.began,
        after=run.ended - last,
        outcome=outcome_named(store, NAME),
        networks=sorted(networks),
    )


def sweep_again(folder: Path, mlruns: Path, file: str = "sweep.yaml") -> Measured:
    """`abl sweep`; what is in the store is not trained."""
    abl = Path(sys.executable).with_name("abl")
    return run_measured([str(abl), "sweep", str(folder / file), "--mlruns", str(mlruns)])


def _note_first_training(mlruns: Path, first: list[float]) -> None:
    # a stage at work holds a lease
    leases = mlruns / "store" / "lease"
    while not first:
        if leases.is_dir() and any(leases.iterdir()):
            first.append(time.time())
        time.sleep(0.02)


def _stored_fingerprint(store: Store, digest: str) -> str:
    table = pd.read_parquet(store.file(digest, "predictions.parquet"))
    return fingerprint(
        {role: table.loc[table["role"] == role, ["p_0", "p_1"]].to_numpy() for role in ROLES}
    )


def disagreements(by_script: list[dict[str, Any]], outcome: Outcome) -> list[str]:
    """Arms and seeds on which a script and `abl` differ in T*, test accuracy or curve."""
    found = []
    for arm in outcome.arms:
        rule, n = arm.params["rule"], arm.params.get("consensus", CONSENSUS[0])
        mine = [each for each in by_script if each["rule"] == rule and each["n"] == n]
        for each in mine:
            rows = arm.replicates[arm.replicates["seed"] == each["seed"]]
            same = rows["acc"].item() == each["test"]
            if arm.curve is not None:
                same = same and rows["threshold"].item() == each["threshold"]
            if not same:
                found.append(f"{rule}, N {n}, seed {each['seed']}")
        curve = np.mean([each["curve"] for each in mine], axis=0)
        if arm.curve is not None and not np.allclose(curve, arm.curve["acc"], rtol=0, atol=1e-12):
            found.append(f"{rule}, N {n}: curve")
    return found


def section(
    about: str, a: Way, run: int, cells: int, b: Way, c: Way, d: Sweep, again: Measured
) -> str:
    """The figures and how they compare with the bars; of (a) so many cells were run."""
    whole_a = a.seconds * cells / run
    rows = [
        (
            f"(a) a Tune trial a cell, {run} of {cells:,} cells",
            a.trainings,
            f"{a.seconds:.0f}",
            f"{a.peak_mib:.0f}",
            "",
        ),
        (
            "(a) scaled to all cells",
            f"{a.trainings * cells // run:,}",
            f"{whole_a:,.0f}",
            "",
            f"{whole_a / d.seconds:.0f}",
        ),
    ]
    for name, way in (
        ("(b) a script an N", b),
        ("(c) by hand", c),
        ("(d) `abl sweep`", d),
    ):
        ratio = f"{way.seconds / d.seconds:.2f}"
        rows.append((name, way.trainings, f"{way.seconds:.0f}", f"{way.peak_mib:.0f}", ratio))
    head = ("way", "trainings", "wall, s", "peak memory, MiB", "wall over (d)")
    wanted = c.trainings  # nothing is trained twice by hand
    share = b.trainings / d.trainings
    bars = [
        ("trainings of (d)", f"{d.trainings}", f"{wanted}", d.trainings == wanted),
        (
            "(a) over (d)",
            f"{whole_a / d.seconds:.0f}",
            f"at least {MIN_OVER_A}",
            whole_a >= MIN_OVER_A * d.seconds,
        ),
        (
            "(b) over (d)",
            f"{b.seconds / d.seconds:.2f}",
            f"at least {MIN_SHARE_OF_B} x {share:.1f} = {MIN_SHARE_OF_B * share:.2f}",
            b.seconds >= MIN_SHARE_OF_B * share * d.seconds,
        ),
        (
            "(d) less its start, over (c)",
            f"{(d.seconds - d.before) / c.seconds:.2f}",
            f"at most {MAX_OVER_C}",
            d.seconds - d.before <= MAX_OVER_C * c.seconds,
        ),
    ]
    judged = [(*row[:3], "held" if row[3] else "**missed**") for row in bars]
    parts = [
        ("before the first training: imports, images, plan, MLflow, Ray", f"{d.before:.1f}"),
        ("trainings", f"{d.seconds - d.before - d.after:.1f}"),
        ("after the last training: scores, tables, figures, MLflow, exit", f"{d.after:.1f}"),
        ("the same command again, all in the store", f"{again.seconds:.1f}"),
    ]
    return "\n\n".join(
        [
            "## One question, four ways",
            machine_line(),
            f"{about}. {len(CONSENSUS)} N x {len(THRESHOLDS)} T* x {len(RULES)} rules, panel of "
            f"{len(PANEL)}, all from the same image files; each way a process from nothing.",
            markdown_table(head, rows),
            markdown_table(("bar", "measured", "wanted", ""), judged),
            markdown_table(("where (d) spends its time", "s"), parts),
        ]
    )


def tight(folder: Path, scratch: Path, turns: int) -> str:
    """(c), (d) and (d) as the scripts train, in turns: medians, least and most, over (c)."""
    taken: dict[str, list[Way]] = {}
    for turn in range(turns):
        ways: dict[str, Way] = {
            "(d) `abl sweep`": by_abl(folder, scratch / f"{turn}"),
            "(d) as the scripts train": by_abl(folder, scratch / f"{turn}-alike", "alike.yaml"),
            "(c) by hand": by_hand(folder)[0],
        }
        for name, way in ways.items():
            taken.setdefault(name, []).append(way)
            print(f"{name}: {way.seconds:.1f} s, {way.peak_mib:.0f} MiB", file=sys.stderr)
    middle = {name: float(np.median([way.seconds for way in runs])) for name, runs in taken.items()}
    peak = {name: float(np.median([way.peak_mib for way in runs])) for name, runs in taken.items()}
    hand = "(c) by hand"
    rows = []
    for name, runs in taken.items():
        seconds = [way.seconds for way in runs]
        starts = [way.before for way in runs if isinstance(way, Sweep)]
        rows.append(
            (
                name,
                f"{middle[name]:.1f}",
                f"{min(seconds):.1f} to {max(seconds):.1f}",
                f"{np.median(starts):.1f}" if starts else "",
                f"{middle[name] / middle[hand]:.2f}",
                f"{peak[name]:.0f}",
                f"{peak[name] / peak[hand]:.2f}",
            )
        )
    head = ("way", "wall, s", "least to most", "of it before the first training", "over (c)",
            "peak memory, MiB", "over (c)")  # fmt: skip
    return f"{machine_line()}\n\nMedians of {turns} turns.\n\n{markdown_table(head, rows)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=240)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="120 patients, 8 epochs, one seed")
    parser.add_argument("--cells", type=int, default=CELLS_RUN, help="cells that (a) runs")
    parser.add_argument("--turns", type=int, help="(c) and (d) alone, so often, in turns")
    parser.add_argument("--keep", type=Path, help="copy the mlruns folder of (d) here")
    arguments = parser.parse_args()
    patients, epochs, seeds = arguments.patients, arguments.epochs, arguments.seeds
    if arguments.quick:
        patients, epochs, seeds = 120, 8, 1

    def tell(text: str) -> None:
        print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="abl-benchmark-") as name:
        folder, mlruns = Path(name, "task"), Path(name, "mlruns")
        about = write_task(folder, patients, epochs, list(range(seeds)))
        if arguments.turns:
            print(about, tight(folder, Path(name), arguments.turns), sep="\n\n")
            return
        tell(f"{about}; (d) abl sweep")
        d = by_abl(folder, mlruns)
        again = sweep_again(folder, mlruns)
        if arguments.keep:
            shutil.copytree(mlruns, arguments.keep)
        tell(f"(d) {d.seconds:.0f} s; again as the scripts train")
        alike = by_abl(folder, Path(name, "alike"), "alike.yaml")
        tell(f"{alike.seconds:.0f} s; (c) by hand")
        c, networks = by_hand(folder)
        wrong = disagreements(c.found, alike.outcome)
        if networks != alike.networks:
            wrong.append("predictions are not equal bit for bit")
        tell(f"(c) {c.seconds:.0f} s; (b) a script an N")
        b = by_n(folder)
        wrong += [f"(b): {each}" for each in disagreements(b.found, alike.outcome)]
        tell(f"(b) {b.seconds:.0f} s; (a) a trial a cell")
        a, cells = by_cell(folder, Path(name, "tune"), arguments.cells)
        tell(f"(a) {a.seconds:.0f} s")
    print(section(about, a, arguments.cells, cells, b, c, d, again))
    print(
        f"\nContiguous, as the scripts are, (d) takes {alike.seconds:.0f} s. (b), (c) and that (d) "
        "give the same T* and accuracies on every arm and seed, (c) and it the same predictions "
        "bit for bit."
        if not wrong
        else "\n**The ways disagree:** " + "; ".join(wrong[:10])
    )
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
