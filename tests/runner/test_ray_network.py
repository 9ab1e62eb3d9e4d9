"""A network without which Ray cannot work: told at once, before anything is written."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from abl.errors import InputError
from abl.runner import ray_network
from abl.runner.ray_network import LOOPBACK, check_connections, connection_fault, own_address
from commands import abl
from tiny_sweeps import write_sweep

CHECK = """
from abl.errors import InputError
from abl.runner.ray_network import check_connections
try:
    check_connections()
    print("fine")
except InputError as error:
    print(error)
"""


def without(monkeypatch: pytest.MonkeyPatch, *hosts: str) -> None:
    """Sockets that find these addresses unreachable."""
    bound = socket.socket.bind

    class Cut(socket.socket):
        def bind(self, address) -> None:
            if address[0] in hosts:
                raise OSError(99, "Cannot assign requested address")
            bound(self, address)

    monkeypatch.setattr(socket, "socket", Cut)


def test_this_machine_can_connect_to_itself() -> None:
    assert connection_fault(LOOPBACK) == ""
    check_connections()


def test_a_machine_without_loopback_is_told_before_anything_is_written(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep(tiny_folder)
    without(monkeypatch, LOOPBACK)
    done = abl(tiny_folder, "sweep", "tiny.yaml", "--record", "off")
    assert done.exit_code == 2
    (line,) = [each for each in done.output.splitlines() if each.startswith("abl: ")]
    assert "127.0.0.1" in line
    assert "--executor local" in line
    assert not (tiny_folder / "mlruns/store/done").exists()


def test_an_own_address_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_network, "own_address", lambda: "198.51.100.7")
    without(monkeypatch, "198.51.100.7")
    with pytest.raises(InputError, match=r"198\.51\.100\.7.*--executor local"):
        check_connections()


def test_a_server_of_names_that_does_not_answer_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class NoWay(socket.socket):
        def connect(self, address) -> None:
            raise OSError(101, "Network is unreachable")

    def refuse(name: str) -> str:
        raise OSError("no names")

    monkeypatch.setattr(socket, "socket", NoWay)
    monkeypatch.setattr(socket, "gethostbyname", refuse)
    assert own_address() == LOOPBACK


def in_namespace(commands: str) -> str:
    """What the check says in a network namespace of its own, after some commands."""
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-n", "true"], capture_output=True).returncode:
        pytest.skip("this process may not make network namespaces")
    script = f"{commands}\nexec {sys.executable} -c '{CHECK}'"
    done = subprocess.run(
        [unshare, "-n", "sh", "-c", script], capture_output=True, text=True, timeout=120
    )
    return done.stdout + done.stderr


def test_real_networks_that_are_down_or_have_no_ipv4() -> None:
    said = in_namespace("")
    assert "cannot connect to itself at 127.0.0.1" in said
    assert "--executor local" in said
    if shutil.which("ip"):
        assert in_namespace("ip link set lo up") == "fine\n"
        without_ipv4 = "ip link set lo up; ip address delete 127.0.0.1/8 dev lo"
        assert "--executor local" in in_namespace(without_ipv4)
