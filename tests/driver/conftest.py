"""What the driver's tests share: a central that is played."""

from collections.abc import AsyncIterator

import pytest

from tests.driver.central import PlayedCentral, played_central


@pytest.fixture
async def central() -> AsyncIterator[PlayedCentral]:
    """A central that listens."""
    async with played_central() as played:
        yield played


@pytest.fixture
async def absent(central: PlayedCentral) -> PlayedCentral:
    """A central that does not listen yet: its port refuses."""
    await central.close()
    return central
