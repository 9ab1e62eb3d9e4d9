"""What `abl audit` prints, within the terminal's width."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import pandas as pd

from abl.app.auditing.contradictions import Contradiction
from abl.decide.audit.expected_flags import Expected
from abl.decide.audit.label_audit import LabelAudit
from abl.visible import visible_line

PAIRS = 8  # of classes, and of near-duplicates
LONGEST = 60  # signs of a name
NARROWEST = 40


def audit_text(
    audit: LabelAudit, frame: pd.DataFrame, names: Sequence[str],
    pairs: Sequence[Contradiction] | None, notes: Iterable[str], top: int, width: int,
) -> str:  # fmt: skip
    """Numbers, then the first `top` images to look at, pairs of classes and images, notes."""
    width = max(width, NARROWEST)
    lines = [*_wrapped(_counts(audit), width), ""]
    lines += [*_expected_lines(audit, width), ""]
    lines += [*_ranking(frame.head(top), names, width), ""]
    lines += _confused(audit, names, width)
    if pairs is not None:
        lines += _duplicates(pairs, names, width)
    lines += [line for note in notes for line in _wrapped(note, width)]
    return "\n".join(line.rstrip() for line in lines).rstrip() + "\n"


def _counts(audit: LabelAudit) -> str:
    found = audit.found
    networks, flagged = len(found.networks), int(audit.flagged.sum())
    seen = found.times_seen[found.times_seen > 0]
    middle = int(pd.Series(seen).median())
    return (
        f"{_counted(len(found.images), 'image')}, {_counted(networks, 'network')}, "
        f"{_counted(int(seen.sum()), 'test appearance')} "
        f"(median {middle} an image), {int(found.times_wrong.sum()):,} of them wrong. "
        f"{_counted(flagged, 'label')} {'is' if flagged == 1 else 'are'} flagged "
        f"({_FLAGS[audit.flag]})."
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}" + ("s" if count != 1 else "")


_FLAGS = {
    "score": "by the score",
    "posterior": "error rate above theta more probable than not",
    "share": "wrong in more than theta of their appearances",
}


def _expected_lines(audit: LabelAudit, width: int) -> list[str]:
    expected = audit.expected
    theta = f"{100 * expected.theta:g} %"
    lines = _wrapped(
        f"Wrong in more than {theta} of their appearances: {_counted(expected.flagged, 'image')}. "
        "Without one wrong label, expected (95 % of draws):",
        width,
    )
    rows = [
        ("if all images were equally hard", expected.equal),
        ("under the fitted spread of difficulty", expected.fitted),
        (f"images truly above {theta} under that spread", expected.truly),
    ]
    wide = max(len(words) for words, _ in rows)
    return lines + [f"  {words:{wide}}  {_number(value)}" for words, value in rows]


def _number(expected: Expected) -> str:
    mean = f"{expected.mean:,.1f}" if expected.mean < 100 else f"{expected.mean:,.0f}"
    return f"{mean} [{expected.low:,}, {expected.high:,}]"


def _ranking(frame: pd.DataFrame, names: Sequence[str], width: int) -> list[str]:
    """A line an image; what does not fit into the width goes, the last columns first."""
    columns: list[tuple[str, list[str], bool]] = [
        ("image", [_cut(name, LONGEST) for name in frame["image"]], False),
        ("score", [_share(value) for value in frame["score"]], True),
        ("label", [_cut(names[at], 24) for at in frame["label"]], False),
        (
            "networks say",
            ["" if pd.isna(at) else _cut(names[at], 24) for at in frame["said"]],
            False,
        ),
        ("wrong", [f"{row.wrong}/{row.seen}" for row in frame.itertuples()], True),
        ("error rate", [_rate(row) for row in frame.itertuples()], True),
        ("", ["flagged" if each else "" for each in frame["flagged"]], False),
    ]
    sized = [max(len(head), *map(len, cells), 0) for head, cells, _ in columns]
    while len(columns) > 2 and sum(sized[: len(columns)]) + 2 * (len(columns) - 1) > width:
        columns.pop()
    over = sum(sized[: len(columns)]) + 2 * (len(columns) - 1) - width
    if over > 0:
        sized[0] = max(8, sized[0] - over)
    lines = []
    for at in range(-1, len(frame)):
        cells = [
            _padded(head if at < 0 else values[at], size, right=right)
            for (head, values, right), size in zip(columns, sized, strict=False)
        ]
        lines.append("  ".join(cells))
    return ["Look first at:", *lines]


def _confused(audit: LabelAudit, names: Sequence[str], width: int) -> list[str]:
    pairs = audit.confused_pairs().head(PAIRS)
    if not len(pairs):
        return []
    lines = ["Labelled, and what the networks together say instead:"]
    for label, said, count, flagged in pairs.to_numpy().tolist():
        words = f"{_cut(names[label], 24)} -> {_cut(names[said], 24)}: {_counted(count, 'image')}"
        lines += _wrapped(f"  {words}, {flagged:,} flagged", width)
    return [*lines, ""]


def _duplicates(pairs: Sequence[Contradiction], names: Sequence[str], width: int) -> list[str]:
    if not pairs:
        return ["No near-duplicates with contradicting labels.", ""]
    lines = [f"Near-duplicates with contradicting labels: {_counted(len(pairs), 'pair')}"]
    for each in pairs[:PAIRS]:
        text = (
            f"  {_cut(each.image_a, LONGEST)} ({names[each.label_a]}) and "
            f"{_cut(each.image_b, LONGEST)} ({names[each.label_b]}): {each.distance} of 256 bits "
            "differ"
        )
        lines += _wrapped(text, width)
    if len(pairs) > PAIRS:
        lines.append(f"  and {len(pairs) - PAIRS:,} more")
    return [*lines, ""]


def _wrapped(text: str, width: int) -> list[str]:
    indent = "  " if text.startswith("  ") else ""
    return textwrap.wrap(visible_line(text), width, subsequent_indent=indent + "  ") or [""]


def _cut(name: object, most: int) -> str:
    text = visible_line(str(name))
    return text if len(text) <= most else text[: most - 1] + "…"


def _padded(text: str, size: int, *, right: bool) -> str:
    text = text if len(text) <= size else text[: size - 1] + "…"
    return text.rjust(size) if right else text.ljust(size)


def _said(at: object, names: Sequence[str]) -> str:
    return _cut(names[at], 24) if isinstance(at, int) else ""


def _share(value: float) -> str:
    return "not known" if pd.isna(value) else f"{value:.4f}"


def _rate(row: object) -> str:
    rate, low, high = (getattr(row, name) for name in ("error_rate", "low", "high"))
    if pd.isna(rate):
        return "not known"
    return f"{100 * rate:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"
