"""Options of the two-step study, which axes matter to an arm, and what is weak in its protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from abl.decide.consensus import consensus_problems
from abl.decide.rules import RULES
from abl.errors import nearest
from abl.nets.registry import check_network
from abl.report.labels import metric_label
from abl.spec.base import Part
from abl.spec.train import Balance
from abl.studies.shared.thresholds import (
    BEST_ON_TEST,
    DecisionSearch,
    PromiseOptions,
    threshold_problem,
)

if TYPE_CHECKING:
    from abl.report.page.report_facts import ReportFacts
    from abl.report.page.weaknesses import OwnWeaknesses

SECOND = ("true", "retrained", "matched", "hybrid")
CALIBRATE = ("none", "temperature", "prior")
NO_FALSE = "none"
OF_SELECTORS = ("panel", "epochs", "selectors", "selector_seeds", "sizes")


class Options(Part):
    """Settings of the two-step study."""

    panel: tuple[str, ...] = Field(
        ("cnn1", "cnn2", "plain4", "tiny_resnet", "tiny_mobile"),
        min_length=1,
        description="Selector networks, trained as `train` says; one that is also an original "
        "network is trained once. Weights from a file are used by the network they belong to.",
    )

    @field_validator("panel")
    @classmethod
    def _selectors_differ(cls, panel: tuple[str, ...]) -> tuple[str, ...]:
        twice = next((name for at, name in enumerate(panel) if name in panel[:at]), None)
        if twice is not None:
            raise ValueError(f"{twice} is given twice: it would vote twice")
        return panel

    epochs: Annotated[int, Field(ge=1)] | None = Field(
        None, description="Epochs of the selectors; default: those of the networks."
    )
    selectors: Literal["arm", "base"] = Field(
        "arm",
        description="Selectors are trained with the image and train blocks of each arm, or all "
        "with those of the file: one selection for arms that train otherwise.",
    )
    selector_seeds: Annotated[int, Field(ge=1, le=20)] = Field(
        1,
        description="Trainings of each selector, with other seeds; each votes: panel: [resnet101] "
        "with 5 is a panel of five.",
    )
    sizes: dict[str, Annotated[int, Field(ge=8, le=2048)]] = Field(
        default_factory=dict,
        description="Selectors that see images of a size of their own, as image.size: {alexnet: "
        "227, inception_v3: 299}.",
    )
    balance: dict[Literal["true", "false"], Balance] = Field(
        default_factory=dict,
        description="train.balance of the second network (true) and of the False network where "
        "it is not the original's: {true: duplicate}.",
    )
    hybrid: Annotated[float, Field(ge=0, le=1)] = Field(
        0.25,
        description="second: hybrid: share of the images outside True-N that are added to it, of "
        "each class at random; those of a smaller share are among those of a larger one.",
    )
    maps: bool = Field(
        False,
        description="Class activation maps (Grad-CAM) of the original and the second network of "
        "the first arm that has both, and a figure of test images whose answer changes.",
    )
    selection: Literal["in_sample", "out_of_fold"] = Field(
        "in_sample",
        description="Selectors judge the images that they were trained on, as the paper has it, or "
        "images held out from them in an inner cross-validation by patient.",
    )
    inner_folds: Annotated[int, Field(ge=2, le=20)] = Field(
        5, description="Folds of the inner cross-validation."
    )
    keep_at_least: Annotated[int, Field(ge=0)] = Field(
        0,
        description="Images of each class that True-N and False-k hold at least: those that most "
        "selectors agree on are added. 0: a selection that leaves a class out fails.",
    )
    search: DecisionSearch = Field(
        DecisionSearch(), description="What `threshold: search` searches."
    )
    promise: PromiseOptions = Field(
        PromiseOptions(), description="What `threshold: promise` promises."
    )

    @property
    def voters(self) -> tuple[str, ...]:
        """Network of each selector that votes."""
        return tuple(name for name in self.panel for _ in range(self.selector_seeds))

    @field_validator("balance", mode="before")
    @classmethod
    def _roles_are_words(cls, given: Any) -> Any:
        # YAML reads the role true as a boolean
        if not isinstance(given, Mapping):
            return given
        return {str(n).lower() if isinstance(n, bool) else n: each for n, each in given.items()}

    @model_validator(mode="after")
    def _sizes_are_of_selectors(self) -> Options:
        strange = [name for name in self.sizes if name not in self.panel]
        if strange:
            raise ValueError(
                f"sizes: {strange[0]} is no selector: {nearest(strange[0], self.panel)}"
            )
        return self


def uses_true(own: Mapping[str, Any]) -> bool:
    """Whether the arm's rule has a second network."""
    rule = RULES.get(str(own.get("rule")))
    return rule is not None and "true" in rule.uses


