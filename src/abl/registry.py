"""Components by name: networks, heads, fusion modes, attention variants, rules, metrics, kinds of
stages, samplers and studies. All of them are registered, refused, versioned and listed alike.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from abl.errors import InputError

Value = TypeVar("Value")
IsOwn = Callable[[Mapping[str, Any]], bool]
_loading: list[tuple[str, IsOwn]] = []  # files of a user's own that are being loaded
_in_use: list[str] = []  # those that were


@dataclass(frozen=True)
class Entry:
    """What is known of a component.

    Attributes:
        name: In YAML.
        version: Above 1 where a change has altered what it computes: then it enters the identity
            of exactly the stages whose settings use the component.
        module: Where it is defined.
        description: First line of its documentation.
        facts: What else it says of itself where it registers.
        made: The function or class; None as long as its module is not imported.
        owner: The user's own file that registered it, itself or by a helper; "" for the package's.
        source: Digest of what it is of in that file; "" for the package's.
    """

    name: str
    version: int
    module: str
    description: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    made: Any = None
    owner: str = ""
    source: str = ""


class Registry(MutableMapping[str, Value]):
    """Components of one sort by name, those of the package first.

    Args:
        what: The word for one of them, in messages and as its decorator: `head`.
        declared: Module, or package of modules, that registers components by `@head("name")` and
            the like. Their names are read off its source, so that a plan knows them without
            importing what they need (torch takes seconds); asking for one imports its module.
        taken_by: Who else has a name (a library whose networks can be named too), "" if nobody. A
            user's own file is asked; the package knows what it names.
    """

    _all: ClassVar[list[Registry[Any]]] = []

    def __init__(
        self, what: str, *, declared: str = "", taken_by: Callable[[str], str] = lambda name: ""
    ):
        self.what, self._package, self._taken_by = what, declared, taken_by
        self._entries: dict[str, Entry] = {}
        self._values: dict[str, Value] = {}
        Registry._all.append(self)

    def registering(self, name: str, *, version: int = 1, **facts: Any) -> Callable[[Value], Value]:
        """A decorator that registers what it decorates. Raises InputError as `add`."""
        self._check(name, version)

        def register(value: Value) -> Value:
            self.add(name, value, value, version=version, **facts)
            return value

        return register

    def add(
        self,
        name: str,
        value: Value,
        made: Any,
        *,
        version: int = 1,
        description: str = "",
        **facts: Any,
    ) -> None:
        """Registers a component.

        Args:
            made: The function or class that it stands for.
            description: Default: the first line of its documentation.

        Raises:
            InputError: The name is taken, or is no word; a version that is no whole number from 1.
        """
        self._check(name, version)
        module = str(getattr(made, "__module__", ""))
        known = self._entries.get(name)
        # a module of the package is what declares it: its sources need not be read for that
        if known is None and not f"{module}.".startswith(f"{self._package}."):
            known = self._declared.get(name)
        owner = _owner()
        place = self._taken_by(name) if owner else ""
        # a notebook's cell may be run again
        if known is not None and not known.module == module == "__main__":
            place = Path(known.owner).name or known.module
        if place:
            raise InputError(
                f"{self.what} '{name}' exists already (in {place}): choose another name"
            )
        described = description or (inspect.getdoc(made) or "").strip().split("\n")[0]
        self._entries[name] = Entry(name, version, module, described, facts, made, owner)
        self._values[name] = value

    def _check(self, name: object, version: object) -> None:
        if callable(name):
            raise InputError(f'{self.what}: give it a name, as in @{self.what}("name")')
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(f"{self.what} {name!r}: its name must be text of one line")
        if not isinstance(version, int) or isinstance(version, bool) or version < 1:
            raise InputError(f"{self.what} '{name}': version {version!r}: write 1, 2, 3, ...")

    def entry(self, name: str) -> Entry | None:
        """What is known of a name, without importing anything; None if nothing is."""
        return self._entries.get(name) or self._declared.get(name)

    def own_words(self) -> str:
        """What a user's files register of this sort, behind "no such name"; "" without a file."""
        if not _in_use:
            return ""
        owned = [each for registry in Registry._all for each in registry._entries.values()]
        own = sorted(each.name for each in self._entries.values() if each.owner in _in_use)
        file = Path(_in_use[-1]).name
        if own:
            return f" ({file} registers {', '.join(own)})"
        if any(each.owner in _in_use for each in owned):
            return f" ({file} registers no {self.what})"
        return f' ({file} registers nothing: write @{self.what}("name") above what it is to name)'

    def version(self, name: str) -> int:
        """A component's version; 1 for a name that is not registered."""
        entry = self.entry(name)
        return 1 if entry is None else entry.version

    def identity(self, name: str) -> dict[str, Any]:
        """What a component adds to the identity of what uses it: nothing at version 1.

        One of a user's own file adds its source besides.
        """
        entry = self.entry(name)
        version = {} if entry is None or entry.version == 1 else {"version": entry.version}
        return version | ({"source": entry.source} if entry is not None and entry.source else {})

    def entries(self) -> list[Entry]:
        """Every component, without importing anything."""
        return [entry for name in self if (entry := self.entry(name)) is not None]

    def __getitem__(self, name: str) -> Value:
        if name not in self._values and name in self._declared:
            importlib.import_module(self._declared[name].module)
        return self._values[name]

    def __setitem__(self, name: str, value: Value) -> None:
        """Puts another value in a name's place, or a new one: what tests stand in for."""
        module = str(getattr(value, "__module__", ""))
        self._entries.setdefault(name, Entry(name, 1, module, "", made=value))
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name], self._entries[name]

    def __iter__(self) -> Iterator[str]:
        others = [name for name in self._entries if name not in self._declared]
        own = [name for name in others if self._entries[name].module.startswith("abl.")]
        yield from dict.fromkeys([*own, *self._declared, *others])

    def __len__(self) -> int:
        return len(set(self._declared) | set(self._entries))

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._declared

    @property
    def _declared(self) -> Mapping[str, Entry]:
        return _declared(self._package, self.what) if self._package else {}


