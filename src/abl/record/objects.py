"""Files of an object store, and leases as such files. The only module that imports fsspec."""

from __future__ import annotations

import contextlib
import functools
import time
import uuid
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from abl.addresses import split_address
from abl.errors import InputError, StageError
from abl.record.lease import Place
from abl.redaction import has_secret, redacted
from abl.scratch import written_whole

# of small files asked for at once
MANY = 500

P = ParamSpec("P")
R = TypeVar("R")


class StoreLostError(StageError, OSError):
    """An object store does not answer, or refuses: one line."""


def _told_plainly(method: Callable[P, R]) -> Callable[P, R]:
    """Whatever the library of a store raises is a StoreLostError; what is absent stays absent."""

    @functools.wraps(method)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (FileNotFoundError, FileExistsError, StoreLostError):
            raise
        except Exception as error:  # botocore's own errors have no class in common with others
            url = getattr(args[0], "url", "")
            raise StoreLostError(redacted(f"store {url}: {_told(error)}")) from error

    return wrapped


class Objects:
    """Files below an address such as s3://bucket/folder, through fsspec.

    Credentials and endpoints come from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL, ...).

    Raises:
        InputError: No such kind of store, one whose package is not installed, or a secret in the
            address.
    """

    def __init__(self, url: str, option: str = "--store"):
        import fsspec

        self._option = option
        self.url = url.rstrip("/")
        parts = split_address(self.url, option)
        if parts.scheme in ("", "file", "local"):
            raise InputError(
                f"{option} {url}: not an object store such as s3://bucket/folder; a folder is "
                "given with --mlruns"
            )
        if not parts.netloc:
            where = f"{parts.scheme}://BUCKET/FOLDER"
            raise InputError(f"{option} {url}: names no bucket: write {where}")
        if "@" in parts.netloc or parts.query or has_secret(self.url):
            raise InputError(
                f"{option}: an address holds no user or password, as it is written into logs: give "
                "these in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)"
            )
        # what another process has just written must be seen
        self._options = {"use_listings_cache": False} if parts.scheme in ("s3", "s3a") else {}
        try:
            self._fs: Any
            self._fs, base = fsspec.core.url_to_fs(self.url, **self._options)
        except (ImportError, ValueError) as error:
            needs = "pip install 'abl[s3]'" if parts.scheme == "s3" else str(error)
            raise InputError(f"{option} {self.url}: {needs}") from None
        self._base = str(base).rstrip("/")

    @property
    def is_of_this_process(self) -> bool:
        """Whether no other process sees these files: fsspec's own memory."""
        return self.url.startswith("memory:")

    def check(self, *, writing: bool) -> None:
        """Raises InputError if it cannot be used: read, and made a file in only if it is absent."""
        try:
            self.read("none")
            if not writing:
                return
            name = f"probe-{uuid.uuid4().hex}"
            try:
                alone = self.create(name, b"1") and not self.create(name, b"2")
            finally:
                with contextlib.suppress(OSError):
                    self.remove(name)
        except (FileNotFoundError, StoreLostError) as error:
            why = str(error).removeprefix(f"store {self.url}: ")
            raise InputError(f"{self._option} {self.url}: cannot be used ({why})") from None
        if not alone:
            raise InputError(
                f"--store {self.url}: this store cannot make a file only if it is absent, so that "
                "two runs could commit one stage twice: use S3 or a shared folder"
            )

    @_told_plainly
    def create(self, name: str, data: bytes) -> bool:
        """Makes a file if it is absent: whether it did. Never overwrites."""
        try:
            self._fs.pipe_file(self._at(name), data, mode="create")
        except FileExistsError:
            return False
        return True

    @_told_plainly
    def write(self, name: str, data: bytes) -> None:
        """Writes a file over what is there."""
        self._fs.pipe_file(self._at(name), data)

    @_told_plainly
    def read(self, name: str) -> bytes | None:
        """A file, None if it is absent."""
        try:
            return bytes(self._fs.cat_file(self._at(name)))
        except FileNotFoundError:
            return None

    @_told_plainly
    def read_many(self, names: Collection[str]) -> dict[str, bytes]:
        """Small files, asked for at once; absent ones are left out."""
        found: dict[str, bytes] = {}
        listed = sorted(names)
        for at in range(0, len(listed), MANY):
            by_path = {self._fs._strip_protocol(self._at(n)): n for n in listed[at : at + MANY]}
            read = self._fs.cat(list(by_path), on_error="omit")
            found |= {by_path[path]: bytes(data) for path, data in read.items()}
        return found

    @_told_plainly
    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of each file below a folder, at any depth; none if it is absent."""
        try:
            found = self._found(self._at(folder))
        except FileNotFoundError:
            return {}
        return {name: int(info["size"] or 0) for name, info in found.items()}

    def names(self, folder: str) -> list[str]:
        """Files below a folder, at any depth, sorted; none if it is absent."""
        return sorted(self.sizes(folder))

    @_told_plainly
    def versions(self) -> dict[str, str]:
        """What tells the content of each file from another: its tag, or its size and time."""
        return {name: _version(info) for name, info in self._found(self._base).items()}

    @_told_plainly
    def download_all(self, places: Mapping[str, Path]) -> None:
        """Copies many files from there, several at a time."""
        names = sorted(places)
        for name in names:
            places[name].parent.mkdir(parents=True, exist_ok=True)
        for at in range(0, len(names), MANY):
            part = names[at : at + MANY]
            self._fs.get([self._at(n) for n in part], [str(places[n]) for n in part])

    @_told_plainly
    def age_s(self, name: str) -> float:
        """Seconds since a file was written, as the store's clock and ours say."""
        return time.time() - float(self._fs.modified(self._at(name)).timestamp())

    @_told_plainly
    def upload(self, path: Path, name: str) -> None:
        """Copies a file of this machine there."""
        self._fs.put_file(str(path), self._at(name))

    @_told_plainly
    def download(self, name: str, path: Path) -> None:
        """Copies a file from there, whole or not at all.

        Raises:
            FileNotFoundError: It is absent.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as part:
            self._fs.get_file(self._at(name), str(part))

    @_told_plainly
    def remove(self, *names: str) -> None:
        """Removes files; absent ones are no error."""
        for name in names:
            with contextlib.suppress(FileNotFoundError):
                self._fs.rm_file(self._at(name))

    def _at(self, name: str) -> str:
        return f"{self._base}/{name}"

    def _found(self, folder: str) -> dict[str, dict[str, Any]]:
        """Name below the address -> what the store says of it, of each file below a folder."""
        start = len(self._fs._strip_protocol(self._base)) + 1
        return {str(p)[start:]: i for p, i in self._fs.find(folder, detail=True).items()}


class ObjectPlace(Place):
    """A lease as an object. Between a look and a removal there is a moment without protection.

    It could let two processes compute one stage; the commit is still one.
    """

    def __init__(self, objects: Objects, name: str):
        self._objects = objects
        self._name = name

    def create(self, content: str) -> bool:
        return self._objects.create(self._name, content.encode())

    def read(self) -> str | None:
        data = self._objects.read(self._name)
        return None if data is None else data.decode()

    def write(self, content: str, owner: str) -> None:
        self._objects.write(self._name, content.encode())

    def remove(self, content: str) -> bool:
        there = self.read()
        if there == content:
            self._objects.remove(self._name)
        return there in (None, content)

    def age_s(self) -> float:
        return self._objects.age_s(self._name)


def _version(info: Mapping[str, Any]) -> str:
    written = info.get("LastModified", info.get("created"))
    return str(info.get("ETag") or (info["size"], str(written)))


def _told(error: BaseException) -> str:
    first = next(iter(str(error).strip().splitlines()), "")
    return f"{type(error).__name__}: {first}"[:200]
