"""A bare machine with torch alone can run sweeps; a driver that trains nothing imports little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tiny_sweeps import write_sweep

TESTS = str(Path(__file__).parent)


def python(code: str, *arguments: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_sweep_runs_without_ray_and_mlflow(tiny_folder: Path) -> None:
    path = write_sweep(tiny_folder)
    code = """
import sys
for name in ("ray", "mlflow"):
    sys.modules[name] = None
sys.path.insert(0, sys.argv[2])
import tiny_sweeps
import abl
sweep = abl.load(sys.argv[1], root=sys.argv[1] + ".mlruns")
result = abl.run(sweep, executor="local", record=False)
assert not result.report.failed, result.report
print(abl.table(result))
"""
    assert "model1" in python(code, str(path), TESTS)


def test_importing_runner_and_record_imports_no_framework() -> None:
    code = """
import importlib, pkgutil, sys
import abl.runner, abl.record
skipped = {"abl.runner.searcher"}  # a class of Ray's is its base
for package in (abl.runner, abl.record):
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.name not in skipped:
            importlib.import_module(module.name)
print(sorted({"ray", "mlflow", "torch", "timm", "torchvision", "optuna"} & set(sys.modules)))
"""
    assert python(code) == "[]\n"


def test_what_is_listed_imports_nothing_that_it_does_not_need() -> None:
    code = """
import sys
from abl.app.listing import listed
names = [len(listed(what)) for what in ("heads", "fusions", "variants", "samplers", "kinds")]
print(all(names), sorted({"torch", "optuna", "matplotlib", "scipy", "pandas"} & set(sys.modules)))
"""
    assert python(code) == "True []\n"
    command = """
import sys, abl.cli.every
print(sorted({"pydantic", "numpy", "pandas"} & set(sys.modules)))
"""
    assert python(command) == "[]\n"


def test_planning_imports_no_framework(tiny_folder: Path) -> None:
    path = write_sweep(
        tiny_folder,
        {"train.network": "plain4", "options.panel": ["plain4", "tiny_resnet", "resnet18"]},
    )
    code = """
import sys, abl
plan = abl.load(sys.argv[1], root=sys.argv[1] + ".mlruns").plan
heavy = {"ray", "mlflow", "torch", "timm", "matplotlib", "optuna", "sklearn", "statsmodels"}
heavy |= {"scipy.special", "scipy.stats", "jinja2", "abl.app.session", "abl.report.tables"}
studies = {"abl.studies.persistent", "abl.studies.readers", "abl.studies.ensembles"}
print(len(plan.stages), sorted((heavy | studies) & set(sys.modules)))
"""
    assert python(code, str(path)) == "5 []\n"


def test_a_table_that_is_shown_imports_nothing_that_computes_one() -> None:
    code = """
import sys
import abl.app.showing, abl.record.opening, abl.report.tables
heavy = {"ray", "mlflow", "torch", "matplotlib", "optuna", "sklearn", "statsmodels", "jinja2"}
heavy |= {"scipy.special", "pyarrow.parquet", "multiprocessing"}
heavy |= {"abl.spec.sweep", "abl.data.manifest", "abl.decide.intervals", "abl.runner"}
print(sorted(heavy & set(sys.modules)))
"""
    assert python(code) == "[]\n"


def test_a_study_that_is_named_is_imported_alone_and_unknown_ones_are_known_by_all() -> None:
    code = """
import sys
from abl.studies.contract import study_named
print(study_named("hyper").name, "abl.studies.persistent" in sys.modules)
print(study_named("shared"), study_named("searching"), study_named("no.such"))
"""
    assert python(code) == "hyper False\nNone None None\n"


def test_a_users_file_that_imports_parts_of_the_package_first_owns_none_of_them(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.py").write_text(
        "from abl.nets.heads import head\nfrom abl.decide.rules import rule\nimport beside\n"
    )
    (tmp_path / "beside.py").write_text(
        "from abl.nets.heads import head\n\n\n@head('of_mine')\ndef of_mine(*given):\n    pass\n"
    )
    code = """
import sys
from abl.nets.user_module import load_module
from abl.registry import registries
module = load_module(sys.argv[1])
print([each.name for one in registries() for each in one.entries() if each.owner])
"""
    assert python(code, str(tmp_path / "mine.py")) == "['of_mine']\n"


def test_a_command_loads_no_other_and_every_command_is_where_it_is_looked_for() -> None:
    from abl.cli.every import app
    from abl.cli.families import FAMILIES

    there: dict[str, set[str]] = {family: set() for family in FAMILIES}
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__.replace("_", "-")
        there[command.callback.__module__.rpartition(".")[2]].add(name)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        for command in group.typer_instance.registered_commands:
            assert command.callback is not None
            there[command.callback.__module__.rpartition(".")[2]].add(str(group.name))
    assert there == {family: set(commands) for family, commands in FAMILIES.items()}
    code = """
import sys
from abl.cli.families import FAMILIES, load_commands
load_commands(["plan", "sweep.yaml"])
print([family for family in FAMILIES if f"abl.cli.{family}" in sys.modules])
"""
    assert python(code) == "['sweeping']\n"
