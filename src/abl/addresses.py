"""Addresses that a user gives (--record, --store, --data, ABL_*), split into their parts.

Python's own error quotes the part that it cannot read, which may be one of a password.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from abl.errors import InputError
from abl.redaction import redacted


def split_address(address: str, option: str) -> SplitResult:
    """The parts of an address.

    Args:
        option: Where it was given, such as --record: named if it is refused.

    Raises:
        InputError: It has none, in a line without its password.
    """
    said = redacted(f"{option} {address}", address)
    # one letter before the colon is a disk
    if re.match(r"[A-Za-z][\w+.\-]+:\\", address):
        raise InputError(f"{said}: not an address: write :// in the place of :\\\\")
    try:
        return urlsplit(address)
    except ValueError:
        pass
    raise InputError(
        f"{said}: not an address: in a user or a password the signs [ ] / ? # @ : % are written "
        "%5B %5D %2F %3F %23 %40 %3A %25, and only an IPv6 host stands in brackets"
    )
