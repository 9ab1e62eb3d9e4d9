"""A database of an older MLflow is copied, migrated, and both are said; nothing in it is lost."""

from __future__ import annotations

import shutil
import sqlite3
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine

from abl.errors import InputError
from abl.record.mlflow_writer import MlflowRecord

MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations"
STEPS = 6  # revisions before the newest


def older_revision() -> str:
    script = ScriptDirectory(str(MIGRATIONS))
    return [each.revision for each in script.walk_revisions()][STEPS]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database as that MLflow had left it, with a run in it."""
    from mlflow.store.tracking.dbmodels.initial_models import Base

    root = tmp_path_factory.mktemp("older")
    engine = create_engine(f"sqlite:///{root}/mlflow.db")
    Base.metadata.create_all(engine)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, older_revision())
    engine.dispose()
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute(
            "INSERT INTO experiments (experiment_id, name, artifact_location, lifecycle_stage) "
            "VALUES (7, 'abl stages', 'mlflow-artifacts:/x', 'active')"
        )
        database.execute(
            "INSERT INTO runs (run_uuid, name, source_type, user_id, status, start_time, end_time,"
            " lifecycle_stage, artifact_uri, experiment_id) VALUES "
            "('a1', 'old', 'LOCAL', 'me', 'FINISHED', 1, 2, 'active', 'file:///x/a1', 7)"
        )
        for key, value in (("abl.key", "old"), ("abl.complete", "true")):
            database.execute("INSERT INTO tags VALUES (?, ?, 'a1')", (key, value))
        database.commit()
    return root


@pytest.fixture
def root(older: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(older, tmp_path / "mlruns"))


def revision(file: Path) -> str:
    with closing(sqlite3.connect(file)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


def opened(root: Path, uri: str | None = None) -> tuple[MlflowRecord, list[str]]:
    record, said = MlflowRecord(root, uri), []
    record.say = said.append
    record.check_reachable()
    return record, said


def test_it_is_copied_migrated_said_and_nothing_is_lost(root: Path) -> None:
    record, said = opened(root)
    copy = root / f"mlflow.db.before-{mlflow.__version__}"
    assert said == [
        f"mlflow.db is of an older MLflow: copied to {copy}, now migrated to {mlflow.__version__}"
    ]
    assert revision(copy) == older_revision() != revision(root / "mlflow.db")
    assert record.recorded(["old"]) == {"old": "a1"}
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT run_uuid FROM runs").fetchall() == [("a1",)]
    # once
    assert opened(root)[1] == []
    assert len(list(root.glob("mlflow.db.before-*"))) == 1


def test_a_file_that_the_user_names_is_copied_too_and_never_over_a_copy(root: Path) -> None:
    copy = root / f"mlflow.db.before-{mlflow.__version__}"
    copy.write_bytes(b"of a migration that was broken off")
    (line,) = opened(root.parent / "other", f"sqlite:///{root}/mlflow.db")[1]
    assert f"copied to {copy}.2," in line
    assert revision(copy.with_name(f"{copy.name}.2")) == older_revision()
    assert copy.read_bytes() == b"of a migration that was broken off"


def test_without_room_for_the_copy_nothing_is_done(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 100))
    before = (root / "mlflow.db").read_bytes()
    with pytest.raises(InputError) as caught:
        opened(root)
    (problem,) = caught.value.problems
    assert "copied before it is migrated" in str(problem)
    assert "make room" in str(problem)
    assert (root / "mlflow.db").read_bytes() == before
    assert not list(root.glob("*before*"))


def test_one_of_a_newer_mlflow_is_told_and_left(root: Path) -> None:
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    before = (root / "mlflow.db").read_bytes()
    with pytest.raises(InputError) as caught:
        opened(root)
    (problem,) = caught.value.problems
    assert "of another MLflow than" in str(problem)
    assert "install the one that wrote it" in str(problem)
    assert (root / "mlflow.db").read_bytes() == before


def test_one_that_cannot_be_migrated_is_told_with_its_copy(root: Path) -> None:
    with closing(sqlite3.connect(root / "mlflow.db")) as database:
        database.execute("ALTER TABLE experiments RENAME TO experiments_gone")
        database.commit()
    with pytest.raises(InputError) as caught:
        opened(root)
    (problem,) = caught.value.problems
    assert "could not be migrated" in str(problem)
    assert f"mv {root}/mlflow.db.before-{mlflow.__version__} {root}/mlflow.db" in str(problem)
    assert "\n" not in str(problem)
