"""The sweep file that `abl init` writes: every choice with its reason, as comments."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterable, Sequence

from abl.app.init.design import FirstDesign
from abl.app.init.found import FoundSet
from abl.app.init.machine import MINUTES, Machine
from abl.decide.metric_names import metric_named
from abl.decide.power import detectable_difference
from abl.report.numbers import time_label
from abl.studies.shared.plan_notes import power_notes, verdict_note
from abl.visible import visible_line

PRIMARY = "auc"
WIDTH = 98
PLAIN = re.compile(r"[A-Za-z][\w.-]*(?: [\w.-]+)*", re.ASCII)
WORDS_OF_YAML = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


def sweep_text(
    found: FoundSet,
    design: FirstDesign,
    machine: Machine,
    *,
    name: str,
    title: str,
    data: Sequence[str],
) -> str:
    """The sweep file.

    Args:
        data: Lines of the data block that say where the manifest is.
    """
    panel = design.panel
    known = any(each.patient for each in found.images)
    grouped = any(each.group for each in found.images)
    masked = any(each.masks for each in found.images)
    starts = "ImageNet weights" if panel.pretrained else "random weights"
    lines = [
        *comment(f"Written by abl init for {title}. It runs as it is; every line may be changed."),
        *comment("what would be done, and how long it takes: abl plan, then: abl sweep"),
        "#",
        *(line for each in found.said for line in comment(f"- {each}")),
        f"name: {name}",
        "study: compare  # any settings side by side, one network an arm",
        f"title: {quoted(title)}",
        "",
        "data:",
        *(f"  {line}" for line in data),
        *comment(
            "labels 0, 1, ... from the mildest to the worst, as far as names tell"
            + ("; the second is the positive class" if len(found.classes) == 2 else ""),
            indent=2,
        ),
        f"  classes: [{', '.join(map(quoted, found.classes))}]",
        *_patient_lines(known, grouped),
    ]
    if masked:
        lines += comment(
            "the manifest names masks; study mask_guided reads them (docs/studies/mask_guided.md)",
            indent=2,
        )
    lines += [
        "",
        *comment(
            f"on {machine.said}: the largest size up to that of the images with which all "
            f"trainings are estimated to take {MINUTES:g} minutes at most"
        ),
        *comment(f"estimate: {time_label(60 * panel.minutes)}"),
        f"image: {{size: {panel.size}, channels: {1 if design.grey else 3}, "
        f"normalize: {'imagenet' if panel.pretrained else 'half'}}}",
        "",
    ]
    if design.by_column:
        lines += [
            *comment("the split that the folder came with; validation is drawn if it has none"),
            "splits: {kind: column, column: split}",
        ]
    else:
        lines += [
            *comment(f"every {design.units} is tested once"),
            f"splits: {{kind: kfold, folds: {panel.folds}, validation: 0.2}}",
        ]
    seeds = ", ".join(map(str, design.seeds))
    lines += [
        *comment("several seeds, so that verdicts are about recipes, not about these trainings"),
        f"replicates: {{repeats: 1, seeds: [{seeds}]}}",
        "",
        *comment(f"networks start from {starts}{_weights_advice(design, machine)}"),
        "train:",
        f"  network: {quoted(panel.networks[0])}",
        *(["  weights: imagenet"] if panel.pretrained else []),
        f"  epochs: {panel.epochs}",
        "  last_k: 3  # predictions are means over the last three epochs",
        f"  batch_size: {design.batch_size}",
        f"  optimizer: {{name: adam, lr: {'1e-4' if panel.pretrained else '1e-3'}}}",
        "  schedule: {name: cosine}",
        "  balance: duplicate  # images of smaller classes are repeated",
        "  augment: {flip: yes, rotate_deg: 15}",
        "",
        "axes:",
        f"  network: [{', '.join(map(quoted, panel.networks))}]",
        "",
        f"metrics: [{', '.join(_metrics(len(found.classes)))}]",
        f"primary: {PRIMARY}  # what decides, and is tested",
        *([f"base: {{network: {quoted(panel.networks[0])}}}"] if len(panel.networks) > 1 else []),
        "margin: 0.02  # the smallest difference that matters: yours to say, before the results",
        *(line for each in power_said(found, design) for line in comment(each)),
    ]
    if machine.gpu:
        lines += ["", "resources: {gpus: 1}  # small trainings share it"]
    return "\n".join(lines) + "\n"


def power_said(found: FoundSet, design: FirstDesign) -> list[str]:
    """Which verdicts the design allows, and how small a difference it can show."""
    splits = 1 if design.by_column else design.panel.folds
    seeds = len(design.seeds)
    said = [verdict_note(splits, seeds, has_margin=True)]
    counts = [_tested(found, design, name) for name in found.classes]
    metric = metric_named(PRIMARY)
    if len(counts) == 2:
        return said + power_notes(metric, counts[0], counts[1], splits, seeds, word=design.units)
    each = []
    for name, count in zip(found.classes, counts, strict=True):
        least = detectable_difference(
            metric, sum(counts) - count, count, splits=splits, seeds=seeds
        )
        if least == least:  # not nan
            each.append(f"{name} ({count}) {100 * least:.1f}")
    if each:
        said.append(
            f"of {sum(counts)} test {design.units}s, differences of two arms in the AUC of a class "
            f"against the rest that will hardly be seen below, in points: {', '.join(each)} (80 % "
            "power, both near 0.8)"
        )
    return said


def _tested(found: FoundSet, design: FirstDesign, name: str) -> int:
    """Units of a class in the test sets of one repeat."""
    if not design.by_column:
        return design.of_class[name]
    own = [each for each in found.images if each.label == name and each.split == "test"]
    return len({each.patient or each.group or each.image for each in own})


def quoted(text: str) -> str:
    """A text as YAML takes it for this text, in a list too."""
    if PLAIN.fullmatch(text) and text.lower() not in WORDS_OF_YAML:
        return text
    return json.dumps(text, ensure_ascii=False)


def comment(text: str, *, indent: int = 0) -> list[str]:
    """A text as lines of comment."""
    shown = visible_line(text)
    start = " " * indent + "# "
    further = start + "  " if shown.startswith("- ") else start
    return textwrap.wrap(
        shown, WIDTH, initial_indent=start, subsequent_indent=further, break_long_words=False
    )


def _patient_lines(known: bool, grouped: bool) -> Iterable[str]:
    if known:
        said = "splits are by patient: no patient is on two sides of a split"
        said += "; near-duplicates of two patients neither (column group)" if grouped else ""
    else:
        said = (
            "PATIENTS ARE NOT KNOWN: images of one person may be on two sides of a split, and "
            "results may be too good; a column patient in the manifest mends that"
        )
        said += ". Near-duplicates are kept together (column group)" if grouped else ""
    return comment(said, indent=2)


def _weights_advice(design: FirstDesign, machine: Machine) -> str:
    if design.panel.pretrained:
        return ", which lie on this machine"
    if len(machine.with_weights) < 2:
        return (
            "; with access to the internet `weights: imagenet` and networks such as resnet18 and "
            "efficientnet_b0 may be better on few images"
        )
    return "; pretrained ones would take longer than this machine is given"


def _metrics(classes: int) -> list[str]:
    return (
        ["acc", "sen", "spe", "f1", "auc"] if classes == 2 else ["acc", "balanced_acc", "f1", "auc"]
    )
