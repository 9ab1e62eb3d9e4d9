"""A database of an older MLflow is copied before it is migrated, and both are said.

MLflow itself refuses such a database, or migrates it unasked where tables are missing; neither
leaves a copy, and a migration that is broken off cannot always be gone on with.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from abl.record.mlflow_errors import RecordError, shortened

# a migration writes tables anew beside the old ones, and the copy is as large as the database
_ROOM = 2.2
_MB = 10**6


def bring_up_to_date(file: Path, say: Callable[[str], None]) -> None:
    """Migrates a SQLite database of an older MLflow to the one that is installed.

    Args:
        file: The database; nothing is done if it is absent, new or up to date.
        say: Is told before the migration where the copy lies.

    Raises:
        RecordError: It is of a newer MLflow, there is no room for the copy, or it cannot be
            migrated; the copy is named then.
    """
    found = _revision(file)
    if found is None:
        return
    from alembic.script import ScriptDirectory
    from alembic.util import CommandError
    from mlflow import __file__ as package
    from mlflow import __version__ as version

    scripts = ScriptDirectory(str(Path(package).parent / "store" / "db_migrations"))
    if found in scripts.get_heads():
        return
    try:
        known = scripts.get_revision(found) is not None
    except CommandError:
        known = False
    if not known:
        raise RecordError(
            f"{file} is of another MLflow than the {version} that is installed, which does not "
            "know its schema",
            "install the one that wrote it, or move it away and `abl record` writes a new one",
        )
    copy = _copied(file, version)
    say(f"{file.name} is of an older MLflow: copied to {copy}, now migrated to {version}")
    try:
        _migrate(file, scripts.dir)
    except Exception as error:  # migrations are programs of their own
        first = next(iter(str(error).strip().splitlines()), "")
        why = shortened(f"{type(error).__name__}: {first}")
        raise RecordError(
            f"{file} could not be migrated to MLflow {version} ({why})",
            f"put the copy back (mv {copy} {file}) and use the MLflow that wrote it",
        ) from error


def _migrate(file: Path, migrations: str) -> None:
    """Runs MLflow's own migrations, as `mlflow db upgrade` does."""
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    config = Config()
    config.set_main_option("script_location", migrations.replace("%", "%%"))
    engine = create_engine(f"sqlite:///{file.as_posix()}")
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "heads")
    finally:
        engine.dispose()


def _revision(file: Path) -> str | None:
    """Revision of the schema of a database, None if it has none yet."""
    if not file.is_file() or not file.stat().st_size:
        return None
    # what is no database is told where it is opened to be used
    with suppress(sqlite3.DatabaseError), closing(sqlite3.connect(file)) as database:
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
        return None if row is None else str(row[0])
    return None


def _copied(file: Path, version: str) -> Path:
    """A copy of a database beside it, whole and as of one moment. Raises RecordError."""
    with closing(sqlite3.connect(file)) as database:
        (pages,), (size,) = (
            database.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
        wanted, free = int(pages * size * _ROOM), shutil.disk_usage(file.parent).free
        if free < wanted:
            raise RecordError(
                f"{file} is of an older MLflow, and is copied before it is migrated: that takes "
                f"{wanted / _MB:.0f} MB in {file.parent}, of which {free / _MB:.0f} MB are free",
                "make room",
            )
        copy = file.with_name(f"{file.name}.before-{version}")
        number = 2
        while copy.exists():  # the copy of a migration that was broken off is the better one
            copy = file.with_name(f"{file.name}.before-{version}.{number}")
            number += 1
        part = copy.with_name(f".{copy.name}.part")
        try:
            with closing(sqlite3.connect(part)) as target:
                database.backup(target)
            part.replace(copy)
        finally:
            part.unlink(missing_ok=True)
    return copy
