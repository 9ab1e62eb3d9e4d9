"""What the golden tests hold: the digests of every shipped sweep, by file and kind of stage.

`python tests/golden/golden.py` writes digests.json anew: only after a change that means to make
trained networks of users worthless, with the reason in CHANGELOG.md.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
DIGESTS = HERE / "digests.json"
SHIPPED = sorted((ROOT / "sweeps").rglob("*.y*ml")) + sorted((HERE / "sweeps").glob("*.yaml"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def without_hubs(folder: Path) -> dict[str, str]:
    """An environment whose hub caches are empty: digests hold the hash of what lies there."""
    return {"TORCH_HOME": str(folder / "torch"), "HF_HOME": str(folder / "hf")}


def digests_of(path: Path, data: Path, root: Path) -> Mapping[str, Any]:
    """By kind: how many stages, one digest over theirs, and the identity of the first."""
    import abl
    from abl.plan.stage import digest_of

    loaded = abl.load(path, data=[data], root=root)
    plan = loaded.plan
    found: dict[str, Any] = {"arms": digest_of([dict(arm.params) for arm in plan.arms])}
    for kind in sorted({stage.kind for stage in plan.stages.values()}):
        stages = {d: s for d, s in plan.stages.items() if s.kind == kind}
        first = min(stages)
        found[kind] = {
            "stages": len(stages),
            "digest": digest_of(sorted(stages)),
            "first": {"digest": first, **stages[first].identity()},
        }
    return json.loads(json.dumps(found))


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.update(without_hubs(Path(scratch)))
        sys.path.insert(0, str(HERE))
        from made_up_sets import write_made_up_sets

        data = write_made_up_sets(Path(scratch) / "data")
        found = {name_of(p): digests_of(p, data, Path(scratch) / "mlruns") for p in SHIPPED}
    DIGESTS.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
