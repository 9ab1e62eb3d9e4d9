"""What is drawn and shown of the images of a sweep beside their counts: frames by name."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from abl.decide.audit.appearances import Appearances
from abl.decide.audit.error_rates import ErrorRates
from abl.decide.audit.expected_distribution import expected_shares
from abl.plan.outcome import Outcome
from abl.report.tables.model import Table
from abl.studies.persistent.baselines import BASELINES, baseline_rows, baselines_table
from abl.studies.persistent.feature_tables import features_table, rarity_table
from abl.studies.persistent.features import FEATURES, RARITY, feature_frames
from abl.studies.persistent.judged import ArmRows, PlainArms
from abl.studies.persistent.maps import MAPS, map_rows, maps_table
from abl.studies.persistent.options import Options

EXPECTED = "expected_shares"
SCORE = "label score, out of fold (default order)"


def described_images(
    rows: ArmRows,
    plain: PlainArms,
    found: Appearances,
    images: pd.DataFrame,
    rates: ErrorRates,
    options: Options,
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """Frames of features, of baselines and of expected shares, and what is said of columns.

    Args:
        found: Appearances of the plain arms.
        images: Their rows, with flags and scores.
        rates: Their error rates.
    """
    opened, arms = plain.opened, list(plain.networks)
    frames, said = feature_frames(
        opened.dataset.frame,
        opened.dataset.classes,
        images,
        rows.training_sets(arms, opened),
        options.features,
    )
    frames[MAPS] = map_rows(rows, plain, images)
    frames[EXPECTED] = expected_shares(found, rates)
    known = images.set_index("image").loc[found.images]
    wrong = known["flipped"].to_numpy(bool) if "flipped" in known else None
    first = {SCORE: known["score"].to_numpy(float)} if "score" in known else {}
    frames[BASELINES] = baseline_rows(found, rows.store, rows.trainings(arms), wrong, first)
    return {name: frame for name, frame in frames.items() if len(frame)}, said


def described_tables(outcome: Outcome, own: Mapping[str, pd.DataFrame]) -> dict[str, Table | None]:
    """Name -> table of such a frame."""
    makers = {
        BASELINES: baselines_table,
        FEATURES: features_table,
        RARITY: rarity_table,
        MAPS: maps_table,
    }
    return {name: make(outcome, own.get(name, pd.DataFrame())) for name, make in makers.items()}
