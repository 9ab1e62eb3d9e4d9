from __future__ import annotations

import http.client
import os
import socket
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from abl.errors import InputError
from abl.record.mlflow_ui import start_ui


def processes_of_group(group: int) -> list[str]:
    """Command lines of the living processes of a process group (Linux)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (folder / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            if int(its_group) == group and state != "Z":
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def answers(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((host, port)) == 0


@pytest.mark.browser  # no Chromium, but a server, which takes its time to start
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")
def test_the_ui_answers_on_loopback_and_leaves_no_process(tmp_path: Path) -> None:
    environment = dict(os.environ)
    with start_ui(tmp_path / "mlruns") as ui:
        assert ui.url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{ui.url}/health", timeout=10) as answer:
            assert answer.status == 200
        port = int(ui.url.rsplit(":", 1)[1])
        # another address of this machine: a server on every interface would answer here too
        assert not answers("127.0.0.2", port)
        with pytest.raises(InputError, match=f"port {port} is in use"):
            start_ui(tmp_path / "mlruns", port)
        assert answers("127.0.0.1", port)
        assert processes_of_group(ui.process.pid)
    assert processes_of_group(ui.process.pid) == []
    assert dict(os.environ) == environment
    assert not answers("127.0.0.1", port)


@pytest.mark.browser
def test_other_machines_reach_the_ui_by_the_names_of_this_one_alone(tmp_path: Path) -> None:
    with start_ui(tmp_path / "mlruns", host="0.0.0.0") as ui:
        place = urlsplit(ui.url)
        assert place.hostname != "0.0.0.0"

        def asked(host: str, origin: str) -> int:
            connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=30)
            heads = {"Host": host, "Origin": origin, "Content-Type": "application/json"}
            address = "/ajax-api/2.0/mlflow/experiments/search"
            connection.request("POST", address, b'{"max_results": 1}', heads)
            return connection.getresponse().status

        for name in (str(place.hostname), socket.gethostname(), "localhost"):
            mine = f"{name}:{place.port}"
            assert asked(mine, f"http://{mine}") == 200
            assert asked(mine, "http://elsewhere.example") == 403
        assert asked(f"elsewhere.example:{place.port}", ui.url) == 403


@pytest.mark.parametrize("port", [-1, 65536, 99999])
def test_what_is_no_port_is_told_and_nothing_is_made(tmp_path: Path, port: int) -> None:
    with pytest.raises(InputError, match=f"--port {port}: write 1 to 65535"):
        start_ui(tmp_path / "mlruns", port)
    assert not (tmp_path / "mlruns").exists()


def test_a_server_that_cannot_start_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [sys.executable, "-c", "import sys; sys.exit('no such option')"]
    monkeypatch.setattr("abl.record.mlflow_ui._command", lambda *_: failing)
    with pytest.raises(InputError, match=r"did not start; its output is in .*ui\.log"):
        start_ui(tmp_path / "mlruns")
    assert "no such option" in (tmp_path / "mlruns" / "ui.log").read_text()