def is_false(own: Mapping[str, Any]) -> bool:
    """Whether the arm's rule is the False network alone."""
    rule = RULES.get(str(own.get("rule")))
    return rule is not None and "false" in rule.uses


def uses_panel(own: Mapping[str, Any]) -> bool:
    """Whether the arm's rule takes the mean of the selectors."""
    rule = RULES.get(str(own.get("rule")))
    return rule is not None and "panel" in rule.uses


def extends_false(own: Mapping[str, Any]) -> bool:
    """Whether the False network has the last word on images that stay unsure."""
    rule = RULES.get(str(own.get("rule")))
    named = own.get("false_k", NO_FALSE) != NO_FALSE
    return named and rule is not None and rule.has_threshold


def uses_false(own: Mapping[str, Any]) -> bool:
    """Whether a False network is trained for the arm."""
    return extends_false(own) or (is_false(own) and own.get("false_k", NO_FALSE) != NO_FALSE)


def needs_selection(own: Mapping[str, Any]) -> bool:
    """Whether a selector panel has to judge the training images."""
    by_true = uses_true(own) and own.get("second") != "retrained"
    return by_true or uses_false(own)


def relevant(own: Mapping[str, Any], axes: Collection[str]) -> set[str]:
    """The axes that matter to an arm with these values of the study's own."""
    rule = RULES.get(str(own.get("rule")))
    if rule is None:
        return set(axes)
    # of the words that choose a T*: a block of options that matters to that word alone
    ways = {
        word: {axis for axis in axes if axis.startswith(f"options.{word}")}
        for word in ("search", "promise")
    }
    of_ways = set().union(*ways.values())
    drop: set[str] = set()
    if not uses_true(own):
        drop |= {"consensus", "second"}
    if own.get("second") == "retrained":
        drop.add("consensus")
    if own.get("second") != "hybrid":
        drop.add("options.hybrid")
    of_panel = {axis for axis in axes if axis.startswith("options.")} - of_ways
    if not needs_selection(own):
        # a mean of selectors asks how they are trained, and for no selection
        kept = {f"options.{name}" for name in OF_SELECTORS} if uses_panel(own) else set()
        drop |= of_panel - kept
    if uses_panel(own):
        drop.add("network")  # none of its selectors is the arm's network, but by name
    if not rule.has_threshold:
        drop |= {"threshold"} | (set() if is_false(own) else {"false_k"})
    if not extends_false(own):
        drop.add("false_threshold")
    for word, found in ways.items():
        if "threshold" in drop or own.get("threshold") != word:
            drop |= found
    return set(axes) - drop


def arm_faults(
    own: Mapping[str, Any], panel: tuple[str, ...] | None, *, best_on_test: bool
) -> list[tuple[str, str]]:
    """(axis or option, what is wrong with its value) of an arm.

    Args:
        panel: None if it is not known.
        best_on_test: Whether the file allows a False threshold that is chosen on the test set.
    """
    faults = []
    for name in panel or ():
        if wrong := check_network(name):
            faults.append(("options.panel", f"options.panel: {wrong}"))
    rule = str(own.get("rule"))
    if rule not in RULES:
        faults.append(("rule", f"rule '{rule}' is not known: {nearest(rule, RULES)}"))
    if "network" in own and (wrong := check_network(str(own["network"]))):
        faults.append(("network", wrong))
    for axis in ("consensus", "false_k"):
        count = own.get(axis, NO_FALSE)
        if axis in own and not (axis == "false_k" and count == NO_FALSE):
            faults += [(axis, text) for text in _count_faults(axis, count, panel)]
    if is_false(own) and own.get("false_k", NO_FALSE) == NO_FALSE:
        text = "rule: false needs a False network: write false_k: 3"
        faults.append(("false_k" if "false_k" in own else "rule", text))
    for axis, valid in (("second", SECOND), ("calibrate", CALIBRATE)):
        word = str(own.get(axis, valid[0]))
        if word not in valid:
            faults.append((axis, f"{axis}: '{word}' is not known: {nearest(word, valid)}"))
    if "threshold" in own and (text := threshold_problem(own["threshold"])):
        faults.append(("threshold", text))
    cut = own.get("false_threshold", 0.0)
    if cut == BEST_ON_TEST:
        if not best_on_test:
            text = (
                f"{BEST_ON_TEST} reads the test set to choose: it needs published: "
                "[false_threshold_on_test]"
            )
            faults.append(("false_threshold", f"false_threshold: {text}"))
    elif isinstance(cut, bool) or not isinstance(cut, int | float) or not 0 <= cut <= 1:
        faults.append(("false_threshold", f"false_threshold: {cut!r} is not in [0, 1]"))
    return faults