def registries() -> list[Registry[Any]]:
    """Every registry of the modules that are imported."""
    return list(Registry._all)


@contextlib.contextmanager
def loading(owner: str, is_own: IsOwn) -> Iterator[None]:
    """While it lasts, what is registered is of a user's own file. If it fails, nothing of it stays.

    Args:
        owner: The file.
        is_own: Whether a module, by its globals, is that file or one that is loaded anew with it:
            modules that are installed may be imported by it for the first time.
    """
    _loading.append((owner, is_own))
    try:
        yield
        _in_use.append(owner)
    except BaseException:
        forget(owner)
        raise
    finally:
        _loading.pop()


def _owner() -> str:
    """The user's file whose modules are registering something, "" if it is another module."""
    frame = sys._getframe(1) if _loading else None
    while frame is not None and frame.f_code.co_name != "<module>":
        frame = frame.f_back
    return _loading[-1][0] if frame is not None and _loading[-1][1](frame.f_globals) else ""


def sign(owner: str, digest_of: Callable[[Entry], str]) -> None:
    """Gives what a user's own file registered the digests of its sources."""
    for registry in Registry._all:
        for name, entry in registry._entries.items():
            if entry.owner == owner != "":
                registry._entries[name] = replace(entry, source=digest_of(entry))


def forget(owner: str) -> None:
    """Drops what a user's own file registered, so that it can be loaded again."""
    _in_use[:] = [each for each in _in_use if each != owner]
    for registry in Registry._all:
        for entry in [each for each in registry._entries.values() if each.owner == owner != ""]:
            del registry[entry.name]


@cache
def _declared(package: str, what: str) -> Mapping[str, Entry]:
    """Name -> what the modules of a package say where they register components of a sort."""
    found: dict[str, Entry] = {}
    for module, text in _sources(package):
        if f"@{what}(" not in text:
            continue
        for node in ast.parse(text).body:
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            for call in node.decorator_list:
                named = isinstance(call, ast.Call) and isinstance(call.func, ast.Name)
                if not named or call.func.id != what:  # type: ignore[attr-defined]
                    continue
                said = _literals(call)  # type: ignore[arg-type]
                name, version = str(said.pop("")), int(said.pop("version", 1))
                described = (ast.get_docstring(node) or "").split("\n")[0]
                found[name] = Entry(name, version, module, described, said)
    return found


def _literals(call: ast.Call) -> dict[str, Any]:
    """The first argument, under "", and the keyword arguments whose value stands there."""
    said = {"": ast.literal_eval(call.args[0])}
    for keyword in call.keywords:
        with contextlib.suppress(ValueError):
            said[str(keyword.arg)] = ast.literal_eval(keyword.value)
    return said


@cache
def _sources(package: str) -> tuple[tuple[str, str], ...]:
    spec = importlib.util.find_spec(package)
    files: list[tuple[str, str]] = []
    if spec is not None and spec.submodule_search_locations is None and spec.origin:
        return ((package, Path(spec.origin).read_text(encoding="utf-8")),)
    for place in (spec.submodule_search_locations or ()) if spec is not None else ():
        for file in sorted(Path(place).rglob("*.py")):
            parts = file.relative_to(place).with_suffix("").parts
            module = ".".join((package, *(each for each in parts if each != "__init__")))
            files.append((module, file.read_text(encoding="utf-8")))
    return tuple(files)
