"""Acknowledged is durable."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from sqlalchemy import create_engine, func, select

from central.store import AddToOutbox, SavePoint, SaveSession, Store, schema
from tests.central.store.samples import CLOCK, entry, over, point, session

REPOSITORY = Path(__file__).parents[3]


async def test_nothing_is_acknowledged_that_another_connection_does_not_see(
    store: Store, url: str
) -> None:
    """At the moment at which `write` returns, the change is committed for everybody."""
    engine = create_engine(url)

    async def write_and_look(number: int) -> int:
        await store.write(AddToOutbox(entry(number)))
        with engine.connect() as connection:  # at once: nothing else runs in between
            found = select(func.count()).where(schema.outbox.c.number == number)
            return connection.execute(found).scalar_one()

    seen = await asyncio.gather(*map(write_and_look, range(1, 101)))
    engine.dispose()
    assert seen == [1] * 100


WRITER = dedent(
    """
    import asyncio, itertools, os, sys
    from central.store import SavePoint, SaveSession, Store
    from tests.central.store.samples import CLOCK, over, point, session

    async def main() -> None:
        store = Store.open(sys.argv[1], CLOCK)
        await store.write(SavePoint(point()))
        numbers = itertools.count()

        async def worker() -> None:
            while True:
                session_id = f"s-{next(numbers)}"
                await store.write(SaveSession(over(session(session_id))))
                os.write(1, f"{session_id}\\n".encode())

        await asyncio.gather(*(worker() for _ in range(50)))

    asyncio.run(main())
    """
)


@pytest.mark.parametrize("acknowledged_before", [1, 500, 3_000])
def test_what_was_acknowledged_is_there_after_a_kill(url: str, acknowledged_before: int) -> None:
    """A program killed in the midst of its writes has lost nothing that it said was stored."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, url],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(acknowledged_before)]
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.readlines()
    assert process.returncode == -signal.SIGKILL
    acknowledged = [line.decode().rstrip() for line in lines if line.endswith(b"\n")]
    assert len(acknowledged) >= acknowledged_before

    async def missing() -> list[str]:
        store = Store.open(url, CLOCK)
        assert store.epoch == 2
        stored = await store.sessions(acknowledged)
        await store.write(SaveSession(over(session("after"))))
        await store.close()
        return [session_id for session_id in acknowledged if session_id not in stored]

    assert asyncio.run(missing()) == []


async def test_what_a_clean_stop_finds_waiting_is_stored(url: str) -> None:
    """Closing commits what was handed over, also where its caller is gone."""
    store = Store.open(url, CLOCK)
    task = asyncio.create_task(
        store.write(SavePoint(point()), SaveSession(over(session("cancelled"))))
    )
    await asyncio.sleep(0)
    task.cancel()
    await store.close()
    reopened = Store.open(url, CLOCK)
    assert await reopened.session("cancelled") is not None
    await reopened.close()
