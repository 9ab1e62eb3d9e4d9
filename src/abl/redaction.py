"""Passwords and tokens blanked in whatever is printed, kept or recorded. The only such place.

What can be known is known: values of environment variables that are named like secrets, and the
passwords of addresses. What cannot is found by its shape: addresses with a user, `password=`, the
tokens of well-known services. Host, port and database stay readable.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote, unquote

from abl.secret_addresses import (
    BLANK,
    ENCODED,
    HARMLESS,
    NAME,
    NO_VALUE,
    PARAMETER,
    addresses_redacted,
)
from abl.secret_blocks import blocks_redacted

SHORTEST = 6  # of a secret that is looked for anywhere: what is shorter would blank half the text
_LONGEST_LINE = 16  # of a value of several lines, each line from this length on

# words in a name, between what is no letter: PGPASSWORD and apikey end in one
_WORDS = frozenset({"KEY", "PAT", "PASS", "PWD", "DSN", "CREDS", "APIKEY", "PASSCODE"})
_PARTS = ("PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY")

_BEGINS_ADDRESS = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.\-]*://")
_PAIR = re.compile(
    rf"(?i)({NAME})=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\{{[^{{}}\n]+\}}|[^\s&;,'\"]+)"
)
_HEADER = re.compile(
    r"(?i)(authorization['\"]?\s*[:=]\s*[rbuf]{0,2}['\"]?(?:bearer|basic|token|digest)\s+|"
    r"\bbearer\s+(?=[\w.~+/\-]{16}))[^\s'\"]+"
)
# GitHub, GitLab, Hugging Face, Slack, AWS, Databricks, OpenAI and the like, Google, JSON Web Tokens
_SHAPES = re.compile(
    r"\b(?:gh[pousr]_\w{20,}|github_pat_\w{20,}|glpat-[\w\-]{15,}|hf_[A-Za-z0-9]{20,}|"
    r"xox[abeprs]-[\w\-]{10,}|A[KS]IA[0-9A-Z]{16}|dapi(?=[a-z]{0,8}\d)\w{8,}(?:-\d)?|sk-[\w\-]{20,}|"
    r"AIza[\w\-]{35}|eyJ[\w\-]{10,}\.[\w\-]{10,}\.[\w\-]+)|"
    r"(?<=hooks\.slack\.com/services/)[\w/]+"
)
# where programs take a user and a password in forms of their own
_OF_PROGRAMS = (
    re.compile(r"(?i)(jdbc:oracle:\w+:[^/\s:@]+/)[^@\s]+(?=@)"),
    re.compile(r"(\bcurl\b[^\n]{0,200}?\s(?:-u|--user)[= \t]*[^\s:]+:)\S+"),
    re.compile(r"(\b(?:mysql|mysqldump|mysqladmin|mariadb)\b[^\n]{0,200}?\s-p)[^\s\-]\S*"),
    re.compile(r"(\bsshpass[ \t]+-p[ \t]*)\S+"),
    re.compile(r"(\bdocker[ \t]+login\b[^\n]{0,200}?\s-p[ \t]+)\S+"),
    re.compile(r"(?i)(;[ \t]?(?:password|pwd)=(?!\{))[^;'\"\n]+(?=;)"),
    re.compile(r"(?i)(\blogin[ \t]+\S+[ \t]+password[ \t]+)\S+"),
    re.compile(rf"(?i)(<{NAME}>)[^<\n]+(?=</)"),
)
_PRIVATE_KEY = re.compile(
    r"(-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL
)

# what is said of a setting anywhere: JSON, YAML, `name = value`; names of counts are no secrets
_FIELD = (
    r"(?=[apstj])(?:password|passwd|passphrase|passcode|pwd|(?<![A-Za-z])(?:pw|jwt)|secret|token|api[_-]?key|"
    r"(?:access|private|account|shared|secret)[_-]?key)[_-]?\d{0,4}"
)
_ANNOTATED = r"(?:[ \t]{0,8}:[ \t]{0,8}[A-Za-z_][\w.\[\]| ]{0,40}?(?=[ \t]{0,8}=))?"
_QUOTED_FIELD = re.compile(
    rf"(?i)({_FIELD}\\{{0,3}}[\"']?\]?{_ANNOTATED}[ \t]{{0,8}}[:=][ \t]{{0,8}})"
    r"(\\{1,3}\"[^\"\\\n]+\\{1,3}\"|\"(?:[^\"\\\n]|\\[^\n])+\"|'(?:[^'\\\n]|\\[^\n])+')"
)
_PLAIN_FIELD = re.compile(
    rf"(?im)({_FIELD}[\"']?[ \t]{{0,8}}(?:=[ \t]{{1,8}}|:[ \t]{{1,8}}))"
    r"([^\s\"'(){}\[\],;]+)(?=([ \t]*(?:$|[,;}\]]))|[ \t)])"
)
# alone on its line, as in YAML: whatever it holds
_LINE_FIELD = re.compile(
    r"(?im)^([+\- ]?[ \t]*(?:-[ \t]+)?[\w.\-\"']{0,60}?"
    rf"{_FIELD}[\"']?[ \t]{{0,8}}[:=][ \t]{{1,8}})"
    r"(?![\[\]{}(),]+$)(\S+?)(?=([,;]?[ \t]*$))"
)
_WORDS_ALONE = re.compile(r"[^\W\d]+\.?")
_OF_CODE = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+|[^\W\d][\w.]*[(\[{].*")

# in a file: name and value with a space, a colon or quotes between
_QUOTED_PASS = (
    r"(?<![\w.])pass(?=[\"']?[ \t]{0,8}[:=][ \t]{0,8}[\"'])"  # alone it is a word of code
)
_SOURCE_NAME = rf"(?=[apcstkd])(?:{NAME}|(?:(?<=\w-)|(?<=_))(?:key|pat|pass)|{_QUOTED_PASS}|dsn)"
_LITERAL = re.compile(
    rf"(?i)({_SOURCE_NAME}[\"']?\]?{_ANNOTATED}\s{{0,8}}(?::=|=>|==?|[:,])"
    r"(?:[ \t]{0,8}\n[+\- ]?[ \t]{1,60}|\s{0,8})[rbuf]{0,2})"
    r"(\"[^\"\n]+\"|'[^'\n]+'|`[^`\n]+`)"
)
_SETTING = re.compile(
    r"(?im)^([+\- ]?[ \t]*(?:export[ \t]+|set[ \t]+|env[ \t]+|-[ \t]+)?[\w.\-]{0,60}?"
    rf"{_SOURCE_NAME}(?:=|:[ \t]+|[ \t]*=>[ \t]*))([^\s\"'].*)$"
)
# of a settings file: code has names and calls behind a sign between blanks
_WIDE_SETTING = re.compile(
    rf"(?im)^([+\- ]?[ \t]*[\w.\-]{{0,60}}?{_SOURCE_NAME}[ \t]+=[ \t]+)"
    r"((?=\S*(?:\d|[^\w.\s]))[^\s()\[\]{}\"']+)[ \t]*$"
)
_ON_NEXT_LINE = re.compile(
    rf"(?im)^([+\- ]?[ \t]*[\w.\-]{{0,60}}?{_SOURCE_NAME}:[ \t]*\n[+\- ]?[ \t]+)([^\s:]+)[ \t]*$"
)
_OPTION = re.compile(
    rf"(?i)((?:(?<![\w\-\n])--?|(?<![^\n])-{{2,3}})[\w\-]{{0,60}}?{NAME}(?:=|[ \t]+))([^\s\-]\S*)"
)


def redacted(text: str, *addresses: str) -> str:
    """The text without secrets.

    Args:
        addresses: What the text is about: also parts of their passwords are blanked, which a
            library that misreads an address (`/` in a password) takes for a host or a port.
    """
    if not text:
        return text
    for secret, mark in _known().items():
        text = text.replace(secret, mark)
    text = addresses_redacted(text)
    # after the addresses: a part of a password may be a word of theirs
    for address in addresses:
        for piece in sorted(_pieces(address), key=len, reverse=True):
            bounded = rf"(?<![\w*]){re.escape(piece)}(?![\w*])"
            text = (
                re.sub(bounded, BLANK, text)
                if len(piece) < SHORTEST
                else text.replace(piece, BLANK)
            )
    text = _PRIVATE_KEY.sub(r"\1" + BLANK, text)
    text = _HEADER.sub(rf"\1{BLANK}", text)
    for form in _OF_PROGRAMS:
        text = form.sub(rf"\1{BLANK}", text)
    text = _PAIR.sub(lambda found: _pair_redacted(found[1], "=", found[2]), text)
    text = _QUOTED_FIELD.sub(lambda found: _pair_redacted(found[1], "", found[2]), text)
    for form in (_LINE_FIELD, _PLAIN_FIELD):
        text = form.sub(_field_redacted, text)
    return _SHAPES.sub(BLANK, text)


def redacted_source(text: str) -> str:
    """Source, settings or a difference of such files, without the values that are named secrets."""
    text = _LITERAL.sub(_literal_redacted, redacted(blocks_redacted(text)))
    for form in (_SETTING, _WIDE_SETTING, _ON_NEXT_LINE):
        text = form.sub(lambda found: _pair_redacted(found[1], "", found[2]), text)
    return _OPTION.sub(lambda found: _pair_redacted(found[1], "", found[2]), text)


def has_secret(address: str) -> bool:
    """Whether an address holds a user, a password or a token."""
    return addresses_redacted(address) != address


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name is taken for a secret."""
    upper = name.upper()
    if HARMLESS.search(upper):
        return False
    words = re.split(r"[^A-Z]+", upper)
    return any(part in upper for part in _PARTS) or any(
        word in _WORDS or word.endswith(("DSN", "KEY")) for word in words
    )


