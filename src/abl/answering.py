"""Databases and servers that do not answer, told within seconds.

Drivers wait by themselves for minutes: an address that nobody has is tried for two, and a port that
is open and silent is listened to for ever.
"""

from __future__ import annotations

import http.client
import queue
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

# a command that needs a server which is away has ended after ten seconds, its own start included
ANSWER_S = 5.0
Answer = TypeVar("Answer")

# what libpq calls these (psycopg, psycopg2): half of ANSWER_S, as a name may have two addresses
_PATIENCE = {
    "connect_timeout": "3",
    # of a server that was there: minutes of sending anew to a machine that has gone
    "tcp_user_timeout": "10000",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
}
_OF_LIBPQ = ("postgresql", "postgresql+psycopg", "postgresql+psycopg2")


def answer_within(seconds: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` gives or raises.

    Raises:
        TimeoutError: It has not ended by then; it is left to itself, in a thread that ends with
            the process.
    """
    answers: queue.Queue[tuple[Answer | None, BaseException | None]] = queue.Queue()

    def run() -> None:
        try:
            answers.put((ask(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        answer, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]


def check_database(url: str, seconds: float = ANSWER_S) -> None:
    """Connects to a database, as SQLAlchemy's URL names it, and leaves it again.

    Raises:
        TimeoutError: It does not answer.
        Exception: As its driver and SQLAlchemy raise.
    """
    from sqlalchemy import create_engine

    engine = create_engine(patient_url(url))
    try:
        answer_within(seconds, lambda: engine.connect().close())
    finally:
        engine.dispose()


def check_server(url: str, seconds: float = ANSWER_S) -> None:
    """Asks a server over HTTP for anything; whatever it answers is an answer.

    An address that is none (a slash in its password) is left to who uses it.

    Raises:
        TimeoutError: It does not answer.
        OSError: Nothing listens there.
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname

    def ask() -> None:
        try:
            urllib.request.urlopen(f"{parts.scheme}://{host}{port}/health", timeout=seconds).close()
        except urllib.error.HTTPError:
            pass
        except urllib.error.URLError as error:
            # certificates are the client's own business
            if isinstance(error.reason, OSError) and not isinstance(error.reason, ssl.SSLError):
                raise error.reason from None
        except http.client.HTTPException:
            pass

    answer_within(seconds, ask)


def patient_url(url: str) -> str:
    """The URL of a PostgreSQL with bounds on how long it is waited for; what it says stays.

    URLs of other databases, and what is no URL of one, are given back as they are.
    """
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed: Any = make_url(url)
    except (ArgumentError, ValueError):
        return url
    if parsed.drivername not in _OF_LIBPQ:
        return url
    more = {name: value for name, value in _PATIENCE.items() if name not in parsed.query}
    return str(parsed.update_query_dict(more).render_as_string(hide_password=False))
