"""Other ways to order and flag labels by the same predictions, to stand beside ours."""

from __future__ import annotations

import importlib.util

import numpy as np

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.label_order import without_gaps
from abl.decide.check import Bools, Floats, Ints


def baseline_scores(found: Appearances) -> dict[str, Floats]:
    """Name -> (N,) score, higher: look first; nan where an image was in no test set.

    count: share of wrong test appearances, ties by confidence; confidence: 1 - mean probability of
    the given label; margin: mean of the largest other probability less that of the given label;
    cleanlab: its ensemble score, where it is installed (Kuan, Mueller, ICML DataPerf 2022).
    """
    seen = found.times_seen > 0
    p, labels = without_gaps(found.p[seen]), found.labels[seen]
    at = np.arange(len(labels))
    given = p[at, :, labels]
    others = p.copy()
    others[at, :, labels] = -1
    confidence = 1 - given.mean(axis=1)
    # fewer than one more wrong answer
    tie = confidence / (2 * found.times_seen[seen])
    scores = {
        "count": found.share_wrong[seen] + tie,
        "confidence": confidence,
        "margin": (others.max(axis=2) - given).mean(axis=1),
    }
    ensemble = _cleanlab_score(labels, p)
    if ensemble is not None:
        scores["cleanlab"] = ensemble
    return {name: _of_all(seen, values) for name, values in scores.items()}


def cleanlab_flags(found: Appearances) -> Bools | None:
    """(N,) labels that cleanlab holds for wrong, by the networks' mean; None without cleanlab."""
    if importlib.util.find_spec("cleanlab") is None:
        return None
    from cleanlab.filter import find_label_issues

    seen = found.times_seen > 0
    flagged = np.zeros(len(seen), dtype=np.bool_)
    mean = without_gaps(found.p[seen]).mean(axis=1)
    flagged[seen] = find_label_issues(found.labels[seen], mean, n_jobs=1)
    return flagged


def _cleanlab_score(labels: Ints, p: Floats) -> Floats | None:
    if importlib.util.find_spec("cleanlab") is None:
        return None
    from cleanlab.rank import get_label_quality_ensemble_scores

    networks = [np.clip(p[:, at], 1e-6, 1) for at in range(p.shape[1])]
    networks = [each / each.sum(axis=1, keepdims=True) for each in networks]
    quality: Floats = get_label_quality_ensemble_scores(labels, networks, verbose=False)
    return 1 - quality


def _of_all(seen: Bools, values: Floats) -> Floats:
    whole = np.full(len(seen), np.nan)
    whole[seen] = values
    return whole
