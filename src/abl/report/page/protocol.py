"""The protocol of a sweep in words, as its arms were run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from abl.report.labels import CHOSEN, cluster_word, counted, label_in, metric_label
from abl.report.named import words_of
from abl.report.page.arm_settings import blocks_of, own_arms
from abl.report.page.choices import choices_words
from abl.report.page.report_facts import ReportFacts
from abl.report.page.setting_words import BY_ARM, block_words, either, value_words, values_words
from abl.spec.sweep import Sweep
from abl.spec.train import OF_PAIRS

DUPLICATES = {
    "refuse": "refused",
    "report": "reported where found, and left in",
    "ignore": "not looked for",
}
ROLES_OF_NETWORKS = {
    "arm": "arms",
    "selector": "selectors",
    "pretraining": "pretraining",
    "segmentation": "segmentation branch",
    "behind": "features or flags that arms read",
    "search": "points of a search",
    "failed": "arms without a result",
}
_SPLITS = {"kind", "folds", "test", "validation", "by", "column", "scored", "seed"}


def protocol_rows(
    facts: ReportFacts, own_choices: Sequence[str] | None = None
) -> list[tuple[str, str]]:
    """Term and description of each part of the protocol, defaults included.

    Args:
        own_choices: What the outcome's study says of choices of its own.
    """
    sweep = facts.sweep
    if sweep is None:
        return []
    units = either(str(data["unit"]) for data in blocks_of(facts.settings, "data"))
    rows = [
        ("Study", sweep.study + _published_words(facts)),
        ("Data", data_words(facts)),
        ("Scored", f"each {units}, classes {', '.join(sweep.data.classes)}"),
        ("Image", block_words(blocks_of(facts.settings, "image"))),
        ("Splits", split_words(facts)),
        *((f"External set {s.name}", f"{s.source}; decides nothing") for s in sweep.external),
        ("Replicates", replicate_words(facts)),
        *_training_rows(facts),
    ]
    options = blocks_of(facts.settings, "options")
    if using := [block for block in options if block]:
        some = "" if len(using) == len(options) else " (arms that use them)"
        rows.append(("Options of the study", block_words(using) + some))
    rows += [(f"Axis {name}", values) for name, values in axis_rows(facts)]
    rows += [
        ("Metrics", f"{metric_labels(facts.outcome.metrics)}; {primary_words(facts)}"),
        ("Chosen", choices_words(facts, own_choices)),
        *_comparison_rows(facts, sweep),
    ]
    if facts.imported:
        names = ", ".join(words_of(arm, facts.outcome) for arm in facts.imported)
        said = f"{names}: trained elsewhere, of which nothing above speaks; scored on these tests"
        rows.append(("Imported arms", said))
    return [(name, marked(text, facts)) for name, text in rows]


def _published_words(facts: ReportFacts) -> str:
    if not facts.published:
        return ""
    named = ", ".join(str(row["name"]) for row in facts.outcome.facts.departures)
    return f", published protocol: {named}" if named else ", published protocol"


def marked(text: str, facts: ReportFacts) -> str:
    """The text, where settings were chosen for each split alone, with `by arm and split`."""
    nested = any(row.get("scope") == "by_split" for row in facts.outcome.facts.searches)
    return text.replace(BY_ARM, "(by arm and split)") if nested else text


def primary_words(facts: ReportFacts) -> str:
    """What the primary metric does."""
    primary = label_in(facts.outcome, facts.outcome.primary)
    return f"{primary} decides" if facts.compared else f"{primary} is the primary one"


def _training_rows(facts: ReportFacts) -> Iterable[tuple[str, str]]:
    networks = network_words(facts)
    if networks:
        yield "Networks trained", networks
    blocks = blocks_of(facts.settings, "train")
    known = {row["network"] for row in facts.outcome.facts.ran.get("trainings", ())}
    if known:  # arms of features are of networks that are named above, not of that of the block
        blocks = [
            {n: value for n, value in block.items() if n != "network" or value in known}
            for block in blocks
        ]
    if not blocks:
        yield "Training", "no arm of this sweep trained a network"
        return
    parts = ("optimizer", "schedule", "augment")
    rest = [{n: value for n, value in block.items() if n not in parts} for block in blocks]
    for block in rest:
        if block.get(OF_PAIRS) == "none":  # single images have none, which is no choice
            del block[OF_PAIRS]
    yield "Training of arms", block_words(rest)
    for name, title in zip(parts, ("Optimizer", "Schedule", "Augmentation"), strict=True):
        yield title, block_words([block[name] for block in blocks])


def network_words(facts: ReportFacts) -> str:
    """Networks with what they were trained for, and how often; "" if that was not recorded."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    for row in facts.outcome.facts.ran.get("trainings", ()):
        total, roles = found.get(row["network"], (0, {}))
        for role in row["roles"]:
            roles[role] = roles.get(role, 0) + int(row["count"])
        found[row["network"]] = (total + int(row["count"]), roles)
    said = []
    for network, (total, roles) in found.items():
        words = [ROLES_OF_NETWORKS[role] for role in roles]
        if len(roles) > 1:
            words = [f"{name} {n}" for name, n in zip(words, roles.values(), strict=True)]
            if sum(roles.values()) > total:
                words.append("some are both")
        said.append(f"{network}: {counted(total, 'training')} ({', '.join(words)})")
    return "; ".join(said)


