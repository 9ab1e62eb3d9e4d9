"""Passwords are blanked in whatever is printed or kept; hosts and databases stay readable."""

from __future__ import annotations

import json
import os
from pathlib import Path
from unittest import mock
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from abl.errors import InputError, Problem
from abl.record.mlflow_client import RecordPlace
from abl.record.objects import Objects
from abl.redaction import has_secret, is_secret_name, redacted, redacted_source
from abl.runner.execute import run_stage
from abl.search.kept import KeptStudies, check_storage
from abl.visible import visible_line, visible_text
from commands import abl as command

SCHEMES = ("postgresql+psycopg", "http", "https", "mysql", "databricks", "redis")
HOST, DATABASE = "db.example.org:5432", "ablations"
# as passwords are typed into addresses: anything but white space
odd = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"]) | st.sampled_from("/%@:?#&='\"\\"),
    min_size=4,
    max_size=30,
)


def said_of(address: str) -> list[str]:
    """How libraries quote an address."""
    return [
        address,
        f"cannot connect to {address}",
        f"Engine({address})",
        f"{address!r}, timed out",
        f"first http://x:1/y, then {address}\nand more",
    ]


@given(odd, st.sampled_from(SCHEMES))
def test_a_password_in_an_address_is_blanked_unknown_as_it_is(password: str, scheme: str) -> None:
    assume("://" not in password and password not in "http postgresql+psycopg databricks")
    assume(all(password not in text for text in said_of("")))
    for text in said_of(f"{scheme}://somebody:{password}@{HOST}/{DATABASE}"):
        shown = redacted(text)
        rest = shown.replace(HOST, "").replace(DATABASE, "").replace("***", "")
        assert password not in rest
        assert f"{HOST}/{DATABASE}" in shown


@given(st.text(st.characters(codec="utf-8"), min_size=6, max_size=40), st.sampled_from(SCHEMES))
def test_the_password_of_an_address_in_the_environment_is_blanked_anywhere(
    password: str, scheme: str
) -> None:
    assume(password.strip() == password)
    assume("\0" not in password)
    shell = "see  for why <ABL_SEARCH_STORAGE> ***"
    assume(password not in f"{scheme}://somebody:@{HOST}/{DATABASE} {shell}")
    address = f"{scheme}://somebody:{password}@{HOST}/{DATABASE}"
    with mock.patch.dict(os.environ, {"ABL_SEARCH_STORAGE": address}):
        for form in (password, quote(password, safe=""), json.dumps(password)[1:-1]):
            if len(form) >= 6:
                assert form not in redacted(f"see {form} for why")
        assert f"{HOST}/{DATABASE}" in redacted(address)


@pytest.mark.parametrize(
    ("text", "secret", "kept"),
    [
        ("http://h:5000/x?user=me&password=p/w", "p/w", "http://h:5000/x?user=me"),
        ("http://h:5000/x?token=p%2Fw&y=1", "p%2Fw", "y=1"),
        ("databricks://token:dapi-x@h.example.org", "dapi-x", "h.example.org"),
        ("databricks://scope:prefix-x", "prefix-x", "scope"),
        ("https://ghtoken-x@example.org/x", "ghtoken-x", "example.org/x"),
        ("host=h password='a b' dbname=d", "a b", "dbname=d"),
        ("http://u:forgot-the-host", "forgot-the-host", "http://u"),
        ("Authorization: Basic dTpwdzE=", "dTpwdzE=", "Authorization"),
        ("hf_ABCDEFGHIJKLMNOPQRSTUVWX", "ABCDEFGHIJ", ""),
        ("https://hooks.slack.com/services/T0/B0/kn0ck", "kn0ck", "hooks.slack.com"),
        ("AccountName=a;AccountKey=kn0ck==;x=y", "kn0ck", "AccountName=a"),
        ("Server=h;Pwd=kn0ck;Database=d", "kn0ck", "Database=d"),
        ("<password>kn0ck</password>", "kn0ck", "</password>"),
        ("curl -u me:kn0ck https://h/x", "kn0ck", "curl -u me"),
        ("mysql -ume -pkn0ck d", "kn0ck", "mysql -ume"),
        ("jdbc:oracle:thin:scott/kn0ck@h:1521/d", "kn0ck", "@h:1521/d"),
        ("machine h login me password kn0ck", "kn0ck", "login me"),
    ],
)
def test_secrets_are_found_by_their_shape(text: str, secret: str, kept: str) -> None:
    assert secret not in redacted(text)
    assert kept in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:5000/#/experiments/1", "write http://HOST:PORT", "s3://bucket/a@b",
        "sqlite:////home/me@x/mlflow.db?timeout=3", "with RAY_AUTH_MODE=token", "http://[::1]:80/",
        "export RAY_AUTH_TOKEN=$(openssl rand -hex 32)", "RAY_AUTH_TOKEN_PATH=/x/y", "a: b@c",
        "PWD=/home/me", "curl -u me https://h/x", "mysql -p d", "login and password",
    ],
)  # fmt: skip
def test_what_holds_no_secret_is_left_alone(text: str) -> None:
    assert redacted(text) == text


