"""Several hosts on one machine: network namespaces of their own, or plain processes."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from servers import free_port, wait_until

BIN = Path(sys.executable).parent
MEMORY = str(80 * 2**20)


def _ip(*words: str) -> bool:
    program = shutil.which("ip")
    if program is None:
        return False
    return subprocess.run([program, *words], capture_output=True).returncode == 0


def namespaces_allowed() -> bool:
    """Whether this process may make hosts of its own."""
    name = f"abl-try-{os.getpid()}"
    if not _ip("netns", "add", name):
        return False
    _ip("netns", "delete", name)
    return True


class Host:
    """A host: its address, and processes that run on it."""

    def __init__(self, name: str, address: str, namespace: str, folder: Path):
        self.name = name
        self.address = address
        self.folder = folder
        self._within = ["ip", "netns", "exec", namespace] if namespace else []
        self._namespace = namespace
        self.processes: list[subprocess.Popen[bytes]] = []
        folder.mkdir(parents=True, exist_ok=True)

    def start(
        self, *command: str, environment: Mapping[str, str], log: str
    ) -> subprocess.Popen[bytes]:
        """Starts a program here, in a process group of its own."""
        with (self.folder / log).open("ab") as output:
            process = subprocess.Popen(
                [*self._within, *command],
                env=os.environ | dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def said(self, log: str) -> str:
        """What a program has written."""
        return (self.folder / log).read_text(encoding="utf-8", errors="replace")

    def cut_off(self) -> None:
        """Takes the host off the network."""
        assert _ip("-n", self._namespace, "link", "set", "eth0", "down")

    def bring_back(self) -> None:
        """Puts the host on the network again."""
        assert _ip("-n", self._namespace, "link", "set", "eth0", "up")

    def stop(self) -> None:
        """Ends what was started here, at once, with what it started itself."""
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


class Cluster:
    """A Ray head without CPUs, where drivers run, and two workers of one CPU."""

    def __init__(self, hosts: list[Host], folder: Path):
        self.head, *self.workers = hosts
        self.folder = folder
        self.port = free_port()
        self.token = secrets.token_hex(16)
        self._started: dict[Host, dict[str, str]] = {}

    @property
    def address(self) -> str:
        """For --address."""
        return f"{self.head.address}:{self.port}"

    def environment(self, host: Host, **more: str) -> dict[str, str]:
        """Of a node, or of a driver on it."""
        tests = Path(__file__).parents[1]
        source = tests.parent / "src"
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            "RAY_health_check_period_ms": "1000",
            "RAY_health_check_failure_threshold": "5",
            "ABL_SCRATCH": str(host.folder / "scratch"),
            "PYTHONPATH": f"{source}:{tests}",
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "OMP_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",
            **more,
        }

    def start(self, **more: str) -> None:
        """Starts head and workers, and waits until all are there."""
        self.start_head(**more)
        for number, worker in enumerate(self.workers, 2):
            self.start_worker(worker, **more)
            # nodes of one machine that start at once would take the same names for their sockets
            self.wait_for(number)

    def start_head(self, **more: str) -> None:
        """Starts the head alone."""
        self._ray(self.head, "--head", f"--port={self.port}", "--num-cpus=0", **more)
        wait_until(lambda: self.alive() >= 1, "the head", 90)

    def start_worker(self, host: Host, **more: str) -> None:
        """Starts the raylet of a worker."""
        self._started[host] = more
        self._ray(host, f"--address={self.address}", "--num-cpus=1", **more)

    def _ray(self, host: Host, *words: str, **more: str) -> None:
        options = [
            f"--node-ip-address={host.address}",
            f"--object-store-memory={MEMORY}",
            "--disable-usage-stats",
            "--block",
        ]
        if words[0] == "--head":
            options += ["--include-dashboard=false", f"--temp-dir={self.folder / 'ray'}"]
        host.start(
            *(str(BIN / "ray"), "start", *words, *options),
            environment=self.environment(host, **more),
            log="ray.log",
        )

    def wait_for(self, nodes: int) -> None:
        """Waits until so many nodes are alive; raylets that did not start are started again."""

        def there() -> bool:
            for host, more in list(self._started.items()):
                if all(process.poll() is not None for process in host.processes):
                    self.start_worker(host, **more)
            return self.alive() == nodes

        wait_until(there, f"a cluster of {nodes}", 180)

    def alive(self) -> int:
        """Nodes that the head thinks alive."""
        code = (
            "import sys, ray, logging; ray.init(address=sys.argv[1], log_to_driver=False,"
            "logging_level=logging.CRITICAL); print('alive', sum(n['Alive'] for n in ray.nodes()))"
        )
        try:
            process = subprocess.run(
                [*self.head._within, sys.executable, "-c", code, self.address],
                env=os.environ | self.environment(self.head),
                capture_output=True,
                text=True,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            return 0
        said = process.stdout.split()
        return int(said[-1]) if "alive" in said else 0

    def abl(
        self, *words: str, log: str = "abl.log", host: Host | None = None, **more: str
    ) -> subprocess.Popen[bytes]:
        """Starts abl on the head."""
        host = host or self.head
        return host.start(
            *(str(BIN / "abl"), *words),
            environment=self.environment(host, **more),
            log=log,
        )

    def raylet_of(self, host: Host) -> int:
        """Process id of a host's raylet."""
        for process in host.processes:
            for child in _descendants(process.pid):
                with suppress(OSError):
                    if "raylet/raylet" in Path(f"/proc/{child}/cmdline").read_text():
                        return child
        raise AssertionError(f"{host.name} has no raylet")

    def workers_of(self, host: Host) -> list[int]:
        """Process ids of Ray's workers on a host that are at a trial."""
        raylet = self.raylet_of(host)
        found = []
        for child in _descendants(raylet):
            with suppress(OSError):
                name = Path(f"/proc/{child}/cmdline").read_text()
                # with an agent of Ray's its raylet ends too
                if "ray::" in name and "Agent" not in name and "IDLE" not in name:
                    found.append(child)
        return found

    def stop(self) -> None:
        """Ends every process of every host."""
        self._started.clear()
        for host in (*self.workers, self.head):
            for process in list(host.processes):
                for child in _descendants(process.pid):
                    with suppress(ProcessLookupError):
                        os.kill(child, signal.SIGKILL)
            host.stop()


