"""Secrets in the forms in which messages quote addresses and settings; what only looks alike."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from abl.redaction import redacted, redacted_source

HOST = "db.example.org"
odd = st.text(
    st.characters(codec="utf-8", exclude_categories=["Z", "C"]) | st.sampled_from("/%@:?#&=\\"),
    min_size=6,
    max_size=30,
)
plain = st.text(st.sampled_from("abcXYZ019!%/._-+"), min_size=6, max_size=20)


def left_of(shown: str, *known: str) -> str:
    for each in (HOST, *known):
        shown = shown.replace(each, "")
    return shown


@given(odd)
def test_an_address_that_was_made_a_path_keeps_its_password(password: str) -> None:
    assume(not password.startswith("/"))
    for address in (f"https:/me:{password}@{HOST}/d", f"/home/x/mysql:/me:{password}@{HOST}/d"):
        for text in (address, f"no such file: {address}, sorry", f"{address}\nand more"):
            shown = redacted(text)
            assert password not in left_of(shown)
            assert f"{HOST}/d" in shown


def test_path_makes_such_an_address() -> None:
    shown = redacted(f"{Path(f'https://me:kn0ck@{HOST}/d')} is no folder")
    assert shown == f"https:/***@{HOST}/d is no folder"
    assert redacted(str(Path(f"https://ghtoken-x@{HOST}/d"))) == f"https:/***@{HOST}/d"


@given(st.lists(plain, min_size=2, max_size=4), st.sampled_from(["mysql://", "https:/"]))
def test_a_password_with_blanks_is_blanked(words: list[str], scheme: str) -> None:
    # a number is a port, and an address that has no blank in it ends with it
    assume(not words[0][0].isdigit() and not words[0].startswith("/"))
    shown = redacted(f"cannot connect to {scheme}me:{' '.join(words)}@{HOST}:5432/d, sorry")
    assert not any(word in left_of(shown, "cannot connect to", "sorry", "5432/d") for word in words)
    assert f"{HOST}:5432/d, sorry" in shown


@given(odd)
def test_an_address_without_its_scheme_keeps_its_password(password: str) -> None:
    assume(not password.startswith("//") and not re.fullmatch(r"[\d.,:%]+", password))
    for text in (f"me:{password}@{HOST}:5000", f"(me:{password}@{HOST}:5000)"):
        shown = redacted(text)
        assert password not in left_of(shown, "5000")
        assert f"{HOST}:5000" in shown
    assume(not password.startswith("/"))
    shown = redacted(f"reads //me:{password}@{HOST}/d")
    assert password not in left_of(shown, "reads")


@pytest.mark.parametrize("name", ["pw", "jwt", "access", "session", "session_id", "sid", "key"])
@pytest.mark.parametrize("begin", ["https://h/x?", "https://h/x?a=1&", "GET /login?", "?"])
def test_secret_parameters_are_blanked(name: str, begin: str) -> None:
    assert redacted(f"{begin}{name}=kn0ck&b=2") == f"{begin}{name}=***&b=2"
    assert redacted(f"'{begin}{name}=kn0ck'").rstrip("'") == f"'{begin}{name}=***"


def is_mark(value: str) -> bool:
    """What stands for a value, or says where it is."""
    return re.fullmatch(r"[\"']?(\$[A-Za-z_{(].*|\*+.*|<.*|[|>].*)", value) is not None


def of_code(value: str) -> bool:
    return is_mark(value) or re.match(r"[^\W\d][\w.]*([(\[{]|$)", value) is not None


@given(
    odd, st.sampled_from(["password", "db_password", "PASSPHRASE", "api_key", "token", "secret"])
)
def test_a_setting_is_blanked_as_people_and_files_write_it(password: str, name: str) -> None:
    assume(not is_mark(password))
    said = json.dumps({"user": "me", name: password, "port": 5000})
    twice = json.dumps(json.dumps({name: "kn0ck/kn0ck", "port": 5000}))
    for text in (said, f"config: {said}", json.dumps({name: password}, indent=1)):
        assert json.dumps(password)[1:-1] not in redacted(text)
    assert "kn0ck" not in redacted(twice)
    assert '"port": 5000' in redacted(said)
    assume(not of_code(password.rstrip(",;")) and "'" not in password and '"' not in password)
    assume(re.search(r"\w", password) and not re.match(r"[\[\](){},;\\]", password))
    shown = redacted(f"user: me\n{name}: {password}\nport: 5000\n")
    assert password not in shown.replace(name, "")
    assert "user: me\n" in shown
    assert "\nport: 5000\n" in shown
    assert password not in redacted(f"{name} = {password}").replace(name, "")


@pytest.mark.parametrize(
    "text",
    [
        "password = hunter", "password = kn0ck host = h", "pw: kn0ck", "jwt = kn0ck-x1",
        "could not log in (password: kn0ck)", "{password: kn0ck, user: me}", "  token: abcdef",
        "- password: p,w(x", "db.password: kn0ck", '"password" : 12345678, "user": "me"',
        "password: 'kn0ck kn0ck'", "PASSWORD = \"a b\"", r'"{\"password\": \"kn0ck\"}"',
    ],
)  # fmt: skip
def test_settings_are_blanked(text: str) -> None:
    shown = redacted(text)
    assert "***" in shown
    for secret in ("hunter", "kn0ck", "abcdef", "p,w", "12345678", "a b"):
        assert secret not in shown
    if "user" in text:
        assert "user" in shown


HARMLESS = [
    "12:30@", "12:30@room", "at 12:30@h:5000", "2024-05-01T12:30:05@x", "sens:90@spec:95",
    "F1:0.82@t:0.5", "me@example.org", "mailto:me@example.org", "contact:me@example.org",
    "author: me <me@example.org>", "git@github.com:org/repo.git", "image:tag@sha256:0123abcdef",
    "see http://127.0.0.1:5000 or write to me@example.org", "http://h:5000/x, ask me@example.org",
    "http://HOST:PORT for me@x.org", "a: b@c", "C:/Users/me:x@y", "s3:/bucket/a@b",
    "session: 2", "access: open", "session = 3", "| session | access | key |", "pass: 12", "key: x",
    "arm session=2, access=full", "columns: access, session, jwt_share", "session",
    "max_tokens: 512", "tokens = 77", "tokenizer: bert-base", "n_tokens = 4096", "token_length: 5",
    "the password: it is wrong", "token = tokenizer(x)", "token = args.token", "token: str",
    "password: str = None", "the secret of success", "secrets: 4 found", "token = value",
    "a token: see the docs of it", "RAY_AUTH_TOKEN: set it", "label: password", "P = 0.05",
    "// a comment: me@x.org", "Δ F1: +1.9 [-9.4, 12.3]", "0.5:0.9", "threshold: {from: 0, to: 1}",
    "viewStateShareKey=abc", "http://127.0.0.1:5000/#/experiments/1?viewStateShareKey=abc",
    "export RAY_AUTH_TOKEN=$(openssl rand -hex 32)", "password: $PASSWORD", "password = ${PW}",
]  # fmt: skip


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_looks_alike_stays_readable(text: str) -> None:
    assert redacted(text) == text
    assert redacted(f"first line\n{text}\nlast line") == f"first line\n{text}\nlast line"


@given(st.integers(0, 23), st.integers(0, 59), st.sampled_from(["", " room", "x", "ward.3"]))
def test_times_stay_readable(hour: int, minute: int, place: str) -> None:
    for text in (f"{hour}:{minute:02}@{place}", f"at {hour:02}:{minute:02} @ {place}"):
        assert redacted(text) == text


names = st.from_regex(r"[a-z][a-z0-9._+-]{0,12}", fullmatch=True)


@given(names, names, st.sampled_from(["", "mailto:", "by: ", "<"]))
def test_mail_addresses_stay_readable(user: str, host: str, before: str) -> None:
    for text in (f"{before}{user}@{host}.org", f"{before}{user}@{host}.org, and more"):
        assert redacted(text) == text


@given(st.sampled_from(["session", "access", "key", "label", "seed", "arm", "sid", "auth"]), plain)
def test_other_settings_stay_readable(name: str, value: str) -> None:
    for text in (f"{name}: {value}", f"{name} = {value}", json.dumps({name: value})):
        assert redacted(text) == text


def test_long_lines_of_these_forms_are_looked_through_in_time() -> None:
    # each of these took minutes where a pattern looks back
    for part in (
        "x:",
        "a:b@",
        "//x:",
        "://a:b ",
        "token: ",
        "password",
        ":/a:",
        '\\"',
        "?pw=",
        "pw: ",
    ):
        redacted_source(part * 50_000)