NAMES = [
    "ABL_SEARCH_STORAGE", "DATABASE_URL", "GH_PAT", "SSH_PASSPHRASE", "SENTRY_DSN", "PGPASSWORD",
    "HF_TOKEN", "AWS_SECRET_ACCESS_KEY", "OPENAI_API_KEY", "MY_CREDENTIALS",
]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_what_the_environment_names_a_secret_is_blanked_in_differences(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_address = name.endswith(("URL", "STORAGE"))
    monkeypatch.setenv(name, "mysql://me:kn0ck/kn0ck@h/d" if is_address else "kn0ck/kn0ck")
    assert "kn0ck/kn0ck" not in redacted_source("+print('kn0ck/kn0ck')\n")


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD=kn0ck", "export GH_PAT=kn0ck", "  api_key: kn0ck", 'token = "kn0ck"',
        "{'passphrase': 'kn0ck'}", "os.environ['SENTRY_DSN'] = 'kn0ck'", "run --password kn0ck",
        "DATABASE_URL=postgres://me:kn0ck@h/d", "-----BEGIN PRIVATE KEY-----\n+kn0ck",
        '"pass": "kn0ck"', "passphrase => kn0ck", "password = kn0ck", "password:\n+  kn0ck",
        'pwd="kn0ck"',
    ],
)  # fmt: skip
def test_what_a_difference_names_a_secret_is_blanked(line: str) -> None:
    assert "kn0ck" not in redacted_source(f"+{line}\n")


@pytest.mark.parametrize(
    "line",
    [
        "token = tokenizer(x)",
        "def f(token: str):",
        "key = sorted(x)",
        "token = args.token",
        "password: str = field(default='')",
        "cwd = pwd",
        "secrets:\n+  name: x",
    ],
)
def test_code_stays_readable(line: str) -> None:
    assert redacted_source(f"+{line}\n") == f"+{line}\n"


@pytest.mark.parametrize("name", ["PWD", "PATH", "RAY_AUTH_TOKEN_PATH", "TOKENIZERS_PARALLELISM"])
def test_places_and_ways_are_no_secrets(name: str) -> None:
    assert not is_secret_name(name)


def test_long_lines_are_looked_through_in_time() -> None:
    # each of these took minutes where a pattern looks back
    for part in ("a.b-", "x:", "://", "password='", "-----BEGIN A PRIVATE KEY-----"):
        redacted_source(part * 50_000)


ADDRESSES = [
    "postgresql+psycopg://me:kn0ck/kn0ck%zz@127.0.0.1:9/db",
    "http://me:kn0ck/kn0ck@127.0.0.1:9",
    "http://127.0.0.1:9/x?token=kn0ck/kn0ck",
    "nosuch://me:kn0ck/kn0ck@127.0.0.1/db",
]


@pytest.mark.parametrize("address", ADDRESSES[1:])
def test_a_record_that_cannot_be_reached_keeps_its_password(tmp_path: Path, address: str) -> None:
    with pytest.raises(InputError) as caught:
        RecordPlace(tmp_path, address).check_reachable()
    assert "kn0ck" not in str(caught.value)
    assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("address", [ADDRESSES[0], ADDRESSES[3]])
def test_a_database_of_a_search_keeps_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ABL_SEARCH_STORAGE", address)
    for use in (check_storage, lambda: KeptStudies(tmp_path, "x", address)):
        with pytest.raises(InputError) as caught:
            use()
        assert "kn0ck" not in str(caught.value)
        assert "127.0.0.1" in str(caught.value)


@pytest.mark.parametrize("address", ["s3://me:kn0ck/kn0ck@bucket/x", "s3://bucket/x?token=kn0ck"])
def test_an_object_store_takes_no_password(address: str) -> None:
    assert has_secret(address)
    with pytest.raises(InputError, match="in the environment") as caught:
        Objects(address)
    assert "kn0ck" not in str(caught.value)


def test_a_stage_that_fails_tells_no_password() -> None:
    store = mock.MagicMock()
    store.claim.side_effect = ValueError("no answer of mysql://me:kn0ck/kn0ck@h/d")
    store.has.return_value = False
    report = run_stage(store, mock.MagicMock(digest="0" * 64))
    assert report.status == "failed"
    assert "mysql://***@h/d" in report.reason
    assert "kn0ck" not in report.reason + report.trace


@pytest.mark.parametrize("words", [["plan"], ["sweep", "--executor", "local"]])
def test_commands_print_no_password_of_what_they_are_given(
    tiny_sweep: Path, words: list[str]
) -> None:
    verb, *more = words
    store = "s3://me:kn0ck/kn0ck@bucket/x"
    result = command(tiny_sweep.parent, verb, "tiny.yaml", *more, "--store", store)
    assert result.exit_code == 2, result.output
    assert "kn0ck" not in result.output


def test_a_traceback_prints_no_password(tmp_path: Path) -> None:
    import subprocess
    import sys

    script = (
        "from abl.cli.output import prepare_output\n"
        "prepare_output()\n"
        "print('kn0ck-out')\n"
        "raise ValueError('no answer of mysql://me:p/w@h/d and kn0ck-out')\n"
    )
    env = os.environ | {"GH_PAT": "kn0ck-out"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert "ValueError: no answer of mysql://***@h/d and <GH_PAT>" in done.stderr
    assert "p/w" not in done.stderr
    assert done.stdout == "<GH_PAT>\n"


HARMFUL = "\x1b\x07\x85\u2028\u2029\u202a\u202e\u2066\u2069\u200e\ufeff\ud800"


def test_what_moves_a_cursor_is_not_shown() -> None:
    assert visible_line(f"a{HARMFUL}b\n\tc", "") == "abc"
    assert visible_text(f"a{HARMFUL}b\n\tc", "") == "ab\n\tc"
    assert str(Problem(f"class '{HARMFUL}'")) == f"class '{'?' * len(HARMFUL)}'"


@pytest.mark.parametrize("text", ["größer ± 0,5", "a\u00a0b", "می\u200cخواهم", "👩\u200d⚕️"])
def test_text_of_any_script_is_shown_as_it_stands(text: str) -> None:
    assert visible_line(text) == text
