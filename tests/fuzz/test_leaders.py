"""Whatever a central calls its leader's address, who dialled it goes on dialling."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.clock import SystemClock
from common.dial import MAX_LEARNED, Dialler
from common.errors import Reason
from common.link import Link
from common.messages import AuthRequest, ErrorResponse, Message, Role
from common.program import Address
from tests.common.complete import dispatcher

HERE = Address("127.0.0.1", 1)

leaders = st.text(max_size=40) | st.sampled_from(
    ["h:1", "127.0.0.1:1", "h:99999", "[::1]:7", "h", ":", "h:-1", "h:1,i:2", "x" * 300, "h:٣"]
)


async def nothing(link: Link) -> None:
    """A session that is never begun here."""


@settings(max_examples=200)
@given(st.lists(st.none() | leaders, max_size=30))
def test_any_leader_may_be_named(named: list[str | None]) -> None:
    """It is tried where it is an address, and only so many are remembered."""
    dialler = Dialler("CENTRAL", [HERE], lambda: None, nothing, SystemClock())  # type: ignore[arg-type,return-value]
    for leader in named:
        dialler.replaced(ErrorResponse(error=Reason.STANDBY, leader=leader))
        if dialler._leader is not None:
            dialler._go_to(dialler._leader)
        assert len(dialler._addresses) <= 1 + MAX_LEARNED
        assert HERE in dialler._addresses


@asynccontextmanager
async def standby(leader: str) -> AsyncIterator[Address]:
    """A central that sends everybody to this leader."""

    def answer(self: object, message: Message, peer: object) -> ErrorResponse:
        return ErrorResponse(error=Reason.STANDBY, leader=leader)

    loop = asyncio.get_running_loop()
    serving, _ = dispatcher(Role.CENTRAL)
    serving.dispatch = lambda message, peer: answer(None, message, peer)  # type: ignore[method-assign]
    server = await loop.create_server(
        lambda: Link(Role.CENTRAL, serving, SystemClock(), peer_role=Role.DRIVER), "127.0.0.1", 0
    )
    yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
    server.close()


@pytest.mark.parametrize("leader", ["no address", "h:99999", "127.0.0.1:1"])
async def test_a_standby_that_names_nonsense_is_dialled_again(leader: str) -> None:
    """By a dialler that asked for its name, and was refused."""
    asked = 0

    async def session(link: Link) -> None:
        nonlocal asked
        asked += 1
        await link.ask(AuthRequest(role=Role.DRIVER, driver_id="D"))

    async with standby(leader) as where:
        dialling, _ = dispatcher(Role.DRIVER)
        dialler = Dialler(
            "CENTRAL",
            [where],
            lambda: Link(Role.DRIVER, dialling, SystemClock(), peer_role=Role.CENTRAL),
            session,
            SystemClock(),
        )
        work = asyncio.ensure_future(dialler.run())
        async with asyncio.timeout(10):
            while asked < 3:
                assert not work.done(), work.exception()
                await asyncio.sleep(0.01)
        work.cancel()
        await asyncio.wait([work])
