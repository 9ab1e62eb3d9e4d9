from __future__ import annotations

from collections.abc import Iterator

import pytest
from faulty_runs import Forker, forking


@pytest.fixture
def no_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws nothing, which takes longer than tiny trainings."""
    monkeypatch.setattr("abl.app.session._draw", lambda *given: None)


@pytest.fixture(scope="session")
def drivers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forker]:
    """Starts `abl` in processes of their own, quickly."""
    with forking(tmp_path_factory.mktemp("drivers")) as forker:
        yield forker
