"""Final probabilities of a rule, asked for in a line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from abl.decide.decision import Decision, decide


def apply_rule(
    rule: str,
    predictions: Mapping[str, Any],
    threshold: Any = None,
    *,
    false_threshold: float | None = None,
) -> np.ndarray:
    """(N, K)."""
    decision = Decision(rule, threshold, false_threshold=false_threshold)
    return decide(decision, predictions)[0]
