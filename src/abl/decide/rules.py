"""Decision rules: from the predictions of two or three networks to final probabilities.

Source: Lee, Kwak, Lee, Sci. Rep. 2025, doi 10.1038/s41598-025-00416-5, "two-step decision".
Classes: benign 0, malignant 1. K > 2 classes work throughout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from abl.decide.check import DIGITS, Floats, checked_predictions, margin
from abl.errors import InputError, Problem, nearest, raise_if_any
from abl.registry import Registry
from abl.signatures import check_signature

Threshold = float | Literal["always"]
ALWAYS: Literal["always"] = "always"
FALSE_THRESHOLD = 0.1
NETWORKS = {"original", "true", "false", "panel"}  # whose predictions rules take


@dataclass(frozen=True)
class Rule:
    """A pure function from recorded predictions to final probabilities.

    Attributes:
        uses: Networks whose predictions it takes, in the order of its arguments.
        has_threshold: Whether T* applies. If so, `function` gives the probabilities of ambiguous
            images, and the others keep those of the original network.
        function: Arrays (N, K), one for each of `uses`, to an array (N, K).
    """

    name: str
    uses: tuple[str, ...]
    has_threshold: bool
    function: Callable[..., Floats]
    description: str


RULES: Registry[Rule] = Registry("rule")


def rule(
    name: str, *, uses: tuple[str, ...], threshold: bool = False, version: int = 1
) -> Callable[[Callable[..., Floats]], Callable[..., Floats]]:
    """Registers a function as a rule. Its first line of documentation describes it.

    Raises:
        InputError: The name is taken, `uses` names no networks, or the rule has a threshold and
            does not use the original network, whose confidence T* is compared with.
    """

    def register(function: Callable[..., Floats]) -> Callable[..., Floats]:
        if isinstance(uses, str) or not uses or not set(uses) <= NETWORKS:
            known = "original, true, false or panel"
            raise InputError(f"rule '{name}': uses: {known}, as in ('original', 'true')")
        if threshold and "original" not in uses:
            raise InputError(f"rule '{name}' has a threshold: add 'original' to uses")
        description = (function.__doc__ or "").strip().split("\n")[0]
        made = Rule(name, tuple(uses), threshold, function, description)
        RULES.add(name, made, function, version=version)
        check_signature(f"rule '{name}'", function, uses)
        return function

    return register


@rule("original", uses=("original",))
def _original(original: Floats) -> Floats:
    """The original network alone. In every rule p = 0.5, a tie, is malignant: the higher class."""
    return original


@rule("true", uses=("true",))
def _true(true: Floats) -> Floats:
    """The true network alone."""
    return true


@rule("false", uses=("false",))
def _false(false: Floats) -> Floats:
    """The False network alone: trained on what selectors get wrong, it is worse than chance."""
    return false


@rule("panel", uses=("panel",))
def _panel(panel: Floats) -> Floats:
    """Mean of the selector networks: what plain ensembling of the same trainings gives."""
    return panel


@rule("average", uses=("original", "true"))
def _average(original: Floats, true: Floats) -> Floats:
    """Mean of the original and the true network for every image."""
    return (original + true) / 2


@rule("model1", uses=("original", "true"), threshold=True)
def _model1(original: Floats, true: Floats) -> Floats:
    """Images with confidence < T* go to the true network; at T* they stay."""
    return true


@rule("model2", uses=("original", "true"), threshold=True)
def _model2(original: Floats, true: Floats) -> Floats:
    """Images with confidence < T* take the mean of the original and the true network."""
    return (original + true) / 2


def confidence(p: ArrayLike) -> Floats:
    """Difference of the two largest probabilities, (N, K) -> (N,); for K = 2 it is |p_B - p_M|.

    To 12 decimals, as T* is, so that an image whose confidence is T* is not below it.
    """
    return margin(checked_predictions(p))


def threshold_value(threshold: Threshold) -> float:
    """T* as a number to 12 decimals: `always` is infinity, above any confidence.

    Raises InputError.
    """
    if isinstance(threshold, str):
        if threshold == ALWAYS:
            return math.inf
        raise InputError(f"threshold: '{threshold}' is neither a number nor 'always'")
    value = float(threshold)
    if value == math.inf or 0 <= value <= 1:
        return round(value, DIGITS)
    raise InputError(f"threshold: {threshold} is outside [0, 1]; above any confidence is 'always'")


def threshold_from_share(p_validation_original: ArrayLike, share: float) -> float:
    """T* that sends this share of the validation images on (infinity if it is all of them).

    The number of images is rounded to the nearest; among tied confidences fewer are sent.

    Raises:
        InputError: share outside [0, 1], or no image.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share: {share} is outside [0, 1]")
    ordered = np.sort(confidence(p_validation_original))
    if not ordered.size:
        raise InputError("share: no validation image to read the quantile of confidence from")
    # a half as decimals have it: 0.145 x 100 is 14.499999999999998
    sent = math.floor(round(share * ordered.size, DIGITS) + 0.5)
    if sent == 0:
        return 0.0
    return math.inf if sent == ordered.size else float(ordered[sent])


def rule_named(name: str) -> Rule:
    """The registered rule. Raises InputError with the nearest name."""
    if name not in RULES:
        raise InputError(f"unknown rule '{name}': {nearest(name, RULES)}{RULES.own_words()}")
    return RULES[name]


def rule_path(
    chosen: Rule, predictions: Mapping[str, ArrayLike], *, false_threshold: float | None = None
) -> tuple[Floats, Floats, Floats]:
    """What T* moves an image between: (kept (N, K), sent (N, K), confidence (N,)).

    At T*, the final probabilities are `sent` where confidence < T*, elsewhere `kept`: an image
    whose confidence is T*, to 12 decimals, is kept. A rule without threshold has kept = sent. The
    False extension changes an image alone, so it keeps this form.
    """
    needed = chosen.uses + (("false",) if false_threshold is not None else ())
    raise_if_any(
        [
            Problem(f"rule '{chosen.name}' needs the predictions of the network '{network}'")
            for network in needed
            if network not in predictions
        ]
    )
    arrays = {name: checked_predictions(predictions[name], f"network '{name}'") for name in needed}
    shapes = {array.shape for array in arrays.values()}
    if len(shapes) > 1:
        listed = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise InputError(f"networks predict different images or classes: {listed}")
    try:
        sent: Floats = np.asarray(chosen.function(*(arrays[name] for name in chosen.uses)))
    except Exception as error:  # a user's own rule: its arm alone has no result
        text = f"rule '{chosen.name}' fails with {type(error).__name__}: {error}"
        raise InputError(text) from error
    if sent.shape not in shapes:
        raise InputError(f"rule '{chosen.name}' gives {sent.shape} for {shapes.pop()}")
    sent = checked_predictions(sent, f"rule '{chosen.name}'")
    # without the original network there is no threshold, and this is only the rule's own
    certain = margin(arrays["original"] if "original" in chosen.uses else sent)
    kept = arrays["original"] if chosen.has_threshold else sent
    if false_threshold is not None:
        cut = threshold_value(false_threshold)
        same = kept is sent
        sent = np.where((margin(sent) < cut)[:, None], arrays["false"], sent)
        kept = sent if same else np.where((margin(kept) < cut)[:, None], arrays["false"], kept)
    return kept, sent, certain
