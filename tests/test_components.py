"""Components by name, whatever they are of."""

from __future__ import annotations

import sys

import pytest

from abl.decide.metric_registry import metric
from abl.decide.rules import rule
from abl.errors import InputError
from abl.nets.attention_variants import variant
from abl.nets.fusion import fusion
from abl.nets.heads import head
from abl.nets.registry import network
from abl.registry import Registry, forget, loading
from abl.search.samplers import sampler
from abl.studies.contract import study
from abl.studies.frozen import Frozen


@pytest.fixture
def registry():
    made = Registry("thing")
    yield made
    Registry._all.remove(made)


def a_thing():
    """Does one thing.

    And says more of it.
    """


def test_a_component_is_known_by_its_name_with_what_it_says_of_itself(registry):
    registry.registering("one", version=3, wide=True)(a_thing)
    entry = registry.entry("one")
    assert registry["one"] is a_thing
    assert (entry.description, entry.version, entry.facts) == ("Does one thing.", 3, {"wide": True})
    assert registry.version("one") == 3
    assert registry.version("no such") == 1


def test_a_name_given_twice_is_refused_by_name_and_the_first_stays(registry):
    registry.registering("one")(a_thing)
    with pytest.raises(InputError, match=r"thing 'one' exists already \(in .*test_components\)"):
        registry.registering("one")(lambda: None)
    assert registry["one"] is a_thing


def test_a_file_loaded_again_registers_its_own_names_again_and_no_others(registry):
    registry.registering("of_the_package")(a_thing)
    for _ in range(2):
        forget("/somewhere/mine.py")
        with loading("/somewhere/mine.py", lambda _: True):
            registry.registering("of_mine")(lambda: None)
    assert registry.entry("of_mine").owner == "/somewhere/mine.py"
    with pytest.raises(InputError, match=r"'of_mine' exists already \(in mine.py\)"):
        registry.registering("of_mine")(a_thing)
    forget("/somewhere/mine.py")
    assert list(registry) == ["of_the_package"]


def test_of_a_file_that_fails_nothing_stays(registry):
    def half_of_a_file():
        with loading("/somewhere/mine.py", lambda _: True):
            registry.registering("of_mine")(a_thing)
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        half_of_a_file()
    assert not registry


def test_names_and_versions_are_read_off_a_package_without_importing_it(tmp_path, monkeypatch):
    (tmp_path / "parts_of_it").mkdir()
    (tmp_path / "parts_of_it" / "heavy.py").write_text(
        "from abl.registry import registries\n"
        "part = next(each for each in registries() if each.what == 'part').registering\n"
        "@part('one', version=2, wide=True)\n"
        "def one():\n    '''Does it.'''\n"
        "@part('two')\n"
        "def two():\n    pass\n".replace("'", '"')
    )
    monkeypatch.syspath_prepend(tmp_path)
    parts = Registry("part", declared="parts_of_it")
    try:
        first = parts.entry("one")
        assert (first.version, first.description, first.facts) == (2, "Does it.", {"wide": True})
        assert list(parts) == ["one", "two"]
        assert "parts_of_it.heavy" not in sys.modules
        with pytest.raises(InputError, match=r"'two' exists already \(in parts_of_it.heavy\)"):
            parts.registering("two")(a_thing)
        assert parts["two"].__module__ == "parts_of_it.heavy"
        assert list(parts) == ["one", "two"]
    finally:
        Registry._all.remove(parts)


class TakenStudy(Frozen):
    """A study with a name in use."""


TAKEN = {
    "network": ("cnn1", lambda name: network(name)),
    "head": ("gap", lambda name: head(name)),
    "fusion": ("late", lambda name: fusion(name)),
    "variant": ("se", lambda name: variant(name)),
    "rule": ("average", lambda name: rule(name, uses=("original", "true"))),
    "metric": ("acc", lambda name: metric(name, label="X")),
    "sampler": ("tpe", lambda name: sampler(name)),
}


@pytest.mark.parametrize("what", sorted(TAKEN))
def test_a_name_in_use_cannot_be_given_again(what):
    name, decorator = TAKEN[what]
    with pytest.raises(InputError, match=f"{what} '{name}' exists already"):
        decorator(name)(a_thing)


def test_nor_can_that_of_a_study():
    with pytest.raises(InputError, match="study 'frozen' exists already"):
        study(TakenStudy)
