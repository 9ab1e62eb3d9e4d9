"""Whether this machine's network carries what the parts of a Ray say to each other.

Without loopback Ray tries for minutes, in a loop that nothing ends.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

from abl.errors import InputError

LOOPBACK = "127.0.0.1"
_PATIENCE_S = 5.0
# names may be asked of servers that do not answer
_NAMES_S = 15.0
# what Ray takes too: nothing is sent, the system only says by which of its own it would go there
_ELSEWHERE = ("8.8.8.8", 53)


def own_address() -> str:
    """The IPv4 address under which this machine is known to others; loopback if it has none.

    As Ray finds it.
    """
    with suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as way:
        way.connect(_ELSEWHERE)
        return str(way.getsockname()[0])
    found: list[str] = []

    def ask() -> None:
        with suppress(OSError):
            found.append(socket.gethostbyname(socket.gethostname()))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_NAMES_S)
    return found[0] if found else LOOPBACK


def connection_fault(host: str) -> str:
    """Why this machine cannot connect to itself at an IPv4 address, "" if it can."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as server:
            server.settimeout(_PATIENCE_S)
            server.bind((host, 0))
            server.listen(1)
            with socket.create_connection(server.getsockname(), timeout=_PATIENCE_S) as client:
                accepted, _ = server.accept()
                with accepted:
                    accepted.settimeout(_PATIENCE_S)
                    client.sendall(b".")
                    return "" if accepted.recv(1) == b"." else "nothing arrives"
    except OSError as error:
        return error.strerror or str(error)


def check_connections() -> None:
    """Raises InputError unless a Ray that is started here can work: asked before any work."""
    for host in dict.fromkeys((LOOPBACK, own_address())):
        fault = connection_fault(host)
        if fault:
            mend = " (`ip link set lo up`)" if host == LOOPBACK else ""
            raise InputError(
                f"this machine cannot connect to itself at {host} ({fault}), and Ray cannot work "
                f"without that: bring that network up{mend}, or use --executor local"
            )
