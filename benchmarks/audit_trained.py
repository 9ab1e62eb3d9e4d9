"""The order of labels by predictions of trained networks: the phantom with 5 % of them flipped.

    python benchmarks/audit_trained.py             # five seeds, some minutes on one core
    python benchmarks/audit_trained.py --seeds 1

Each seed is a sweep of the study `persistent` that leaves nothing out: three small networks on ten
Monte Carlo splits by patient. Prints a section for docs/audit.md.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import pandas as pd
from audit import measured_order
from measuring import machine_line, markdown_table

import abl
from abl.decide.audit.appearances import appearances_of
from abl.studies.persistent.judged import ArmRows

SWEEP = """
name: audit_{seed}
study: persistent
data: {{phantom: {{patients: 200, size: 48, seed: {seed}, flip: 0.05}}}}
image: {{size: 32, channels: 1, normalize: half}}
splits: {{kind: monte_carlo, test: 0.2, validation: 0.125, by: patient}}
replicates: {{repeats: 10, seeds: [0]}}
train:
  network: plain4
  epochs: 10
  last_k: 2
  batch_size: 32
  optimizer: {{name: adam, lr: 2e-3}}
  balance: duplicate
  augment: {{flip: yes, rotate_deg: 15}}
arms: [{{network: [plain4, tiny_resnet, tiny_vgg]}}]
metrics: [auc]
primary: auc
base: {{network: plain4}}
"""


def measured(seed: int, folder: Path) -> dict[str, float]:
    file = folder / f"audit_{seed}.yaml"
    file.write_text(SWEEP.format(seed=seed))
    sweep = abl.load(file, root=folder / "mlruns")
    outcome = abl.run(sweep, executor="local", workers=1, record=False).outcome
    plan = sweep.study.expand(sweep.file, sweep.workspace)
    sweeps = sweep.study.settings(sweep.file).all_of(plan.arms)
    plain = ArmRows(plan, sweep.workspace, sweeps, outcome).plain(range(len(plan.arms)))
    found = appearances_of(plain.rows, plain.images)
    tested = found.times_seen > 0
    names = found.images[tested]
    rows = plain.rows[plain.rows["image"].isin(set(names))]
    images = plain.images[plain.images["image"].isin(set(names))]
    known = appearances_of(rows, images)
    flipped = pd.Series(plain.flipped, index=plain.images["image"])
    order = measured_order(known, flipped.loc[known.images].to_numpy())
    return {"images": len(names), "wrong": int(flipped.loc[names].sum()), **order}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="abl-audit-") as folder:
        table = pd.DataFrame([measured(seed, Path(folder)) for seed in range(asked.seeds)])
    lines = [(f"seed {at}", *(f"{x:.3f}" for x in row)) for at, row in enumerate(table.to_numpy())]
    lines.append(("mean", *(f"{x:.3f}" for x in table.mean())))
    print(markdown_table(["", *table], lines))
    print(f"\n{machine_line()} {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
