"""Frames and payloads of charge points, cut, flipped and doubled: refused, or the same as meant."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.mutations import Edit, edited, edits
from tests.fuzz.nonsense import VALUES
from tests.fuzz.seeds import seeds
from tests.fuzz.targets import TARGETS

SEEDS = {target: list(seeds(target)) for target in TARGETS if target.startswith("ocpp")}


def test_the_seeds_are_what_charge_points_say() -> None:
    """Every action that one calls, and every answer it gives."""
    assert {target: len(found) for target, found in SEEDS.items()} == {
        "ocpp_frames": 14 + 26,
        "ocpp_payloads": 14 + 26,
    }


@pytest.mark.parametrize("target", SEEDS)
def test_a_good_one_holds(target: str) -> None:
    """Each of them by itself."""
    for seed in SEEDS[target]:
        TARGETS[target](seed)


@pytest.mark.parametrize("target", SEEDS)
@settings(max_examples=400)
@given(st.data(), st.lists(edits, min_size=1, max_size=3))
def test_a_mangled_one_holds(target: str, draw: st.DataObject, changes: list[Edit]) -> None:
    """Wherever it was changed, and however often."""
    data = draw.draw(st.sampled_from(SEEDS[target]))
    for change in changes:
        data = edited(data, change)
    TARGETS[target](data)


@pytest.mark.parametrize("target", SEEDS)
@settings(max_examples=400)
@given(st.data(), st.sampled_from(VALUES))
def test_nonsense_in_a_value_s_place_holds(target: str, draw: st.DataObject, value: bytes) -> None:
    """Huge numbers, lone surrogates, NaN, depth, and bytes that are no text."""
    data = draw.draw(st.sampled_from(SEEDS[target]))
    places = [at for at, byte in enumerate(data) if byte in b":,["]
    at = draw.draw(st.sampled_from(places or [0])) + 1
    end = next((later for later in range(at, len(data)) if data[later] in b",]}"), len(data))
    TARGETS[target](data[:at] + value + data[end:])
