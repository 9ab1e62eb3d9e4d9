"""Large numbers: stages, arms in MLflow, prediction rows, and workers killed at random.

    python benchmarks/scale.py                                  # all of it but the soak
    python benchmarks/scale.py stages --stages 500 --naps 160
    python benchmarks/scale.py arms --arms 500
    python benchmarks/scale.py predictions --networks 20
    python benchmarks/scale.py soak --minutes 5

Prints a section for docs/benchmarks.md, a row a measurement. Each is taken in a process of its own;
its peak memory is that of all processes it started.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from measuring import machine_line, markdown_table
from scale_child import COLUMNS, Row


def stages(asked: argparse.Namespace) -> list[Row]:
    """Stages that do nothing, and stages of one second."""
    from scale_stages import stage_rows

    return stage_rows(asked.stages, asked.naps)


def arms(asked: argparse.Namespace) -> list[Row]:
    """Arms in MLflow: written, written again, looked at."""
    from scale_arms import arm_rows

    return arm_rows(asked.arms, browser=not asked.no_browser)


def predictions(asked: argparse.Namespace) -> list[Row]:
    """Prediction rows: written, and read by network and by image."""
    from scale_predictions import prediction_rows

    return prediction_rows(asked.images, asked.networks, asked.epochs)


def soak(asked: argparse.Namespace) -> list[Row]:
    """Rounds of stages whose workers are killed at random."""
    from scale_soak import soak_rows

    return soak_rows(asked.minutes, asked.every, asked.width)


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "stages": stages,
    "arms": arms,
    "predictions": predictions,
    "soak": soak,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help="; ".join(PARTS))
    parser.add_argument("--stages", type=int, default=10_000, help="of 0 s")
    parser.add_argument("--naps", type=int, default=2_000, help="stages of 1 s; 0 leaves them out")
    parser.add_argument("--arms", type=int, default=10_000, help="written to MLflow")
    parser.add_argument("--no-browser", action="store_true", help="do not open the runs table")
    parser.add_argument("--images", type=int, default=100_000, help="that are predicted")
    parser.add_argument("--networks", type=int, default=400, help="that predict them")
    parser.add_argument("--epochs", type=int, default=5, help="whose logits are kept")
    parser.add_argument("--minutes", type=float, default=60, help="of the soak")
    parser.add_argument("--every", type=float, default=3, help="seconds between kills, on average")
    parser.add_argument("--width", type=int, default=60, help="a quarter of a round's stages")
    asked = parser.parse_args()
    if unknown := [part for part in asked.parts if part not in PARTS]:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    print(f"## Scale\n\n{machine_line()}", flush=True)
    for part in asked.parts or [name for name in PARTS if name != "soak"]:
        rows = PARTS[part](asked)
        table = markdown_table(COLUMNS, [row.cells() for row in rows])
        print(f"\n### {(PARTS[part].__doc__ or '').rstrip('.')}\n\n{table}", flush=True)


if __name__ == "__main__":
    main()
