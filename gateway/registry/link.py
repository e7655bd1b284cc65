"""The Redis that gateways share, and whether it answers."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from common.clock import Clock
from common.errors import CannotStart, ChargingError
from gateway.registry.epochs import RedisTime
from gateway.registry.interface import Counts

log = structlog.get_logger()

ANSWER_WITHIN = 1.0
"""Seconds in which Redis must answer, or else it counts as gone: a charge point is waiting. A
false alarm costs one comparison."""

START_WITHIN = 10.0
"""Seconds in which it must answer when a gateway starts."""

LOOK_EVERY = 0.25
"""Seconds between two looks whether it is back."""


class RedisDown(ChargingError):
    """Redis does not answer, or not as it should; what was asked may have been done."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address, why)
        self.address = address
        self.why = why

    def __str__(self) -> str:
        return f"Redis at {self.address} does not answer: {self.why}"


class RedisLink:
    """Runs scripts in Redis. After a failure it asks nothing more until Redis is back.

    Args:
        url: `redis://`, `rediss://` or `unix://`, as redis-py takes it.

    Raises:
        CannotStart: That is no such URL.

    Attributes:
        up: Whether Redis answered last.
        trouble: If not, a sentence that says why.
        time: What its clock shows.
        on_back: Called when it answers again.
    """

    def __init__(self, url: str, clock: Clock, counts: Counts) -> None:
        self.up = True
        self.trouble: str | None = None
        self.time = RedisTime(clock)
        self.on_back: Callable[[], None] = lambda: None
        self._clock = clock
        self._counts = counts
        self._client = _client(url)
        self._address = _address(self._client)
        self._went_down = asyncio.Event()

    async def open(self) -> None:
        """Return when Redis answers.

        Raises:
            CannotStart: It does not, within `START_WITHIN`.
        """
        until = self._clock.monotonic() + START_WITHIN
        while True:
            try:
                return await self._look()
            except RedisDown as error:
                if self._clock.monotonic() > until:
                    raise CannotStart(str(error)) from None
            await asyncio.sleep(LOOK_EVERY)

    async def run(self) -> None:
        """Look for it whenever it is gone, for ever."""
        while True:
            await self._went_down.wait()
            try:
                await self._look()
            except RedisDown as error:
                self.trouble = str(error)
                await asyncio.sleep(LOOK_EVERY)
            else:
                self._went_down.clear()
                self.up, self.trouble = True, None
                log.info("redis is back", redis=self._address)
                self.on_back()

    async def close(self) -> None:
        """Close all connections to it."""
        await self._client.aclose()

    async def call(self, script: str, keys: Sequence[str], arguments: Sequence[str | int]) -> Any:
        """What a script answers.

        Cancelled, it may have run.

        Raises:
            RedisDown: No answer, or an error; it may have run.
        """
        if not self.up:
            raise RedisDown(self._address, "it is being looked for")
        try:
            return await self._evaluate(script, keys, arguments)
        except _FAILURES as error:
            raise self._is_down(error) from None

    async def listen(
        self, channel: str, begun: Callable[[], None], heard: Callable[[str], None]
    ) -> None:
        """Hear what is published there, until Redis ceases to answer.

        Args:
            begun: Called when nothing more is missed.
            heard: Called with each message.
        """
        try:
            async with self._client.pubsub(ignore_subscribe_messages=True) as subscription:
                with _cancelled_all_the_same():
                    await subscription.subscribe(channel)
                begun()
                while self.up:
                    with _cancelled_all_the_same():
                        message = await subscription.get_message(timeout=ANSWER_WITHIN)
                    if message is not None:
                        heard(message["data"])
        except _FAILURES as error:
            self._is_down(error)

    async def _evaluate(
        self, script: str, keys: Sequence[str], arguments: Sequence[str | int]
    ) -> Any:
        known = self._client.register_script(script)
        with _cancelled_all_the_same():
            return await known(keys=keys, args=arguments)

    async def _look(self) -> None:
        """Whether it answers, and takes writes: one that only replicates another is none.

        Raises:
            RedisDown: It does not.
        """
        asked = self._clock.monotonic()
        try:
            time = await self._evaluate(_LOOK, ["look"], [])
        except _FAILURES as error:
            raise RedisDown(self._address, _sentence(error)) from None
        self.time.seen(time, asked)

    def _is_down(self, error: Exception) -> RedisDown:
        down = RedisDown(self._address, _sentence(error))
        if self.up:
            self.up, self.trouble = False, str(down)
            self._counts.outages += 1
            self._went_down.set()
            log.warning("redis does not answer", redis=self._address, why=down.why)
        return down


_FAILURES = (RedisError, OSError, UnicodeError)
# The last is what Python says of a host that no name can be.

_LOOK = """
redis.call('SET', KEYS[1], '', 'PX', 1)
local time = redis.call('TIME')
return time[1] * 1000 + math.floor(time[2] / 1000)
"""


@contextmanager
def _cancelled_all_the_same() -> Iterator[None]:
    """redis-py swallows a cancellation that comes while it closes a broken connection."""
    task = asyncio.current_task()
    before = task.cancelling() if task else 0
    try:
        yield
    finally:
        if task and task.cancelling() > before:
            raise asyncio.CancelledError


def _client(url: str) -> Redis:
    try:
        client = Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=ANSWER_WITHIN,
            socket_connect_timeout=ANSWER_WITHIN,
            # What failed is decided here: one who waits gets an epoch by the clock instead.
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        # It looks at all that the URL says.
        client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
        if not 0 < client.connection_pool.connection_kwargs.get("port", 6379) < 65536:
            raise ValueError("port out of range")
    except (ValueError, TypeError, RedisError) as error:
        raise CannotStart(f"this is no URL of a Redis: {error}") from None
    return client


def _address(client: Redis) -> str:
    """For people; without the password that a URL may have."""
    options = client.connection_pool.connection_kwargs
    if "path" in options:
        return str(options["path"])
    return f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"


def _sentence(error: Exception) -> str:
    return str(error) or f"no answer within {ANSWER_WITHIN:g} s"