def _known() -> dict[str, str]:
    """What is secret in the environment now -> what to write for it; the longest first."""
    found: dict[str, str] = {}
    for name in list(os.environ):
        value = os.environ.get(name, "")  # another thread may take it away meanwhile
        named = is_secret_name(name)
        parts = {*_of_address(value)} if named or _BEGINS_ADDRESS.match(value) else set()
        for secret in parts or ({value} if named else set()):
            for form in _forms(secret):
                if len(form) >= SHORTEST:
                    found[form] = f"<{name}>"
    return dict(sorted(found.items(), key=lambda each: -len(each[0])))


def _forms(secret: str) -> set[str]:
    """As it may be written: as it stands, percent-encoded or decoded, quoted, line by line."""
    lines = secret.strip().splitlines()
    forms = {secret, secret.strip(), unquote(secret), quote(secret, safe=""), quote(secret)}
    forms |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    return forms | ({each for each in lines if len(each) >= _LONGEST_LINE} if lines[1:] else set())


def _of_address(text: str) -> Iterator[str]:
    """Passwords in an address, or in `host=... password=...`."""
    if "://" in text:
        rest = text.partition("://")[2]
        inside, at, behind = rest.rpartition("@")
        behind = behind if at else rest
        parameters = [found[2] for form in (PARAMETER, ENCODED) for found in form.finditer(behind)]
        # what stands where everybody reads it (a database of the same name) is not hidden
        shown = ENCODED.sub("", PARAMETER.sub("", behind))
        found = [*(_passwords(inside) if at and not rest.startswith("/") else ()), *parameters]
        yield from (each for each in found if each and each not in shown)
    elif "=" in text:
        yield from (found[2].strip("'\"") for found in _PAIR.finditer(text) if found[2][0] != "$")


