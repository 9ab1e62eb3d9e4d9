"""Who is on a DICOM image: a keyed hash in place of PatientID, so that no ID enters a store.

The hash is HMAC-SHA256 (RFC 2104) over issuer and ID. Its key lies outside of every store: in the
variable ABL_PATIENT_KEY, or in a file of the user's configuration that is made when it is first
needed. Another key gives other names of patients, and with them other splits.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import unicodedata
from pathlib import Path
from typing import Any

from abl.errors import InputError

VARIABLE = "ABL_PATIENT_KEY"
SHORTEST = 16  # characters of a key
HASHED = 20  # hex digits of a name: 80 bits


def patient_of(header: Any) -> tuple[str, str]:
    """(PatientID, IssuerOfPatientID) of a pydicom Dataset, "" where unknown. Not to be written.

    Spaces around an ID are padding; a backslash within one is a character of it and no separator;
    text that is UTF-8 without saying so is read as such; composed and decomposed letters are one.
    """
    return _text(header, "PatientID"), _text(header, "IssuerOfPatientID")


def _text(header: Any, keyword: str) -> str:
    from pydicom.charset import convert_encodings, decode_bytes
    from pydicom.datadict import tag_for_keyword

    try:
        raw = header.get_item(tag_for_keyword(keyword))
        if raw is None or raw.value is None:
            return ""
        value = raw.value
        if isinstance(value, bytes):
            value = _decoded(value, header, convert_encodings, decode_bytes)
        elif not isinstance(value, str):
            value = "\\".join(map(str, value)) if hasattr(value, "__iter__") else str(value)
    except Exception:  # what it says may not be told, and an ID that cannot be read is none
        return ""
    return unicodedata.normalize("NFC", value).strip(" \0\t\r\n")


def _decoded(value: bytes, header: Any, convert_encodings: Any, decode_bytes: Any) -> str:
    declared = header.get("SpecificCharacterSet")
    if not declared:
        with contextlib.suppress(UnicodeDecodeError):
            return value.decode("utf-8")
        return value.decode("latin-1")
    return str(decode_bytes(value, convert_encodings(declared), set()))


def patient_name(issuer: str, patient: str, key: str) -> str:
    """What stands for a person: `P` and 20 hex digits; the same for the same issuer, ID and key."""
    said = json.dumps([issuer, patient]).encode()
    return "P" + hmac.new(key.encode(), said, hashlib.sha256).hexdigest()[:HASHED]


def key_sign(key: str) -> str:
    """Eight hex digits by which people see whether two machines have one key."""
    return hashlib.sha256(f"abl patient key {key}".encode()).hexdigest()[:8]


def key_file() -> Path:
    """Where the key lies unless the variable gives it."""
    home = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    # where there is no home it stays `~`, and the file cannot be made
    return Path(os.path.expanduser(home)) / "abl" / "patient.key"  # noqa: PTH111


def key_place() -> str:
    """Where the key is, for people; it names no home of a user."""
    if os.environ.get(VARIABLE) is not None:
        return VARIABLE
    home = "$XDG_CONFIG_HOME" if os.environ.get("XDG_CONFIG_HOME") else "~/.config"
    return f"{home}/abl/patient.key"


def patient_key() -> str:
    """The key, made and kept (mode 0600) the first time.

    Raises:
        InputError: The variable's key is too short; the file cannot be read or written, or others
            may read it.
    """
    given = os.environ.get(VARIABLE)
    if given is not None:
        if len(given.strip()) < SHORTEST:
            raise InputError(f"{VARIABLE}: a key of patients needs {SHORTEST} characters or more")
        return given.strip()
    path = key_file()
    try:
        if not path.exists():
            _make(path)
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise InputError(f"{path}: others may read the key of patients; chmod 600 it")
        found = path.read_text(encoding="utf-8").strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text"
        raise InputError(
            f"{path}: no key of patients ({reason}); give one in the variable {VARIABLE}"
        ) from None
    if len(found) < SHORTEST:
        raise InputError(f"{path}: holds no key of {SHORTEST} characters; take it away")
    return found


def _make(path: Path) -> None:
    """A key on the disk, whole and once: another process may make one at the same time."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_name(f"{path.name}.{os.getpid()}")
    opened = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(opened, "w") as file:
            file.write(secrets.token_hex(32) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
