"""The console's link to central, where it goes while something is asked over it."""

import asyncio
from typing import cast

import pytest

from admin.client import Client, NotAnswered
from common.clock import SystemClock
from common.errors import LinkLost
from common.link import Link
from common.messages import HealthRequest
from common.program import Address


class LostLink:
    """A link that has gone, of which nobody has been told yet."""

    is_closing = True

    async def ask(self, request: object, *, within: float) -> None:
        raise LinkLost("central", "connection lost")


async def test_a_question_over_a_link_that_has_gone_waits_for_the_next() -> None:
    """It is not asked again at once over the same link: then nothing else would ever happen."""
    client = Client("admin", [Address("127.0.0.1", 1)], SystemClock(), deadline=0.05)
    client.link = cast(Link, LostLink())
    asking = asyncio.ensure_future(client.ask(HealthRequest()))
    with pytest.raises(NotAnswered):
        await asking
    assert client.link is None