def _passwords(inside: str) -> Sequence[str]:
    """Of what stands before the `@`: the password, or a token that stands in the user's place."""
    user, colon, password = inside.partition(":")
    if colon:  # SQLAlchemy reads as far as the first @
        return [password, password.partition("@")[0]]
    return [] if "/" in user else [user]


def _pieces(address: str) -> set[str]:
    """Passwords of an address with their parts between the signs that end parts of an address."""
    whole = {form for each in _of_address(address) for form in _forms(each)}
    parts = {part for each in whole for part in re.split(r"[/?#@:\[\]%&;]", each)}
    return {each for each in whole | parts if each and not each.isspace()}


def _field_redacted(found: re.Match[str]) -> str:
    """Of `name: value` and `name = value`: a word of a sentence or of code is no secret."""
    name, value, ends = found[1], found[2], found[3] is not None
    is_set = "=" in name
    if _WORDS_ALONE.fullmatch(value):
        is_password = re.search(r"(?i)pass", name) is not None
        is_prose = not is_password if is_set else not ends
        if is_prose or value.lower() == re.sub(r"\W", "", name).lower():
            return found[0]
    if is_set and _OF_CODE.fullmatch(value):
        return found[0]
    return _pair_redacted(name, "", value)


def _literal_redacted(found: re.Match[str]) -> str:
    # in `"name": "TOKEN", "value": ...` the next is a name
    is_name = "," in found[1] and found.string[found.end() : found.end() + 1] == ":"
    return found[0] if is_name else _pair_redacted(found[1], "", found[2])


def _pair_redacted(name: str, between: str, value: str) -> str:
    plain = re.sub(r"\W+$", "", name).upper()
    # PWD is a folder to a shell and a password to a database
    is_folder = not re.search(r"(^|\W)(OLD)?PWD$", plain) or value.lstrip("\"'")[:1] in "/~$"
    if (HARMLESS.search(plain) and is_folder) or NO_VALUE.match(value):
        return f"{name}{between}{value}"
    mark = value[0] if value[0] in "\"'`" and value[-1] == value[0] else ""
    return f"{name}{between}{mark}{BLANK}{mark}"
