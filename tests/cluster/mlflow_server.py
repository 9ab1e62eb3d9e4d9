"""What tests of `cluster/` start: its scripts, programs in place of absent ones, S3 and MLflow."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from servers import answers, free_port, wait_until

SCRIPT = Path(__file__).parents[2] / "cluster" / "mlflow-server.sh"


@contextmanager
def running(
    command: list[str], log: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all that it starts, ended with the block."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            start_new_session=True,  # a session to end as a whole
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        for left in processes_of(process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        process.wait()


def processes_of(session: int) -> list[int]:
    """Every process of a session, whatever process group it is in."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(int(path.name)) == session:
                found.append(int(path.name))
    return found


def program(folder: Path, name: str, text: str) -> None:
    """A stand-in for a program that this machine lacks."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/usr/bin/env bash\n{text}")
    (folder / name).chmod(0o755)


def clean_environment(folder: Path, *programs: Path) -> dict[str, str]:
    """No token, no Ray and no MLflow of whoever runs the tests."""
    path = os.pathsep.join(
        [*map(str, programs), str(Path(sys.executable).parent), os.environ["PATH"]]
    )
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RAY_", "MLFLOW_", "SLURM_"))
    }
    return kept | {"HOME": str(folder), "PATH": path, "RAY_USAGE_STATS_ENABLED": "0"}


def run(command: list[str], env: dict[str, str], log: Path, cwd: Path, limit_s: int = 150) -> int:
    with running(["env", "-C", str(cwd), *command], log, env) as process:
        return process.wait(limit_s)


# every node that is there, as JSON after a word
NODES = """
import json, ray
ray.init(address="ADDRESS", logging_level="ERROR", log_to_driver=False)
print("nodes", json.dumps(sorted(n["NodeManagerAddress"] for n in ray.nodes() if n["Alive"])))
"""

# each name of a node is a loopback address here; what a step finds is kept
SRUN = """
names=node2,node3 command=()
for word in "$@"; do
    case "$word" in --nodelist=*) names="${word#*=}" ;; --*) ;; *) break ;; esac
    shift
done
echo "$RAY_AUTH_MODE $(stat -c %a "$RAY_AUTH_TOKEN_PATH" 2>&1) $names: $*" >>srun.log
trap 'kill -TERM $(jobs -p) 2>/dev/null' TERM
status=0
for name in ${names//,/ }; do ADDRESS=127.0.0.${name#node} "$@" & done
for each in $(jobs -p); do
    while kill -0 "$each" 2>/dev/null; do wait "$each" || status=$?; done
done
exit $status
"""


@dataclass
class S3:
    """A running S3 server with one bucket."""

    endpoint: str
    bucket: str = "abl-bucket"
    key: str = "AKIDTESTKEY"
    secret: str = "open-sesame-of-the-bucket"

    @property
    def client(self) -> Any:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
        )

    def sizes(self) -> dict[str, int]:
        """Bytes of every object, by its key."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
        return {each["Key"]: each["Size"] for page in pages for each in page.get("Contents", [])}


@contextmanager
def running_s3(folder: Path) -> Iterator[S3]:
    """An S3 server that forgets everything with the block."""
    port = free_port()
    command = ["moto_server", "-H", "127.0.0.1", "-p", str(port)]
    with running(command, folder / "s3.log", dict(os.environ)):
        wait_until(lambda: answers(port), "the S3 server")
        server = S3(f"http://127.0.0.1:{port}")
        server.client.create_bucket(Bucket=server.bucket)
        yield server


@dataclass
class MlflowServer:
    """MLflow as the script started it."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_mlflow(folder: Path, database: str, s3: S3) -> Iterator[MlflowServer]:
    """The script with a database URL and a bucket, once MLflow answers."""
    port, log = free_port(), folder / "mlflow.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    env = kept | {
        "MLFLOW_BACKEND_STORE_URI": database,
        "MLFLOW_ARTIFACTS_DESTINATION": f"s3://{s3.bucket}/artifacts",
        "MLFLOW_S3_ENDPOINT_URL": s3.endpoint,
        "AWS_ACCESS_KEY_ID": s3.key,
        "AWS_SECRET_ACCESS_KEY": s3.secret,
        "AWS_DEFAULT_REGION": "us-east-1",
        "MLFLOW_PORT": str(port),
        "MLFLOW_WORKERS": "1",
    }
    with running(["bash", str(SCRIPT)], log, env) as process:
        server = MlflowServer(port, process, log)

        def healthy() -> bool:
            assert process.poll() is None, log.read_text()
            with contextlib.suppress(OSError):
                return urllib.request.urlopen(f"{server.url}/health", timeout=5).status == 200
            return False

        wait_until(healthy, "MLflow", patience_s=180)
        yield server
