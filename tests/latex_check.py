"""What pdflatex would stop at, checked without it."""

from __future__ import annotations

import re


def check_latex(text: str) -> None:
    """Raises AssertionError at groups, environments, ends of rows, unescaped specials."""
    written = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    plain = re.sub(r"\\textbackslash\{\}|\\[{}$&%#_]", "", written)
    depth = 0
    for mark in plain:
        depth += {"{": 1, "}": -1}.get(mark, 0)
        assert depth >= 0
    assert depth == 0
    assert plain.count("$") % 2 == 0
    assert re.findall(r"\\begin\{(\w+)\}", plain) == re.findall(r"\\end\{(\w+)\}", plain)[::-1]
    alignment = re.search(r"\\begin\{tabular\}\{([lr]+)\}", plain)
    assert alignment is not None
    body = plain[plain.index(r"\toprule") : plain.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert rows
    for row in rows:
        assert row.count("&") == len(alignment[1]) - 1
        assert not row.lstrip().startswith(("[", "*"))
    outside_math = "".join(plain.split("$")[::2])
    assert not re.search(r"[#%_^~]", outside_math)
    assert not [mark for mark in plain if ord(mark) > 0x17F]
    known = {
        "begin", "end", "centering", "caption", "label", "toprule", "midrule", "bottomrule",
        "textbf", "textsuperscript", "pm", "dagger", "Delta", "par", "smallskip", "footnotesize",
        "raggedright", "textless", "textgreater", "textbar", "textasciitilde",
        "textasciicircum", "times", "leq", "geq", "infty", "cdot", "ldots",
    }  # fmt: skip
    assert set(re.findall(r"\\([A-Za-z]+)", plain)) <= known
