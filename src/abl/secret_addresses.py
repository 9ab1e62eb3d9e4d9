"""Users and passwords in addresses, found by their shape. Only `redaction` uses this.

An address may be whole (`scheme://user:password@host`), what `Path` makes of one (`https:/...`), or
lack its scheme. Host, port, path and database stay readable.
"""

from __future__ import annotations

import re

BLANK = "***"
# of a parameter or a setting; without what stands before: to look back for it takes seconds in a
# long line. The first letter is asked for on its own, as that halves the time
NAME = (
    r"(?=[apcst])(?:password|passwd|passphrase|passcode|pwd|secret|token|credential|api[_-]?key|"
    r"access[_-]?key|private[_-]?key|account[_-]?key|shared[_-]?key|signature)[\w\-]{0,40}"
)
# of these the value is a place or a way, or no secret at all
HARMLESS = re.compile(
    r"^(OLD)?PWD$|_(PATH|FILE|DIR|MODE|TYPE|URL|URI)$|TOKENIZER|PASSFILE$|"
    r"(^|[^A-Z0-9])(N|NUM|MAX|MIN)_TOKENS$"
)
# what stands there in code and schemas; $NAME and ${NAME} are places, not values
NO_VALUE = re.compile(
    r"(?i)[\"']?(\$(?:[A-Za-z_]\w*(?:/\S*)?|[{(].*)|"
    r"str|int|bool|bytes|float|none|null|true|false|\*+|<[\w ]+>|[|>][+\-]?)"
    r"(\s*[|,=)].*)?[\"']?$"
)
# names of parameters that are words of their own elsewhere: columns, labels
_OF_PARAMETERS = r"(?:sig|pass|auth|key|pat|pw|jwt|access|session|j?session[_-]?id|sid)"
PARAMETER = re.compile(rf"(?i)({NAME}|(?<=[?&;]){_OF_PARAMETERS})=([^&\s]*)")
# of a connection string inside an address; encoded twice where it is quoted
ENCODED = re.compile(rf"(?i)({NAME}%(?:25){{0,3}}3D)((?:(?!%(?:25){{0,3}}3B)[^\s&;,'\"<>])+)")
# an address may be cut, or be a path alone
_PARAMETER_ALONE = re.compile(rf"(?i)((?<=[?&]){_OF_PARAMETERS}|(?<=;)jsessionid)=([^&\s\"'<>]+)")
_ADDRESS = re.compile(
    # as far as the next white space: passwords hold anything else; addresses of a list are apart
    r"://((?:(?![,;\"'(<|\[][A-Za-z][A-Za-z0-9+.\-]{0,40}://)\S)*)"
)
_PORT = re.compile(r"(\d+|PORT|<?port>?)[^\w]*", re.IGNORECASE)
# a password with blanks, unless a port stands there: behind it the words of a sentence follow
_WITH_BLANKS = re.compile(
    r"(?i)(?<=:/)(/?)[^\s/:@?#\[]{0,100}:(?!(?:\d+|<?port>?)(?![\w]))"
    r"[^\s@]{1,200}(?:[ \t][^\s@]{1,200}){1,4}@(?=[\w\[])"
)
# a scheme has two letters: C:/ is a disk
_ONE_SLASH = re.compile(r"(?<=[\w+.\-]{2}:/)(?!/)[^\s/:@]{0,100}:\S{1,300}@(?=[\w\[])")
_TOKEN_ONE_SLASH = re.compile(r"(?i)(\bhttps?:/)(?!/)[^\s/:@]{1,300}@(?=[\w\[])")
_BACKSLASHES = re.compile(
    r"(?i)(\b[a-z][\w+.\-]{1,20}:\\{1,4})[^\s/:@\\]{0,100}:\S{1,300}@(?=[\w\[])"
)
_NO_SCHEME = re.compile(r"(?<![:\w/*])//[^\s/:@]{1,100}:\S{1,300}@(?=[\w\[])")
_BEFORE_PORT = re.compile(
    r"(?<![\w.+\-@/:%])[A-Za-z_][\w.+\-]{0,60}:(?!//|[/\\]*\*{3}@)(\S{1,200})@"
    r"(?=(?:([A-Za-z][\w\-]*(?:\.[\w\-]+)*|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]):\d{2,5}|"
    # of one digit only where nothing but a host stands before it
    r"(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-fA-F:]+\]|[A-Za-z][\w\-]*(?:\.[\w\-]+)+):"
    r"\d(?!\.\d))(?!\w))"
)
_NUMBER = re.compile(r"[\d.,:%]+")


def addresses_redacted(text: str) -> str:
    """The text with users, passwords and secret parameters of addresses blanked."""
    if "@" in text:
        text = _WITH_BLANKS.sub(rf"\1{BLANK}@", text)
        text = _ONE_SLASH.sub(f"{BLANK}@", text)
        text = _TOKEN_ONE_SLASH.sub(rf"\1{BLANK}@", text)
        text = _BACKSLASHES.sub(rf"\1{BLANK}@", text)
        text = _NO_SCHEME.sub(f"//{BLANK}@", text)
    text = _ADDRESS.sub(lambda found: f"://{_address_redacted(found[1])}", text)
    if "@" in text:
        text = _BEFORE_PORT.sub(_before_port_redacted, text)
    text = ENCODED.sub(rf"\1{BLANK}", text)
    return _PARAMETER_ALONE.sub(rf"\1={BLANK}", text)


def _before_port_redacted(found: re.Match[str]) -> str:
    # a sensitivity of 90 at a threshold, and no user of a machine
    host = found[2] or "."
    is_measured = _NUMBER.fullmatch(found[1]) and "." not in host and host != "localhost"
    return found[0] if is_measured else f"{BLANK}@"


def _address_redacted(rest: str) -> str:
    """What stands behind `://`, without user, password and secret parameters."""
    inside, at, behind = rest.rpartition("@")
    if rest.startswith("/"):
        inside, at, behind = "", "", rest  # a path alone
    elif at and "/" in inside and ":" not in inside:
        behind, at = rest, ""  # the @ is in a path
    elif not at:
        behind = _without_odd_port(rest)
    behind = PARAMETER.sub(lambda found: f"{found[1]}={BLANK}", behind)
    return f"{BLANK}@{behind}" if at else behind


def _without_odd_port(rest: str) -> str:
    """Behind a host stands a number: anything else is a password whose address has no `@`."""
    if rest.startswith("["):
        return rest
    authority = re.match(r"[^/?#]*", rest)
    host, colon, port = (authority[0] if authority else "").partition(":")
    if not colon or not re.search(r"\w", port) or _PORT.fullmatch(port):
        return rest
    return f"{host}:{BLANK}{rest[len(host) + 1 + len(port) :]}"
