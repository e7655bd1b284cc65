"""Simulated connections do what TCP does."""

import errno
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.sim.parts import Ear, Lab, connected


@pytest.fixture
def lab() -> Lab:
    """A simulation with a network."""
    made = Lab()
    made.network()
    return made


@given(st.lists(st.binary(min_size=1, max_size=50), max_size=60), st.integers(0, 1_000))
def test_bytes_arrive_in_order_however_they_are_cut(pieces: list[bytes], seed: int) -> None:
    """All of them, once."""
    lab = Lab()
    lab.network()
    near, far = connected(lab, lab.process("a"), lab.process("b"))
    dice = Random(seed)
    for piece in pieces:
        near.say(piece)
        lab.loop.run_until(lab.loop.now + dice.choice((0.0, 0.001, 0.1)))
    lab.loop.run_until(lab.loop.now + 10)
    assert far.heard == b"".join(pieces)


def test_nobody_listens_where_nobody_listens(lab: Lab) -> None:
    """The dialler is refused."""
    near = lab.process("a")
    refused: list[OSError] = []

    async def dial() -> None:
        try:
            await lab.loop.create_connection(Ear, "b", 1)
        except OSError as error:
            refused.append(error)

    lab.loop.begin(near, dial())
    lab.loop.run_until(1)
    assert [error.errno for error in refused] == [errno.ECONNREFUSED]


def test_a_closed_end_delivers_what_it_owes(lab: Lab) -> None:
    """Then both are told."""
    near, far = connected(lab, lab.process("a"), lab.process("b"))
    near.say(b"farewell")
    assert near.transport is not None
    near.transport.close()
    lab.loop.run_until(5)
    assert far.heard == b"farewell"
    assert near.lost == far.lost == [None]


def test_a_killed_process_is_noticed_by_its_peers(lab: Lab) -> None:
    """Its machine closes its connections."""
    killed = lab.process("a")
    near, far = connected(lab, killed, lab.process("b"))
    killed.die()
    lab.loop.network.killed(killed)
    lab.loop.run_until(5)
    assert [type(error) for error in far.lost] == [ConnectionResetError]
    assert near.lost == []


def test_who_is_cut_off_while_it_connects_is_told(lab: Lab) -> None:
    """Once it is connected, and not never."""
    near, far = lab.process("a"), lab.process("b")
    network, ear = lab.loop.network, Ear()

    async def dial() -> None:
        await network.dial(near, lambda: ear, "b", 1)

    with lab.loop.acting(far):
        port = network.bind(0, ("b", 1))
    lab.loop.begin(near, dial())
    lab.loop.run_until(5, lambda: bool(port.backlog))
    network.cut("a", "b")
    lab.loop.run_until(5)
    assert len(ear.lost) == 1


def test_a_machine_without_power_is_noticed_only_by_speaking_to_it(lab: Lab) -> None:
    """While it is dark nothing comes back; afterwards it knows of no such connection."""
    dark = lab.process("a")
    _, far = connected(lab, dark, lab.process("b"))
    dark.die()
    lab.loop.network.went_dark(dark)
    far.say(b"are you there?")
    lab.loop.run_until(60)
    assert far.lost == []
    lab.loop.network.lit("a")
    far.say(b"and now?")
    lab.loop.run_until(70)
    assert [type(error) for error in far.lost] == [ConnectionResetError]


def test_what_is_said_on_a_blocked_path_arrives_when_it_is_open(lab: Lab) -> None:
    """TCP sends it again; the other direction is not blocked."""
    near, far = connected(lab, lab.process("a"), lab.process("b"))
    network = lab.loop.network
    network.block("a", "b")
    near.say(b"one ")
    near.say(b"two")
    far.say(b"I hear nothing")
    lab.loop.run_until(30)
    assert (near.heard, far.heard) == (b"I hear nothing", b"")
    network.open("a", "b")
    lab.loop.run_until(31)
    assert far.heard == b"one two"


def test_who_does_not_read_fills_the_buffer_of_who_writes(lab: Lab) -> None:
    """Until it reads again."""
    near, far = connected(lab, lab.process("a"), lab.process("b"))
    assert near.transport is not None
    assert far.transport is not None
    far.transport.pause_reading()
    near.say(b"x" * 200_000)
    lab.loop.run_until(5)
    assert near.transport.get_write_buffer_size() > 100_000
    with lab.loop.acting(None):
        far.transport.resume_reading()
    lab.loop.run_until(6)
    assert near.transport.get_write_buffer_size() == 0
    assert len(far.heard) == 200_000


def test_a_port_is_one_process_s(lab: Lab) -> None:
    """And free again when that is dead."""
    first, second = lab.process("a"), lab.process("a")
    with lab.loop.acting(first):
        lab.loop.network.bind(0, ("a", 1))
    with lab.loop.acting(second), pytest.raises(OSError, match="in use"):
        lab.loop.network.bind(0, ("a", 1))
    first.die()
    with lab.loop.acting(second):
        lab.loop.network.bind(0, ("a", 1))
