"""A user's own file taken apart, so that a result depends on what it uses of it and nothing else.

A component is the source of a function or class, with everything of the file that it names:
functions, classes, constants, imports, and what these name in turn. Layout, comments and docstrings
are no part of it. Statements that do more than define a name (`torch.set_num_threads(2)`) are part
of every component. A file of the same folder that is imported counts like the file itself.
"""

from __future__ import annotations

import ast
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from abl.plan.stage import digest_of

# who asks for names as text may use any
_DYNAMIC = frozenset({"globals", "eval", "exec", "__import__"})
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)
_IMPORTS = (ast.Import, ast.ImportFrom)
Parts = dict[str, Any]  # "file:name" -> what defines it there


class UserSource:
    """The source of a file, and of the files of its folder that it imports.

    Attributes:
        name: The file, below the folder; "" of the first, which may be called anything.
        files: Every file that was read -> its content.
    """

    def __init__(self, file: Path, folder: Path, known: dict[Path, UserSource] | None = None):
        self._folder = folder
        self.name = "" if known is None else file.relative_to(folder).as_posix()
        self._known: dict[Path, UserSource] = {} if known is None else known
        self._known[file] = self
        self.content = file.read_bytes()
        self._tree = ast.parse(self.content, str(file))
        self._defined: dict[str, list[ast.stmt]] = {}
        self._always: list[ast.stmt] = []
        for statement in self._tree.body:
            self._sort(statement)
        # those imported inside functions too: they are read with the file
        self._helpers = {
            module: self._read(module)
            for node in ast.walk(self._tree)
            for module in _modules_of(node)
        }

    @property
    def files(self) -> dict[Path, bytes]:
        return {file: source.content for file, source in self._known.items()}

    def helpers(self) -> set[str]:
        """Names, as in sys.modules, of the modules of the folder that it imports."""
        return {
            module.partition(".")[0]
            for source in self._known.values()
            for module, found in source._helpers.items()
            if found
        }

    def digest(self, module: str, qualname: str) -> str:
        """SHA-256 (hex) of a component.

        Args:
            module: Where it is defined: "" for this file, or a helper.
            qualname: As Python names it there. One that is defined in no place of its own, as by a
                function that makes functions, is taken for everything in the file.
        """
        parts: Parts = {}
        self._take_always(parts)
        defining = [self] if not module else self._files_of(module)
        for source in defining:
            source._take(qualname, parts)
        if not defining:  # installed: only the file knows what is made of it
            self._take_all(parts)
        return digest_of(parts)

    def _files_of(self, module: str) -> list[UserSource]:
        known = self._known.values()
        return next((each._helpers[module] for each in known if each._helpers.get(module)), [])

    def _sort(self, statement: ast.stmt) -> None:
        names = dict.fromkeys(_names_defined(statement))
        if isinstance(statement, _IMPORTS):
            for alias, one in zip(statement.names, _one_by_one(statement), strict=True):
                if alias.name == "*":
                    self._always.append(statement)
                else:
                    self._defined.setdefault(alias.asname or alias.name.split(".")[0], []).append(
                        one
                    )
        elif names:
            for name in names:
                self._defined.setdefault(name, []).append(statement)
        elif not _does_nothing(statement):
            self._always.append(statement)

    def _take(self, qualname: str, parts: Parts) -> None:
        if "<" in qualname or qualname.partition(".")[0] not in self._defined:
            self._take_all(parts)
        else:
            self._take_name(qualname.partition(".")[0], parts)

    def _take_name(self, name: str, parts: Parts) -> None:
        if name not in self._defined or f"{self.name}:{name}" in parts:
            return
        statements = self._defined[name]
        parts[f"{self.name}:{name}"] = [_plain(each) for each in statements]
        self._take_uses(statements, parts)

    def _take_always(self, parts: Parts) -> None:
        if f"{self.name}:" in parts:
            return
        parts[f"{self.name}:"] = [_plain(each) for each in self._always]
        self._take_uses(self._always, parts)
        for statement in self._tree.body:
            for module in _modules_of(statement):
                for source in self._helpers[module]:
                    source._take_always(parts)

    def _take_all(self, parts: Parts) -> None:
        self._take_always(parts)
        for name in self._defined:
            self._take_name(name, parts)

    def _take_uses(self, statements: list[ast.stmt], parts: Parts) -> None:
        for node in (node for each in statements for node in ast.walk(each)):
            if isinstance(node, ast.Name):
                if node.id in _DYNAMIC:
                    self._take_all(parts)
                self._take_name(node.id, parts)
            elif isinstance(node, _IMPORTS):
                self._take_imported(node, parts)

    def _take_imported(self, node: ast.Import | ast.ImportFrom, parts: Parts) -> None:
        for module in _modules_of(node):
            for source in self._helpers[module]:
                source._take_always(parts)
                for alias in node.names:
                    if isinstance(node, ast.ImportFrom) and alias.name in source._defined:
                        source._take_name(alias.name, parts)
                    else:
                        source._take_all(parts)

    def _read(self, module: str) -> list[UserSource]:
        """The files of an imported module that lies in the folder: one, or all of a package."""
        top = module.partition(".")[0]
        if not any((self._folder / each).exists() for each in (f"{top}.py", top)):
            return []
        spec = importlib.util.find_spec(top)
        if spec is None:
            return []
        places = [Path(each).resolve() for each in spec.submodule_search_locations or ()]
        files = [file for place in places for file in sorted(place.rglob("*.py"))]
        files += [Path(spec.origin).resolve()] if spec.origin and not places else []
        inside = [file for file in files if file.is_relative_to(self._folder)]
        return [
            self._known.get(file) or UserSource(file, self._folder, self._known) for file in inside
        ]


def _modules_of(node: ast.AST) -> list[str]:
    """Modules that a statement imports by name."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module and not node.level:
        return [node.module]
    return []


def _one_by_one(statement: ast.Import | ast.ImportFrom) -> list[ast.stmt]:
    """An import of several names as imports of one: each is used alone."""
    if isinstance(statement, ast.Import):
        return [ast.Import([alias]) for alias in statement.names]
    return [ast.ImportFrom(statement.module, [alias], statement.level) for alias in statement.names]


def _names_defined(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement of the file itself gives a value; none if it does more than that."""
    if isinstance(statement, _DEFINITIONS):
        yield statement.name
        for node in ast.walk(statement):
            if isinstance(node, ast.Global):
                yield from node.names
    elif isinstance(statement, _ASSIGNMENTS):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        parts = [part for target in targets for part in ast.walk(target)]
        if not any(isinstance(part, ast.Attribute | ast.Subscript) for part in parts):
            yield from (part.id for part in parts if isinstance(part, ast.Name))
            for node in ast.walk(statement):
                if isinstance(node, ast.NamedExpr):
                    yield node.target.id


def _does_nothing(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, or for those who run the file as a program."""
    if isinstance(statement, ast.If) and not statement.orelse:
        test = statement.test
        return (
            isinstance(test, ast.Compare)
            and isinstance(test.left, ast.Name)
            and test.left.id == "__name__"
        )
    return isinstance(statement, ast.Pass) or _is_text(statement)


def _is_text(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _plain(node: object) -> Any:
    """A tree as lists, without places, docstrings and what this Python version leaves empty."""
    if isinstance(node, list):
        kept = [each for each in node if not _is_text(each)]
        return [_plain(each) for each in kept or [ast.Pass()] * bool(node)]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [(name, value) for name, value in ast.iter_fields(node) if name != "kind"]
    return [
        type(node).__name__,
        *([name, _plain(value)] for name, value in fields if value is not None and value != []),
    ]
