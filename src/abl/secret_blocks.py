"""Secrets in files that stand apart from their names. Only `redaction` uses this.

On the lines below (YAML, Python), in a list, or as the value of a pair of name and value. Each line
may be one of a difference, behind its `+`, `-` or blank.
"""

from __future__ import annotations

import re

from abl.secret_addresses import BLANK, HARMLESS, NAME, NO_VALUE

# whatever follows, up to where a difference goes on elsewhere
_GOES_ON = r"(?!\n@@ |\ndiff )"
_STRING = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_ANNOTATED = r"(?:[ \t]{0,8}:[ \t]{0,8}[A-Za-z_][\w.\[\]| ]{0,40}?)?"
_SET = rf"[\"']?\]?{_ANNOTATED}[ \t]{{0,8}}[:=][ \t]{{0,8}}"
_APART = r"[\s,]{1,20}(?:[+\-][ \t]{0,40})?"

_KEY = re.compile(
    rf"(?im)^([+\- ]?[ \t]*(?:-[ \t]+)?)([\"']?[\w.\-]{{0,60}}?{NAME})[\"']?:[ \t]*"
    r"((?:[!&][\w.\-/]{1,40}[ \t]{1,8}){0,2}[|>][+\-\d]{0,2})?[ \t]*(?:[ \t]#[^\n]*)?$"
)
_DEEP = re.compile(r"[+\-]?[ \t]*")
_ITEM = re.compile(r"([+\-]?[ \t]*-[ \t]+)([^\s:]+|\"[^\"]*\"|'[^']*')[ \t]*$")
_ELSEWHERE = re.compile(r"@@ |diff |--- |\+\+\+ ")
_TRIPLE = re.compile(rf"(?is)({NAME}{_SET}[rbuf]{{0,2}})(\"\"\"|''')((?:{_GOES_ON}(?!\2).)*)")
_CONTINUED = re.compile(rf"(?i)({NAME}{_SET}\\\n[+\- ]?[ \t]{{0,60}}[rbuf]{{0,2}})({_STRING})")
_MANY = re.compile(
    rf"(?i)((?:{NAME}|(?<![A-Za-z])auth){_SET}[(\[]|BasicAuth\()"
    rf"((?:[^()\[\]\"'\n]|{_GOES_ON}\n|{_STRING})*)"
)
_OF_MANY = re.compile(rf"({_STRING})(?![ \t]{{0,8}}:)")
_NAMED = (
    rf"[\"']?\b(?:name|key)[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}}[\"']?([\w.\-]{{0,60}}?{NAME})[\"']?"
)
_VALUE = r"[\"']?\bvalue[\"']?[ \t]{0,8}[:=][ \t]{0,8}"
_PLAIN = r"[^\s,{}\[\]\"'][^\s,{}]*"
_NAME_VALUE = re.compile(rf"(?i)({_NAMED}{_APART}{_VALUE})({_STRING}|{_PLAIN})")
_VALUE_NAME = re.compile(rf"(?i)({_VALUE})({_STRING}|{_PLAIN})(?={_APART}{_NAMED})")
_OTHERS = (
    # of Docker: a user and a password in base64, and no word such as "basic"
    re.compile(r"([\"']_?auth[\"'][ \t]{0,8}:[ \t]{0,8}\")(?![a-z]+\d?\")[\w+/=\-]+(?=\")"),
    # of Kaggle and Weights & Biases
    re.compile(
        r"(\"username\"\s{0,8}:\s{0,8}\"[^\"\n]*\"[\s,+\-]{1,40}\"key\"\s{0,8}:\s{0,8}\")[^\"\n]+"
    ),
    re.compile(r"(\blogin\([^()\n]{0,100}?\bkey[ \t]{0,8}=[ \t]{0,8}\\?[\"'])[^\"'\\\n]+"),
    re.compile(r"(\bwandb[ \t]+login[ \t]+(?:--\w+[ \t]+){0,4})[\w\-]{20,}"),
    # of headers, where no scheme is named
    re.compile(
        r"(?i)(\bauthorization(?:[\"']\]?[ \t]{0,8}[:=,][ \t]{0,8}[rbuf]{0,2}[\"']|:[ \t]{1,8}))"
        r"(?=[^\s\"'{}$<>]{0,400}\d)[^\s\"'{}$<>]+(?=[\"',;]{0,3}[ \t]*$|[\"'])",
        re.MULTILINE,
    ),
    # of shells and Compose: what stands for a variable that is not set
    re.compile(rf"(?i)(\$\{{\w{{0,60}}?{NAME}:[\-=])[^}}\s]+(?=\}})"),
    re.compile(rf"(?im)^([+\- ]?[ \t]*(?:ENV|setx)[ \t]+\w{{0,60}}?{NAME}[ \t]+)\S+"),
    # of netrc, in lines
    re.compile(r"(?i)(\blogin[ \t]+\S+[ \t]*\n[+\- ]?[ \t]*password[ \t]+)\S+"),
)


def blocks_redacted(text: str) -> str:
    """The text without values that stand apart from a name that is one of a secret."""
    text = _TRIPLE.sub(rf"\1\2{BLANK}", _below_redacted(text))
    text = _CONTINUED.sub(lambda found: found[1] + f"{found[2][0]}{BLANK}{found[2][0]}", text)
    text = _MANY.sub(lambda found: found[1] + _OF_MANY.sub(_string_redacted, found[2]), text)
    text = _NAME_VALUE.sub(lambda found: _pair(found[2], found[1], found[3]), text)
    text = _VALUE_NAME.sub(lambda found: _pair(found[3], found[1], found[2]), text)
    for form in _OTHERS:
        text = form.sub(rf"\1{BLANK}", text)
    return text


def _string_redacted(found: re.Match[str]) -> str:
    return found[0] if len(found[0]) == 2 else f"{found[0][0]}{BLANK}{found[0][0]}"


def _pair(name: str, before: str, value: str) -> str:
    if HARMLESS.search(name.upper()) or NO_VALUE.match(value):
        return f"{before}{value}"
    mark = value[0] if value[0] in "\"'" else ""
    return f"{before}{mark}{BLANK}{mark}"


def _below_redacted(text: str) -> str:
    """YAML: block scalars, and items of lists, below their name."""
    parts, done = [], 0
    for found in _KEY.finditer(text):
        name = found[2].strip("\"'").upper()
        # a list of secrets holds names: Compose, GitHub
        if found.start() < done or HARMLESS.search(name) or (not found[3] and "SECRETS" in name):
            continue
        parts.append(text[done : found.end()])
        done = found.end()
        while done < len(text):  # at the end of a line
            end = text.find("\n", done + 1)
            end = len(text) if end < 0 else end
            shown = _line_below(text[done + 1 : end], len(found[1]), is_block=bool(found[3]))
            if shown is None:
                break
            parts.append(f"\n{shown}")
            done = end
    return "".join([*parts, text[done:]])


def _line_below(line: str, depth: int, *, is_block: bool) -> str | None:
    """The line without its value, None where what belongs to the name has ended."""
    if _ELSEWHERE.match(line):
        return None
    if not is_block:
        item = _ITEM.match(line)
        return f"{item[1]}{BLANK}" if item and len(item[1]) > depth else None
    before = _DEEP.match(line)
    begin = before[0] if before else ""
    if begin == line:
        return line
    return f"{begin}{BLANK}" if len(begin) > depth else None
