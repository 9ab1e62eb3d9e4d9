"""The question for one N: the networks are trained, then T* is swept on their predictions."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from task import ORIGINAL, PANEL, answers, load_task, trained, true_rows


def main() -> None:
    task, n = load_task(Path(sys.argv[1])), int(sys.argv[2])
    found = []
    for seed in task.seeds:
        selectors = {name: trained(task, name, seed, task.rows["train"]) for name in PANEL}
        rows = true_rows(task, list(selectors.values()), n)
        true = trained(task, ORIGINAL, seed, rows)
        found += answers(task, seed, n, selectors[ORIGINAL], true)
    print(json.dumps({"trainings": len(task.seeds) * (len(PANEL) + 1), "answers": found}))


if __name__ == "__main__":
    main()
