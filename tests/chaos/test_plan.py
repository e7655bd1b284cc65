"""The plan of faults: the seed's alone, and one that a network can survive."""

from hypothesis import given
from hypothesis import strategies as st

from chaos.faults import DEEDS
from chaos.plan import DATABASE, DRAWS, REST, Fault, Kind, plan

IDS = [f"CP-{number}" for number in range(10)]

plans = st.builds(
    plan,
    st.integers(0, 2**32),
    st.just(IDS),
    st.floats(1, 600),
    st.floats(0.1, 10),
    database=st.booleans(),
)


def test_every_kind_can_be_drawn_and_done() -> None:
    """None is forgotten in either table; a long plan has them all."""
    assert DRAWS.keys() == DEEDS.keys() == set(Kind)
    long = plan(1, IDS, 36_000, 1.0, database=True)
    assert {fault.kind for fault in long} == set(Kind)


@given(seed=st.integers(0, 2**32), every=st.floats(0.1, 10))
def test_a_seed_gives_the_same_faults_each_time(seed: int, every: float) -> None:
    """In the same order, at the same times."""
    assert plan(seed, IDS, 300, every, database=True) == plan(seed, IDS, 300, every, database=True)


def test_seeds_differ() -> None:
    """Another seed is another run."""
    assert plan(1, IDS, 300, 1.0, database=True) != plan(2, IDS, 300, 1.0, database=True)


@given(plans)
def test_faults_are_in_order_and_never_meet_at_a_target(faults: list[Fault]) -> None:
    """Each is undone, and its target rests, before its next one begins."""
    assert faults == sorted(faults, key=lambda fault: fault.at)
    free: dict[str, float] = {}
    for fault in faults:
        assert fault.at >= free.get(fault.target, 0.0)
        free[fault.target] = fault.at + fault.lasts + REST


@given(seconds=st.floats(1, 600), seed=st.integers(0, 1000))
def test_every_fault_is_over_in_time(seconds: float, seed: int) -> None:
    """What comes after is the network's own work."""
    faults = plan(seed, IDS, seconds, 0.5, database=True)
    assert all(fault.at + fault.lasts <= seconds for fault in faults)


@given(seed=st.integers(0, 1000))
def test_a_database_that_is_a_file_is_not_killed(seed: int) -> None:
    """There is nothing to kill."""
    faults = plan(seed, IDS, 600, 0.5, database=False)
    assert DATABASE not in {fault.target for fault in faults}
