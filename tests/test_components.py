"""Components by name, whatever they are of."""

from __future__ import annotations

import pytest

from abl.errors import InputError
from abl.registry import Registry, forget, loading


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
        with loading("/somewhere/mine.py"):
            registry.registering("of_mine")(lambda: None)
    assert registry.entry("of_mine").owner == "/somewhere/mine.py"
    with pytest.raises(InputError, match=r"'of_mine' exists already \(in mine.py\)"):
        registry.registering("of_mine")(a_thing)
    forget("/somewhere/mine.py")
    assert list(registry) == ["of_the_package"]


def test_of_a_file_that_fails_nothing_stays(registry):
    def half_of_a_file():
        with loading("/somewhere/mine.py"):
            registry.registering("of_mine")(a_thing)
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        half_of_a_file()
    assert not registry
