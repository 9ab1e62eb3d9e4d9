"""What flagged and misclassified images have in common: by features of the manifest.

Source of the table: Rafalo, Zylka 2025, Table 2: for each value its share of the set, its mean
share of the training sets, and how many flagged images have it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from abl.decide.audit.over_representation import over_representation
from abl.decide.audit.rate_regression import RateModel, rate_odds_ratios
from abl.decide.check import Bools, Floats, Ints
from abl.decide.multiple_testing import corrected_p
from abl.studies.persistent.feature_columns import CLASS, Feature, image_features

FEATURES, RARITY = "features", "rare_features"  # names of tables and of their frames
ALL, REFERENCE = "all features", "reference"
LEAST_RARER = 0.5  # halvings between a feature's rarest and commonest value


@dataclass(frozen=True, eq=False)
class JudgedImages:
    """N images with what is known of them.

    Attributes:
        labels: (N,) as given.
        patients: (N,) names.
        flagged: (N,) bool.
        wrong, seen: (N,) E_j and O_j over all networks.
        in_training: (R, N) whether each of R training sets holds the image.
    """

    labels: Ints
    patients: np.ndarray
    flagged: Bools
    wrong: Ints
    seen: Ints
    in_training: Bools


def feature_frames(
    frame: pd.DataFrame,
    classes: Sequence[str],
    images: pd.DataFrame,
    in_training: Bools,
    asked: Mapping[str, Sequence[str]] | None = None,
) -> tuple[dict[str, pd.DataFrame], list[str]]:
    """`feature_rows` and `rarity_rows` of a data set by name, and sentences on what is left out.

    Args:
        frame: Rows of the data set.
        images: image, label (as given), patient, flagged, wrong, seen; in any order.
        in_training: (R, N) in the order of `frame`.
        asked: Group -> columns; by default those that `image_features` takes.
    """
    known = images.set_index("image").loc[frame["image"]]
    frame = frame.assign(label=known["label"].to_numpy())
    features, said = image_features(frame, classes, asked)
    judged = JudgedImages(
        labels=known["label"].to_numpy(np.int64),
        patients=known["patient"].to_numpy(str),
        flagged=known["flagged"].to_numpy(bool),
        wrong=known["wrong"].to_numpy(np.int64),
        seen=known["seen"].to_numpy(np.int64),
        in_training=in_training,
    )
    made = {FEATURES: feature_rows(features, judged), RARITY: rarity_rows(features, judged)}
    return {name: each for name, each in made.items() if len(each)}, said


def feature_rows(features: Sequence[Feature], judged: JudgedImages) -> pd.DataFrame:
    """One row a value of a feature.

    Columns: group, feature, value; images, share (of the set), training_share (mean share of the
    training sets); those of `over_representation`; seen, wrong (answers of all networks),
    error_rate; rate_odds_ratio, rate_low, rate_high, rate_why: odds of an error against the
    commonest value of the feature, classes being equal; rate_adjusted: not so where the feature
    tells the class.
    """
    values = [(feature, at) for feature in features for at in range(len(feature.values))]
    has = np.column_stack([feature.of_image == at for feature, at in values])
    found = over_representation(has, judged.flagged, judged.patients)
    found.insert(0, "group", [feature.group for feature, _ in values])
    found.insert(1, "feature", [feature.name for feature, _ in values])
    found.insert(2, "value", [feature.values[at] for feature, at in values])
    found.insert(4, "share", has.mean(axis=0))
    found.insert(5, "training_share", training_shares(has, judged.in_training))
    found["seen"], found["wrong"] = judged.seen @ has, judged.wrong @ has
    found["error_rate"] = np.divide(
        found["wrong"], found["seen"], out=np.full(len(found), np.nan), where=found["seen"] > 0
    )
    rates = pd.concat([_against_commonest(feature, judged) for feature in features])
    for name in ("odds_ratio", "low", "high", "why"):
        found[f"rate_{name}"] = rates[name].to_numpy()
    adjusted = {each.name: _is_adjusted(each, judged.labels) for each in features}
    return found.assign(rate_adjusted=found["feature"].map(adjusted))


def training_shares(has: Bools, in_training: Bools) -> Floats:
    """(F,) mean over training sets of the share of their images with each fact; nan of none."""
    if not len(in_training):
        return np.full(has.shape[1], np.nan)
    each = in_training / np.maximum(in_training.sum(axis=1, keepdims=True), 1)
    shares: Floats = each.mean(axis=0) @ has
    return shares


def rarity_rows(features: Sequence[Feature], judged: JudgedImages) -> pd.DataFrame:
    """The claim that rare features are missed: odds of an error where a value is half as frequent
    in the training sets.

    One row `all features`, of the mean over an image's features, so that all of them are half as
    frequent; then one a feature: feature, odds_ratio, low, high, p, p_corrected (over the features;
    of the first row its own), images, patients, why. Classes are equal. Features without a value
    that is rarer than others are left out of the first row. What is rare may be hard for another
    reason, which this cannot tell apart.
    """
    columns, even = {}, set()
    for feature in features:
        if feature.name == CLASS:
            continue
        has = feature.of_image[:, None] == np.arange(len(feature.values))
        share = training_shares(has, judged.in_training)
        # twice as rare is one unit more
        with np.errstate(divide="ignore"):
            rarity = -np.log2(share)[feature.of_image]
        known = np.where(feature.is_known & np.isfinite(rarity), rarity, np.nan)
        columns[feature.name] = known
        if not np.nanmax(known, initial=0) - np.nanmin(known, initial=np.inf) >= LEAST_RARER:
            even.add(feature.name)
    if not columns:
        return pd.DataFrame()
    frame = pd.DataFrame(columns)
    found = [_of_rarity(ALL, frame.drop(columns=list(even)).mean(axis=1), judged)]
    found += [
        _none_rarer(name) if name in even else _of_rarity(name, frame[name], judged)
        for name in columns
    ]
    table = pd.concat(found).rename_axis("feature").reset_index()
    table["why"] = table["why"].fillna("")
    corrected = corrected_p(table["p"].to_numpy(np.float64)[1:], np.empty((0, len(frame.columns))))
    table["p_corrected"] = [table["p"].iloc[0], *corrected]
    return table


def _of_rarity(name: str, rarity: pd.Series, judged: JudgedImages) -> pd.DataFrame:
    known = rarity.notna().to_numpy()
    terms = pd.DataFrame({name: rarity[known].to_numpy(), **_classes(judged.labels[known])})
    return rate_odds_ratios(
        RateModel(
            judged.wrong[known], judged.seen[known], judged.patients[known], terms, (name,)
        )
    )  # fmt: skip


def _none_rarer(name: str) -> pd.DataFrame:
    return pd.DataFrame({"why": "no value is rarer than others"}, index=[name])


def _is_adjusted(feature: Feature, labels: Ints) -> bool:
    """Whether classes can be equal: not if each value is of one class."""
    pairs = np.unique(np.column_stack([feature.of_image, labels]), axis=0)
    return len(pairs) > len(np.unique(feature.of_image))


def _against_commonest(feature: Feature, judged: JudgedImages) -> pd.DataFrame:
    """A row a value, in order."""
    counts = np.bincount(feature.of_image[judged.seen > 0], minlength=len(feature.values))
    common = int(np.argmax(counts))
    others = [at for at in range(len(feature.values)) if at != common]
    names = [f"{at}" for at in others]
    terms = {name: feature.of_image == at for name, at in zip(names, others, strict=True)}
    adjusted = _classes(judged.labels) if _is_adjusted(feature, judged.labels) else {}
    table = pd.DataFrame({**terms, **adjusted}).astype(np.float64)
    model = RateModel(judged.wrong, judged.seen, judged.patients, table, tuple(names))
    found = rate_odds_ratios(model).reindex([str(at) for at in range(len(feature.values))])
    found["why"] = found["why"].astype(object)
    found.loc[str(common), "why"] = REFERENCE
    return found


def _classes(labels: Ints) -> dict[str, np.ndarray]:
    """Classes but the first as terms, for models in which they are equal."""
    return {f"class {each}": (labels == each) * 1.0 for each in np.unique(labels)[1:]}