def _comparison_rows(facts: ReportFacts, sweep: Sweep) -> Iterable[tuple[str, str]]:
    bases = dict.fromkeys(a.comparison.base for a in facts.arms if a.comparison is not None)
    if not facts.compared:
        asked = f"; {value_words(sweep.base)} was asked for" if sweep.base else ""
        yield "Compared with", f"nothing{asked}"
    elif sweep.base:
        yield "Compared with", f"{value_words(sweep.base)}, at equal other axes"
    elif bases:
        yield "Compared with", values_words(bases)
    for each in sweep.contrasts if facts.compared else ():
        yield "Also compared", f"{value_words(each.arm)} with {value_words(each.base)}"
    if facts.compared:
        yield "Margin", value_words(sweep.margin) if sweep.margin else "none given"
    word = cluster_word(facts.outcome)
    draws = f"{sweep.resamples // 5:,} of {word}s, for metrics that are not smooth in them"
    family = f"{sweep.resamples:,} of the family's tests; " if facts.compared else ""
    yield "Draws", family + draws


def axis_rows(facts: ReportFacts) -> Iterable[tuple[str, str]]:
    """Axis, and the values that its arms have; what is chosen along a curve says so."""
    outcome, imported = facts.outcome, {arm.key for arm in facts.imported}
    arms = [arm for arm in outcome.arms if arm.key not in imported]
    curve = outcome.curve_axis
    names = dict.fromkeys([*outcome.axes, *(axis for arm in arms for axis in arm.params)])
    for name in names:
        if name == CHOSEN:
            continue
        given = [arm.params[name] for arm in arms if arm.params.get(name, "") != ""]
        if values := [value for value in given if name != curve or value != CHOSEN]:
            yield name, values_words(values)
    along = facts.sweep.axes.get(curve) if facts.sweep is not None else None
    chose = any(curve in a.replicates and a.curve is not None for a in own_arms(outcome))
    if along is not None and chose:
        yield curve, f"{values_words(along.listed())}, chosen on validation"


def data_words(facts: ReportFacts) -> str:
    """Where the images come from, external sets aside."""
    blocks = blocks_of(facts.settings, "data")
    phantoms = [block["phantom"] for block in blocks if "phantom" in block]
    if len(phantoms) < len(blocks):
        return either((_data_text(block) for block in blocks), among="; or ")
    said = f"generated ultrasound images: {block_words(phantoms)}"
    chosen = ["; ".join(_selected(block)) for block in blocks]
    if not any(chosen):
        return said
    return f"{said}; {either(each or 'first images' for each in chosen)}"


def _data_text(data: Mapping[str, Any]) -> str:
    if "phantom" in data:
        source = "generated ultrasound images: " + block_words([data["phantom"]])
    else:
        source = f"set {data['set']}" if data.get("set") else f"manifest {data.get('manifest')}"
    return "; ".join([source, *_selected(data)])


def _selected(data: Mapping[str, Any]) -> list[str]:
    """What of a source a data block takes."""
    parts = [f"{column} in {', '.join(kept)}" for column, kept in data.get("where", {}).items()]
    parts += [f"{column} not {', '.join(lost)}" for column, lost in data.get("without", {}).items()]
    if data.get("drop_missing"):
        parts.append("rows without " + ", ".join(data["drop_missing"]) + " left out")
    words = {"second": "second images", "both": "pairs of images", "mixed": "both images, singly"}
    if (modality := data.get("modality")) in words:
        pairing = data.get("pairing", "own")
        how = {"first": ", the first one twice", "shuffled": ", exchanged within a class"}
        parts.append(words[str(modality)] + how.get(str(pairing), ""))
    return parts


def split_words(facts: ReportFacts) -> str:
    """How patients are divided."""
    text = either(
        (
            _split_text(each, cluster_word(facts.outcome))
            for each in blocks_of(facts.settings, "splits")
        ),
        among="; or ",
    )
    kinds = either(
        DUPLICATES.get(str(data["duplicates"]), str(data["duplicates"]))
        for data in blocks_of(facts.settings, "data")
    )
    return f"{text}; near-duplicates across splits: {kinds}"


def _split_text(splits: Mapping[str, Any], cluster: str) -> str:
    share, rest = f"{100 * splits['test']:g} % test", f"{100 * splits['validation']:g} %"
    kind = str(splits["kind"])
    words = {
        "holdout": f"hold-out, {share}",
        "kfold": f"{splits['folds']} folds",
        "monte_carlo": f"independent draws, {share}",
        "column": f"column {splits['column']} of the manifest",
    }
    by = cluster if splits["by"] == "patient" else splits["by"]
    parts = [words.get(kind, kind), f"by {by}"]
    if splits.get("scored") == "validation":
        parts.append("its validation rows are scored")
    parts += [] if kind == "column" else [f"classes spread as evenly as whole {by}s allow"]
    if not splits["validation"]:
        parts.append("no validation part")
    elif kind == "column":
        parts.append(f"validation images, if it names none, {rest} of the others, drawn by class")
    else:
        parts.append(f"{rest} of the rest for validation")
    parts.append(f"seed {splits['seed']}")
    parts += [f"{n} {value_words(v)}" for n, v in splits.items() if n not in _SPLITS]
    return ", ".join(parts)


def replicate_words(facts: ReportFacts) -> str:
    """How many splits and seeds."""
    count, splits, seeds = len(facts.replicates), facts.splits, facts.seeds
    text = f"{counted(splits, 'split')} × {counted(seeds, 'seed')}"
    if count != splits * seeds:
        text = f"on {counted(splits, 'split')}, with {counted(seeds, 'seed')} in all"
    return f"{counted(count, 'replicate')}: {text}"


def metric_labels(metrics: Iterable[str]) -> str:
    """Metrics as tables name them."""
    return ", ".join(metric_label(name) for name in metrics)
