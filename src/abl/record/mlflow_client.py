"""MLflow, quietly: where the record lies, who may write it, and what its failures are called."""

from __future__ import annotations

import importlib.util
import logging
import os
import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from abl.addresses import split_address
from abl.answering import ANSWER_S, check_database, check_server, patient_url
from abl.errors import InputError, disk_fault
from abl.record.mlflow_errors import RecordError, shortened
from abl.record.mlflow_schema import bring_up_to_date
from abl.record.sqlite_files import check_sqlite_file, sqlite_file
from abl.redaction import redacted
from abl.told_lock import told_lock

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's own defaults try a dead server for four minutes; a value that the user set is kept.
_RETRIES, _TIMEOUT = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
_PATIENCE = {_RETRIES: "3", _TIMEOUT: "30"}
_QUIET = dict.fromkeys(
    ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"), "true"
)
# failures reach the caller as one RecordError, so not as tracebacks in a log too
_CHATTY = ("mlflow", "alembic", "urllib3")

_MAKING = "mlflow.db.making"
# what MLflow speaks with elsewhere
_DATABASES, _SERVERS = ("postgresql", "mysql", "mssql"), ("http", "https")

# the environment and the loggers belong to the process, so do their temporary settings
_settings_lock = threading.RLock()


class RecordPlace:
    """Where the record lies.

    Args:
        root: The project's mlruns/ folder: locks, and by default the record itself.
        tracking_uri: MLflow server or database; None is `<root>/mlflow.db`.

    Attributes:
        database: The file of the embedded default.
        artifact_root: Where new experiments keep files: `<root>/artifacts` for the embedded
            default, the server's own choice (None) otherwise.
        say: Is told what is done to a database before it can be used; default standard error.

    Raises:
        InputError: The URI is no address.
    """

    def __init__(self, root: Path, tracking_uri: str | None = None):
        self.root = Path(root).absolute()
        self.embedded = tracking_uri is None
        self.database = self.root / "mlflow.db"
        self.tracking_uri = tracking_uri or f"sqlite:///{self.database.as_posix()}"
        self._scheme = split_address(self.tracking_uri, "--record").scheme
        self.artifact_root = (self.root / "artifacts").as_uri() if self.embedded else None
        self.say: Callable[[str], None] = partial(print, "abl:", file=sys.stderr)
        self._lease = FileLock(self.root / "record.lock")
        self._client: MlflowClient | None = None

    @contextmanager
    def lease(self) -> Iterator[bool]:
        """Whether this driver may write the record; another that holds the lease does, otherwise.

        The kernel frees the lock when its process dies, however it dies.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        try:
            self._lease.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            yield True
        finally:
            self._lease.release()

    @contextmanager
    def client(self, patience: Mapping[str, str] = _PATIENCE) -> Iterator[MlflowClient]:
        """The client, with MLflow quiet while it is used and its failures told in one line."""
        with _quiet(patience):
            from mlflow.exceptions import MlflowException
            from sqlalchemy.exc import SQLAlchemyError

            with self._told(MlflowException, SQLAlchemyError, sqlite3.DatabaseError, OSError):
                if self._client is None:
                    self._client = self._connected()
                yield self._client

    def check_reachable(self, *, make: bool = True) -> None:
        """Raises InputError if the record cannot be read now: to be called before training.

        Args:
            make: Whether an embedded database that is not there is made; if not, its place is
                looked at, and who first writes makes it: MLflow takes five seconds to load and to
                do so, in which trainings can run.
        """
        seconds = os.environ.get(_TIMEOUT) or f"{ANSWER_S:.0f}"
        try:
            self._knock(float(seconds))
            if not make and self.embedded and not self.database.exists():
                _check_installed()
                return
            with self.client({_RETRIES: "0", _TIMEOUT: seconds}) as client:
                client.search_experiments(max_results=1)
        except RecordError as error:
            other = sqlite_file(self.tracking_uri) is not None
            start = "name a file that can be written, in a folder that can" if other else "start it"
            advice, damage = error.advice or start, ("not a database", "malformed")
            if self.embedded and any(word in str(error) for word in damage):
                advice = "move mlflow.db away, and `abl record` writes it again"
            elif self.embedded and not error.advice:
                advice = "mlflow.db must be a file that can be written, in a folder that can"
            raise InputError(f"{error}; {advice}, or record later with --record off") from error

    def _knock(self, seconds: float) -> None:
        """Raises RecordError if nothing answers; before MLflow is imported, which takes seconds."""
        kind = self._scheme.partition("+")[0]
        if kind in _SERVERS:
            with self._told(OSError):
                check_server(self.tracking_uri, seconds)
        elif kind in _DATABASES:
            from sqlalchemy.exc import SQLAlchemyError

            with self._told(SQLAlchemyError, OSError, ValueError):
                check_database(self.tracking_uri)
        elif (file := sqlite_file(self.tracking_uri)) is not None:
            check_sqlite_file(file)

    @contextmanager
    def _told(self, *kinds: type[Exception]) -> Iterator[None]:
        """Errors of these kinds as RecordError, a line that names the server."""
        try:
            yield
        except ModuleNotFoundError as error:
            line = f"MLflow at {self.tracking_uri}: the package {error.name} is not installed"
            raise RecordError(redacted(line, self.tracking_uri)) from error
        except kinds as error:
            # a full TMPDIR, or disk of the artifacts, is no fault of the database
            if (
                isinstance(error, OSError)
                and error.errno
                and (disk := disk_fault(error, self.root))
            ):
                said, _, advice = disk.rpartition("; ")
                raise RecordError(said, advice) from error
            line = f"MLflow at {self.tracking_uri}: {_first_line(error)}"
            raise RecordError(redacted(line, self.tracking_uri)) from error

    def _connected(self) -> MlflowClient:
        from mlflow import MlflowClient

        kind = self._scheme.partition("+")[0]
        if kind in _SERVERS:
            return MlflowClient(self.tracking_uri, self.tracking_uri)
        if kind in _DATABASES:
            # MLflow tries ten times, each as long as the driver pleases
            check_database(self.tracking_uri)
        self.root.mkdir(parents=True, exist_ok=True)
        file = sqlite_file(self.tracking_uri)
        if file is not None:
            # MLflow tries for two minutes
            check_sqlite_file(file)
        # two processes that make the schema of a new file at once end in one of them dying
        with told_lock(self.root / "schema.lock", "MLflow's database", self.say):
            if self.embedded:
                self._note_making()
            if file is not None:
                bring_up_to_date(file, self.say)
            if self.embedded:
                self._write_ahead()
            # with a registry of its own, so that none which the environment names is asked
            uri = patient_url(self.tracking_uri)
            client = MlflowClient(uri, uri)
            client.search_experiments(max_results=1)
            (self.root / _MAKING).unlink(missing_ok=True)
        return client

    def _note_making(self) -> None:
        """Notes that a database is being made; removes one of which that was broken off.

        MLflow takes half a schema for an old one, and refuses it for ever; there is nothing in it.
        """
        database, making = self.database, self.root / _MAKING
        if making.exists():
            for file in ("", "-wal", "-shm", "-journal"):  # copies are nobody's to remove
                database.with_name(f"{database.name}{file}").unlink(missing_ok=True)
        if not database.exists():
            making.touch()

    def _write_ahead(self) -> None:
        """Lets readers not wait for the writer, and a transaction not for the disk.

        A power cut may cost the last transactions, which the store holds; nothing else is lost.
        """
        from sqlalchemy import Engine, event

        own = str(self.database.resolve())
        with closing(sqlite3.connect(own)) as database:
            database.execute("PRAGMA journal_mode = WAL")

        def settle(connection: object, _: object) -> None:
            if isinstance(connection, sqlite3.Connection):
                files = connection.execute("PRAGMA database_list").fetchall()
                if own in {file for _, _, file in files}:
                    connection.execute("PRAGMA synchronous = NORMAL")

        event.listen(Engine, "connect", settle)


def _check_installed() -> None:
    if importlib.util.find_spec("mlflow") is None:
        raise RecordError("the package mlflow is not installed", "install it")


@contextmanager
def _quiet(patience: Mapping[str, str]) -> Iterator[None]:
    """No telemetry, no printed addresses, no log lines; all put back afterwards."""
    with _settings_lock:
        settings = {k: v for k, v in patience.items() if k not in os.environ} | _QUIET
        before = {name: os.environ.get(name) for name in settings}
        os.environ.update(settings)
        try:
            import mlflow  # noqa: F401  # configures its loggers, and decides on telemetry

            loggers = [logging.getLogger(name) for name in _CHATTY]
            levels = [logger.level for logger in loggers]
            for logger in loggers:
                logger.setLevel(logging.CRITICAL)
            try:
                yield
            finally:
                for logger, level in zip(loggers, levels, strict=True):
                    logger.setLevel(level)
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    # of a server that is not there the reason stands last, behind four layers of libraries
    reason = re.search(r"\[Errno -?\d+\] [\w ]+", lines[0])
    if reason and ("Max retries exceeded" in lines[0] or isinstance(error, ConnectionError)):
        return f"nothing answers there ({reason[0]})"
    if waited := re.search(r"(?:read|connect) timeout=([\d.]+)", lines[0]):
        return f"no answer within {float(waited[1]):g} s"
    return shortened(lines[0])
