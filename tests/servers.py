"""Servers that tests start as processes of their own, on loopback, and end with them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port(host: str = "127.0.0.1") -> int:
    """A TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], bool], what: str, patience_s: float = 60.0) -> None:
    """Waits for something; fails the test if it does not come."""
    deadline = time.monotonic() + patience_s
    while not true():
        assert time.monotonic() < deadline, f"{what} did not come within {patience_s:g} s"
        time.sleep(0.1)


def answers(port: int, host: str = "127.0.0.1") -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def _program(name: str) -> str:
    found = shutil.which(name)
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if found is None and not beside:
        pytest.skip(f"PostgreSQL's {name} is not on this machine")
    return found or str(beside[-1])


class Postgres:
    """A PostgreSQL server with a database `abl`, its user and that user's password."""

    password = "correct-horse-battery"

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()
        # PostgreSQL refuses to run as root
        self._user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []

    @property
    def url(self) -> str:
        """As SQLAlchemy wants it."""
        return f"postgresql+psycopg://abl:{self.password}@127.0.0.1:{self.port}/abl"

    def make(self) -> None:
        """Makes the files of the server and starts it."""
        secret = self.folder / "password"
        secret.write_text(self.password)
        data = self.folder / "data"
        data.mkdir()
        if self._user:
            for each in (self.folder, secret, data):
                shutil.chown(each, "postgres")
        made = [_program("initdb"), "-D", str(data), "-U", "abl", "-A", "scram-sha-256"]
        self._do([*made, f"--pwfile={secret}", "-E", "UTF8", "--no-sync"])
        self.start()
        query = f"host=127.0.0.1 port={self.port} user=abl dbname=postgres"
        made_database = [_program("psql"), query, "-c", "CREATE DATABASE abl"]
        subprocess.run(
            made_database,
            env=os.environ | {"PGPASSWORD": self.password},
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = self.folder / "data" / "server.log"
        self._do(self._control("start", "-w", "-l", str(log), "-o", options))

    def stop(self) -> None:
        """Stops it at once: connections are cut."""
        self._do(self._control("stop", "-m", "immediate"))

    def _control(self, verb: str, *more: str) -> list[str]:
        return [_program("pg_ctl"), "-D", str(self.folder / "data"), verb, *more]

    def _do(self, command: list[str]) -> None:
        # its output goes nowhere: a server that inherits a pipe keeps it open
        told = subprocess.run(
            [*self._user, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
        )
        assert told.returncode == 0, command


@contextmanager
def running_s3(
    folder: Path, bucket: str = "abl", host: str = "127.0.0.1"
) -> Iterator[dict[str, str]]:
    """An S3 server with a bucket; the environment that finds it. What it holds dies with it."""
    port = free_port(host)
    with (folder / "s3.log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", host, "-p", str(port)],
            stdout=log,
            stderr=log,
        )
    found = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "abl",
        "AWS_SECRET_ACCESS_KEY": "s3-secret-of-the-tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    try:
        wait_until(lambda: answers(port, host), "the S3 server")
        import boto3
        from s3fs import S3FileSystem

        # a client of an earlier server would be taken for one of this
        S3FileSystem.clear_instance_cache()
        session = boto3.Session("abl", found["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1")
        session.client("s3", endpoint_url=found["AWS_ENDPOINT_URL"]).create_bucket(Bucket=bucket)
        yield found
    finally:
        server.kill()
        server.wait()


@contextmanager
def running_postgres() -> Iterator[Postgres]:
    """A running PostgreSQL; skips the test where the program is absent."""
    _program("initdb")
    # not below pytest's own folder: the server's user may not look into that
    folder = Path(tempfile.mkdtemp(prefix="abl-postgres-"))
    server = Postgres(folder)
    try:
        server.make()
        yield server
    finally:
        if (folder / "data" / "postmaster.pid").exists():
            server.stop()
        shutil.rmtree(folder)