def _descendants(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += [int(child), *_descendants(int(child))]
    return found


@contextmanager
def three_hosts(*, separate: bool) -> Iterator[Cluster]:
    """A head and two workers, not started.

    Args:
        separate: Each in a network namespace of its own, joined by a bridge; needs root. Otherwise
            three addresses of the loopback interface.
    """
    folder = Path(tempfile.mkdtemp(prefix="ablc-"))  # short: sockets lie in it
    names = ["head", "worker-1", "worker-2"]
    bridge = f"abl{os.getpid() % 100000}"
    hosts: list[Host] = []
    cluster = None
    try:
        if separate:
            _made_bridge(bridge)
        for number, name in enumerate(names, 1):
            namespace = f"{bridge}-{number}" if separate else ""
            address = f"10.77.{os.getpid() % 250}.{number}" if separate else f"127.0.0.{number}"
            if separate:
                _joined(namespace, f"{bridge}v{number}", bridge, address)
            hosts.append(Host(name, address, namespace, folder / name))
        cluster = Cluster(hosts, folder)
        yield cluster
    finally:
        if cluster is not None:
            cluster.stop()
        if separate:
            for number in range(1, len(names) + 1):
                _ip("netns", "delete", f"{bridge}-{number}")
            _ip("link", "delete", bridge)
        time.sleep(0.2)
        shutil.rmtree(folder, ignore_errors=True)


def _made_bridge(bridge: str) -> None:
    assert _ip("link", "add", bridge, "type", "bridge")
    assert _ip("address", "add", f"10.77.{os.getpid() % 250}.254/24", "dev", bridge)
    assert _ip("link", "set", bridge, "up")


def _joined(namespace: str, cable: str, bridge: str, address: str) -> None:
    assert _ip("netns", "add", namespace)
    assert _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    assert _ip("link", "set", cable, "master", bridge, "up")
    assert _ip("-n", namespace, "address", "add", f"{address}/24", "dev", "eth0")
    assert _ip("-n", namespace, "link", "set", "eth0", "up")
    assert _ip("-n", namespace, "link", "set", "lo", "up")


def bridge_address() -> str:
    """The address at which hosts in namespaces find the machine that they are on."""
    return f"10.77.{os.getpid() % 250}.254"
