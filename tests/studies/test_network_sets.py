"""Sets of networks as a sweep file writes them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from abl.studies.ensembles.sets import expanded, set_fault, sets_of, written

PANEL = ("A", "O", "V", "Vv", "R", "I")


def test_all_are_the_63_sets_of_six_small_ones_first() -> None:
    found = expanded("all", PANEL)
    assert len(set(found)) == 63
    assert found[:6] == PANEL
    assert found[-1] == "A+O+V+Vv+R+I"
    assert expanded("size 1-6", PANEL) == found
    assert expanded("size 2", PANEL) == tuple(each for each in found if each.count("+") == 1)


def test_what_is_no_word_stands_for_itself() -> None:
    assert expanded("A+V", PANEL) == ("A+V",)
    assert expanded("size 7", PANEL) == ("size 7",)
    assert "no set of this panel, which has 6" in set_fault("size 7", PANEL)


@given(st.lists(st.sets(st.sampled_from(PANEL), min_size=1).map(sorted), min_size=1, max_size=3))
def test_order_within_a_set_changes_nothing(sets: list[list[str]]) -> None:
    value = "|".join("+".join(each) for each in sets)
    turned = " | ".join(" + ".join(reversed(each)) for each in sets)
    assert sets_of(value, PANEL) == sets_of(turned, PANEL)
    assert sets_of(written(sets_of(value, PANEL)), PANEL) == sets_of(value, PANEL)
    assert set_fault(turned, PANEL) == ""
