"""Secrets in recorded differences that stand apart from their names: below, in lists, in pairs."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abl.redaction import redacted, redacted_source

# as they stand in a file; every line of a difference has a sign before it
SECRET = [
    "password: >-\n  kn0ck\n  kn0ck kn0ck\nport: 1",
    "a:\n  passwd: |\n    kn0ck: x\n\n    kn0ck\n  user: me",
    "- db_password: |2-  # so\n      kn0ck kn0ck\n  user: me",
    "token:\n  - kn0ck\n  - 'kn0ck kn0ck'\nuser: me", "api_tokens:\n- kn0ck\n- kn0ck",
    "- name: DB_PASSWORD\n  value: kn0ck", '- name: "DB_PASSWORD"\n  value: "kn0ck kn0ck"',
    '{name: API_TOKEN, value: "kn0ck"}', "- {name: API_TOKEN, value: kn0ck}",
    '{"name": "DB_PASSWORD", "value": "kn0ck"}', '{"value": "kn0ck", "name": "DB_PASSWORD"}',
    '{\n  "name": "DB_PASSWORD",\n  "value": "kn0ck"\n}', '- value: kn0ck\n  name: GH_TOKEN',
    'name  = "DB_PASSWORD"\nvalue = "kn0ck"',
    'PASSPHRASE: str = "kn0ck"', "    token: str | None = 'kn0ck'", 'TOKEN: Final[str]="kn0ck"',
    'SMTP_PASSWORD="""\nkn0ck\n"""', "password = '''kn0ck'''", "secret: str = r'''\\\nkn0ck\n'''",
    'PASSWORD = (\n    "kn0ck"\n    "kn0ck"\n)', 'token = \\\n    "kn0ck"', '"token":\n    "kn0ck"',
    'if password == "kn0ck":', 'pass = "kn0ck"', "  pass='kn0ck'",
    '"auths":{"reg":{"auth":"kn0ckZTpwdw=="}}',
    '"auths": {\n "reg": {\n  "auth": "kn0ckOnck"\n }\n}',
    '"tokens": ["kn0ck"]', 'tokens = [\n  "kn0ck",\n  "kn0ck",\n]', "API_TOKENS: ['a', 'kn0ck']",
    'auth = ("me","kn0ck")', 'get(u, auth=("me", "kn0ck"))', 'HTTPBasicAuth("me", "kn0ck")',
    '{"username":"me","key":"kn0ckkn0ck"}', '{\n  "username": "me",\n  "key": "kn0ckkn0ck"\n}',
    'wandb.login(key="kn0ckkn0ck")', "wandb login kn0ckkn0ckkn0ckkn0ckkn0ck",
    "machine h login me password kn0ck", "machine h\n  login me\n  password kn0ck",
    "curl -u me:kn0ck https://h/x", "sshpass -p kn0ck ssh h", "docker login -u me -p kn0ck reg",
    "[default]\naws_secret_access_key = kn0ck/kn0ck+1", "aws_session_token=kn0ck",
    "-----BEGIN OPENSSH PRIVATE KEY-----\nkn0ck\nkn0ck\n-----END OPENSSH PRIVATE KEY-----",
    "password: !vault |\n  kn0ck\n  kn0ck\nport: 1", "DB_PASSWORD: ${DB_PASSWORD:-kn0ck}",
    "ENV TOKEN kn0ck",
    "Authorization: kn0ck", '"Authorization": "kn0ck"', "Authorization: Bearer kn0ck",
    "-H 'Authorization: Basic kn0ck'",
    'headers = {"Authorization": f"Bearer kn0ck"}',
    '"    \\"DB_PASSWORD = \\\\\\"kn0ck\\\\\\"\\\\n\\","',
    '"source": ["API_TOKEN = \\"kn0ck\\"\\n", "os.environ[\\"DB_PASSWORD\\"] = \\"kn0ck\\"\\n"]',
    '"PASSPHRASE: str = \\"kn0ck\\"\\n"', '"!curl -u me:kn0ck https://h"', "DB_PASSWORD=kn0ck",
    "    environment:\n      POSTGRES_PASSWORD: kn0ck\n      - MYSQL_PASSWORD=kn0ck",
    '[db]\npassword = "kn0ck"', "//registry.npmjs.org/:_authToken=kn0ck",
]  # fmt: skip
CLEAN = [
    "description: >-\n  a token\n  of words", "- name: EPOCHS\n  value: 12", "n_tokens: 4\n- x",
    '{"name": "lr", "value": "0.1"}', "secrets:\n  - db_password", "secrets:\n  name: x",
    '- name: DB_PASSWORD\n  value: "$DB_PASSWORD"', "- name: TOKEN_PATH\n  value: /run/x",
    "- name: DB_PASSWORD\n  valueFrom:\n    secretKeyRef:\n      name: db",
    "columns: [session, key, value]", "password_file: |\n  /run/x", "label: str = 'x'",
    "    if token:\n        return words", "Args:\n  token:\n    The token of a word.",
    "def f(token: str, other: str = 'x') -> str:", "token = tokens[0]",
    "tokens = [t for t in words]",
    "password: str = field(default='')", '"auth": "basic"', "for key in ('a', 'b'):",
    'description = """\ntoken\n"""', 'classes = ("a", "b")', "login me\nthe password", "pass",
    "sens: 0.9", 'columns = ("session", "access")', 'auth: "none"',
    '{"username": "me", "seed": "1"}', "docker login -u me reg", "key: a\nvalue: b",
    "Authorization: see",
    "DB_PASSWORD: ${DB_PASSWORD:?}", "${DB_PASSWORD}", "ENV SEED 1", '"Authorization": auth,',
    "token: str",
]  # fmt: skip


def of_difference(text: str, sign: str) -> str:
    lines = "\n".join(f"{sign}{line}" for line in text.split("\n"))
    return f"diff --git a/x b/x\n@@ -1,2 +1,9 @@ x\n context\n{lines}\n other: line\n"


@pytest.mark.parametrize("text", SECRET)
@pytest.mark.parametrize("sign", ["", "+", "-", " "])
def test_what_stands_apart_from_its_name_is_blanked(text: str, sign: str) -> None:
    shown = redacted_source(of_difference(text, sign))
    assert "kn0ck" not in shown
    assert "***" in shown
    assert shown.endswith("\n other: line\n")
    for kept in ("user: me", "port: 1", "DB_PASSWORD", "API_TOKEN", "login me", "value"):
        assert (kept in text) == (kept in shown)


@pytest.mark.parametrize("text", CLEAN)
@pytest.mark.parametrize("sign", ["", "+", "-", " "])
def test_what_is_no_secret_stays(text: str, sign: str) -> None:
    assert redacted_source(of_difference(text, sign)) == of_difference(text, sign)


words = st.text(st.sampled_from("kqxzKQXZ019+/%!@.~"), min_size=6, max_size=30)


@given(st.lists(words, min_size=1, max_size=4), st.sampled_from("+- "), st.sampled_from("|>"))
def test_a_block_is_blanked_whatever_it_holds(lines: list[str], sign: str, mark: str) -> None:
    body = "\n".join(f"    {line}" for line in lines)
    shown = redacted_source(of_difference(f"a:\n  password: {mark}-\n{body}\n  port: 5000", sign))
    assert not any(line in shown for line in lines)
    assert f"{sign}  port: 5000\n" in shown
    assert shown.count("\n") == 7 + len(lines)


@given(words, st.sampled_from(["DB_PASSWORD", "API_TOKEN", "PASSPHRASE"]))
def test_a_pair_is_blanked_as_json_writes_it(value: str, name: str) -> None:
    for indent in (None, 1, 4):
        said = json.dumps({"env": [{"name": name, "value": value}, {"name": "A"}]}, indent=indent)
        shown = redacted_source(of_difference(said, "+"))
        assert value not in shown
        assert f'"name": "{name}"' in shown
        assert shown.replace("***", value) == of_difference(said, "+")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x:///?odbc_connect=DRIVER%3Dx%3BUID%3Dme%3BPWD%3Dkn0ck%3B", None),
        ("odbc_connect=UID%3Dme%3Bpassword%3Dkn0ck%3BDatabase%3Dd",
         "odbc_connect=UID%3Dme%3Bpassword%3D***%3BDatabase%3Dd"),
        ("UID%253Dme%253BPWD%253Dkn0ck%253BA%253D1", "UID%253Dme%253BPWD%253D***%253BA%253D1"),
        ("Server=h;Password=kn0ck kn0ck;Database=d", "Server=h;Password=***;Database=d"),
        ("Server=h;Pwd={kn0ck;kn0ck};Database=d", "Server=h;Pwd=***;Database=d"),
        ("http://h/x;jsessionid=kn0ck", "http://h/x;jsessionid=***"),
        ("GET /x;jsessionid=kn0ck?a=1", "GET /x;jsessionid=***"),
        ("databricks://dapi0123kn0ck", "databricks://***"),
        ("no host dapi0123kn0ck found", "no host *** found"),
        ("u:kn0ck@127.0.0.1:9", "***@127.0.0.1:9"), ("u:kn0ck@a.example:9", "***@a.example:9"),
        (r"http:\\u:kn0ck@127.0.0.1:9", None), (r"http:\\u:kn0ck@h/d", None),
    ],
)  # fmt: skip
def test_connection_strings_and_odd_addresses(text: str, shown: str | None) -> None:
    assert "kn0ck" not in redacted(text)
    assert "***" in redacted(text)
    assert shown in (None, redacted(text))


@pytest.mark.parametrize(
    "text", ["a@b.c:0.5", "databricks://profile", "x%3Dy%3Bz", "tokens%20", r"C:\x:y@z", "a:b@c:1"]
)
def test_what_looks_like_these_stays(text: str) -> None:
    assert redacted(text) == text


def test_long_lines_of_blocks_are_looked_through_in_time() -> None:
    # each of these took minutes where a pattern looks back
    for part in (
        'token="""', "token: [", "token=(", "auth=", "token:\n", "token: |\n  x\n", "name: token ",
        "token:\n- x\n", "+\n", " \n", "curl ", "login x\n", "docker login ", "PWD%3D", "token: a ",
        "value: x ", "http:\\", "\\", "[", "token=['",
    ):  # fmt: skip
        redacted_source(part * 50_000)