def _count_faults(axis: str, count: Any, panel: tuple[str, ...] | None) -> list[str]:
    if isinstance(count, bool) or not isinstance(count, int):
        also = ", or none" if axis == "false_k" else ""
        return [f"{axis}: a whole number is wanted{also}, not {count}"]
    if not panel:
        return []
    return [str(each) for each in consensus_problems([count], len(panel), name=axis)]


def two_step_weaknesses(facts: ReportFacts) -> OwnWeaknesses:
    """What networks know of the images that decide, and what was chosen.

    What the sweep names of the published protocol is said there.
    """
    from abl.report.page.weaknesses import OwnWeaknesses

    arms, own = facts.outcome.arms, []
    options = {} if facts.sweep is None else facts.sweep.options
    selects = facts.sweep is not None and any(arm.params.get("consensus", "") != "" for arm in arms)
    in_sample = selects and options.get("selection", "in_sample") == "in_sample"
    if in_sample and "selection_in_sample" not in facts.departures:
        own.append(
            "Training images were selected by networks that had been trained on them "
            "(selection: in_sample): such a network agrees with labels it has learned by heart."
        )
    histogram = any(arm.params.get("threshold") == "histogram" for arm in arms)
    if histogram and "threshold_in_sample" not in facts.departures:
        own.append(
            "A T* was read off the confidences on training images, which are higher than those "
            "on new images: more test images are sent on than of those it was read from."
        )
    if any(_sends_hard_to_easy(arm.params) for arm in arms):
        own.append(
            "A True network sees no training image that its selectors find hard, and receives the "
            "test images of which the original one is unsure."
        )
    return OwnWeaknesses(tuple(own), tuple(two_step_choices(facts)))


def _sends_hard_to_easy(params: Mapping[str, Any]) -> bool:
    """Whether an arm sends what O is unsure of to a network of what selectors find easy."""
    rule = RULES.get(str(params.get("rule")))
    sends = rule is not None and rule.has_threshold and "true" in rule.uses
    return sends and str(params.get("second", "true")).lower() == "true"


def two_step_choices(facts: ReportFacts) -> list[str]:
    """What was chosen by predictions in each replicate: T*, calibration, the False threshold."""
    by, curve, found = facts.chooses_by, facts.outcome.curve_axis, []
    imported = {arm.key for arm in facts.imported}
    arms = [arm for arm in facts.arms if arm.key not in imported]
    for arm in arms:
        rule = RULES.get(str(arm.params.get("rule")))
        if rule is not None and not rule.has_threshold:
            continue
        named = arm.params.get("threshold", "chosen" if curve and arm.curve is not None else "")
        if named == "chosen":
            found.append(f"T* of a grid by {by} on validation")
        elif named == "exact":
            found.append(f"T* by {by} on validation, the best of all")
        elif named == "histogram":
            found.append("T* by the confidences on training images")
        elif named == "search":
            found += _searched(facts, by)
        elif str(named).endswith("%"):
            found.append(f"T* by the share of validation images sent on, {named}")
        elif str(named) != "always" and isinstance(named, str) and named:
            found.append(f"T* by {named}, on validation")
    calibrated = dict.fromkeys(str(arm.params.get("calibrate", "none")) for arm in arms)
    fitted = [name for name in calibrated if name not in ("none", "")]
    found += [f"calibration ({', '.join(fitted)}) fitted on validation"] if fitted else []
    if any(arm.params.get("false_threshold") == BEST_ON_TEST for arm in arms):
        found.append(f"the False threshold by {by} on the test images, as the publication did")
    return list(dict.fromkeys(found))


def _searched(facts: ReportFacts, by: str) -> list[str]:
    """Of each search block that arms had: what it searched, and by what."""
    blocks = [each["options"].get("search", {}) for each in facts.settings]
    said = []
    for search in blocks or [{}]:
        over = ", ".join(search.get("over", ("threshold",))).replace("_", " ")
        named = [
            "share sent on" if name == "share" else metric_label(name)
            for name in search.get("objectives", ())
        ]
        said.append(f"{over} searched by {' and '.join(named) or by}, on validation")
    return said
