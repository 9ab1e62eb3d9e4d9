"""MLflow's UI on the record, as a child process that leaves nothing behind."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from abl.errors import InputError
from abl.record.mlflow_client import RecordPlace

MOST_PORTS = 65535
START_S, STOP_S = 180.0, 10.0  # that the server may take
_ALL_INTERFACES = ("0.0.0.0", "::", "")
# addresses that are nobody's (RFC 5737, RFC 3849)
_ELSEWHERE = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}


@dataclass
class MlflowUi:
    """A running UI: `url` answers until `stop`, or the end of the `with` block."""

    url: str
    process: subprocess.Popen[bytes]

    def __enter__(self) -> MlflowUi:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def wait(self) -> int:
        """Exit status of the server, when it ends."""
        return self.process.wait()

    def stop(self) -> None:
        """Ends the server with the worker processes it started."""
        for kind in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, kind)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
            if _group_ended(self.process.pid):
                return


def start_ui(root: Path, port: int = 0, host: str = "127.0.0.1") -> MlflowUi:
    """MLflow's UI on the embedded record in `root`, once it answers.

    Args:
        root: The project's mlruns/ folder.
        port: 0 takes a free one.
        host: Interface to listen on; the default is reachable from this machine only.

    Raises:
        InputError: No port, one that is taken, a host that is none of this machine's, or a server
            that does not start.
    """
    outside = reachable_from_outside(host)
    if not 0 <= port <= MOST_PORTS:
        raise InputError(f"--port {port}: write 1 to {MOST_PORTS}, or 0 for a free one")
    place = RecordPlace(root)
    place.check_reachable()  # makes the schema under the lock, before the server's workers race
    try:
        port = _bound_port(host, port)
    except OSError:
        raise InputError(f"port {port} is in use; give another with --port") from None
    log = place.root / "ui.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(host, port),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=(_allowed(host, port) if outside else {})
            | os.environ
            | _ENVIRONMENT
            | _where_it_reads(place),
            # Python and uvicorn import what lies where they run: never somebody else's record
            cwd=os.path.abspath(os.sep),  # noqa: PTH100 - a root has no parent to resolve
            start_new_session=True,  # a process group to end as a whole
        )
    ui = MlflowUi(f"http://{_bracketed(_called(host))}:{port}", process)
    try:
        _wait_until_it_answers(ui, log)
    except BaseException:
        ui.stop()
        raise
    return ui


def reachable_from_outside(host: str) -> bool:
    """Whether a server on this interface answers other machines.

    Raises:
        InputError: It is no address of this machine.
    """
    found: list[str] = []
    with contextlib.suppress(OSError, UnicodeError):
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host or None, 0, type=socket.SOCK_STREAM
        ):
            # a name may stand for an address of a protocol that is off here
            with contextlib.suppress(OSError), socket.socket(family, kind, protocol) as probe:
                probe.bind(address)
                found.append(str(address[0]))
    if not found:
        raise InputError(
            f"--host {host}: no address of this machine; leave it out for this machine only, or "
            "write 0.0.0.0 for all its interfaces"
        )
    return not all(ipaddress.ip_address(each).is_loopback for each in found)


_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "PYTHONSAFEPATH": "1",
}


def _command(host: str, port: int) -> list[str]:
    where = ["--host", host, "--port", str(port), "--workers", "1"]
    return [sys.executable, "-m", "mlflow", "server", *where]


def _where_it_reads(place: RecordPlace) -> dict[str, str]:
    """Addresses, in the environment: everybody on a machine reads command lines."""
    return {
        "MLFLOW_BACKEND_STORE_URI": place.tracking_uri,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": str(place.artifact_root),
    }


def _called(host: str) -> str:
    """An address by which an interface is reached: of all interfaces, that of the way out."""
    if host not in _ALL_INTERFACES:
        return host
    family = _family(host)
    with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((_ELSEWHERE[family], 9))  # sends nothing: it only chooses the way
        return str(probe.getsockname()[0])
    return "localhost"


def _allowed(host: str, port: int) -> dict[str, str]:
    """What MLflow answers to: of itself it refuses even the names of the machine it is on.

    A page elsewhere that has its own name point here is still refused.
    """
    names = {_called(host), socket.gethostname(), socket.getfqdn()}
    places = [f"{_bracketed(name)}:{port}" for name in sorted(names)]
    local = [f"{name}:{port}" for name in ("localhost", "127.0.0.1", "[::1]")]
    return {
        "MLFLOW_SERVER_ALLOWED_HOSTS": ",".join([*local, *places]),
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": ",".join(f"http://{place}" for place in places),
    }


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _wait_until_it_answers(ui: MlflowUi, log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and ui.process.poll() is None:
        with contextlib.suppress(urllib.error.URLError, OSError):
            # never through a proxy: the server is on this machine
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(f"{ui.url}/health", timeout=2):
                return
        time.sleep(0.1)
    raise InputError(f"MLflow's UI did not start; its output is in {log}")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _bound_port(host: str, port: int) -> int:
    """The port, a free one for 0. Raises OSError if it is in use."""
    with socket.socket(_family(host)) as probe:
        if port:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((host, port))
        return int(probe.getsockname()[1])


def _group_ended(group: int) -> bool:
    deadline = time.monotonic() + STOP_S
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except (ProcessLookupError, PermissionError):
            return True
        time.sleep(0.05)
    return False
