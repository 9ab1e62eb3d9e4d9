"""How long it takes to plan the persistent study at full size; nothing is trained.

    python benchmarks/persistent_plan.py            # a minute

Prints a section for docs/benchmarks.md: 4 networks x 100 splits of 484 images, plain, and with arms
that leave training images out after ten inner splits. Seconds of one CPU.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import yaml
from measuring import machine_line, markdown_table

import abl

SWEEP = {
    "name": "plan",
    "study": "persistent",
    "data": {"phantom": {"patients": 242, "size": 64, "further_nodule": 0}},
    "image": {"size": 64},
    "splits": {"kind": "monte_carlo", "test": 0.1, "validation": 0.1111},
    "replicates": {"repeats": 100},
    "options": {"inner": {"splits": 10}},
    "primary": "auc",
}
NETWORKS = ["resnet152", "densenet121", "cnn1", "cnn2"]
ARMS = {"plain": ["none"], "with exclusion arms": ["none", "flagged", "random", "matched"]}


def main() -> None:
    import torch  # noqa: F401  a second, which is not the plan's

    rows = []
    for name, excluded in ARMS.items():
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "plan.yaml"
            axes = {"network": NETWORKS, "excluded": excluded}
            path.write_text(yaml.safe_dump({**SWEEP, "axes": axes}), encoding="utf-8")
            sweep = abl.load(path, root=Path(scratch) / "mlruns")
            sweep.workspace.data(sweep.file.sweep.data)  # the generated set, drawn once
            start = time.process_time()
            stages = sweep.plan.stages
            seconds = time.process_time() - start
            rows.append([name, f"{len(stages):,}", f"{seconds:.1f}"])
    print(f"{machine_line()}\n\n{markdown_table(['plan', 'stages', 'CPU s'], rows)}")


if __name__ == "__main__":
    main()
