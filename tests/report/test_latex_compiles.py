"""The LaTeX of every table, through pdflatex where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from abl.report.tables import printed, table_of
from abl.report.tables.more import replicates_table
from made_arms import THREE, made_frame, made_outcome

PAGE = r"""\documentclass{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{booktabs}
\begin{document}
%s
\end{document}
"""


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex here")
def test_tables_compile(tmp_path: Path) -> None:
    frame = made_frame(dict(zip(THREE, (0.3, 0.8, 1.6), strict=True)))
    outcome = made_outcome(frame, THREE, base=next(iter(THREE)))
    made = [
        table_of(outcome),
        table_of(outcome, intervals=True, per_cent=False),
        table_of(outcome, pivot=("rule", "consensus")),
        replicates_table(outcome),
    ]
    page = PAGE % "\n".join(printed(each, "latex") for each in made)
    (tmp_path / "tables.tex").write_text(page, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout.decode("latin-1")[-2000:]
    assert (tmp_path / "tables.pdf").stat().st_size > 1000
