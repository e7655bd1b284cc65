"""Thousands of charge points in one process: links, heartbeats, readings and tickets of `Point`s.

    async with Points(["127.0.0.1:7000"], kafka, [f"CP-{n}" for n in range(2000)]) as points:
        await points.registered()
        ...
        print(points.tally)

They come from many addresses of this machine, 127.9.x.1, because a listener bounds how many links
of one address may not have said yet who they are. A link that is lost is dialled again, the next
address of central first, after a pause that grows.
"""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from confluent_kafka import KafkaError, Producer

from bench.peers import Heard, Peer, connect
from bench.point import Point
from common.codec import encode
from common.messages import ChargeCompletion, ChargingData, Message
from common.protocol import CHARGING
from common.states import EndReason

DIALS_AT_ONCE = 64
"""Links that are being made, and not registered, at once."""

LINKS_OF_AN_ADDRESS = 500
"""Links that come from one address of this machine."""

PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds until a lost link is dialled again, for the first time, the second, and so on."""

REGISTERED_WITHIN = 10.0
"""Seconds for an answer to a registration; then the link is made anew."""

POLL = 0.02
"""Seconds between two looks for Kafka's delivery reports."""

LATENCIES_KEPT = 200_000
"""Heartbeats whose latency is kept: the latest."""


@dataclass(slots=True)
class Tally:
    """What the points have done and met so far.

    Attributes:
        beats: Seconds from when a heartbeat was due to its answer, of the latest ones.
        unanswered: Heartbeats that were not answered before the next one was due.
        lost: Links that were lost.
        refused: What was refused, or answered by an error, with the reason.
        not_stored: Records that Kafka did not take.
    """

    registrations: int = 0
    starts: int = 0
    readings: int = 0
    tickets: int = 0
    beats: deque[float] = field(default_factory=lambda: deque(maxlen=LATENCIES_KEPT))
    unanswered: int = 0
    lost: int = 0
    refused: list[str] = field(default_factory=list)
    not_stored: int = 0

    @property
    def wrong(self) -> int:
        """How often something went wrong that never should while nothing is broken."""
        return self.unanswered + self.lost + len(self.refused) + self.not_stored

    def amiss(self) -> str:
        """What went wrong, in words."""
        return (
            f"{self.unanswered} heartbeats unanswered, {self.lost} links lost, "
            f"{self.not_stored} records not stored, refused {dict(Counter(self.refused))}"
        )


class _Live:
    """A point and its link."""

    __slots__ = ("attempts", "beat", "due", "link", "on_registered", "point", "read_at", "timer")

    def __init__(self, point: Point) -> None:
        self.point = point
        self.link: Peer | None = None
        self.attempts = 0
        self.beat = ""
        self.due = 0.0
        self.read_at = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.on_registered: asyncio.Future[None] | None = None


class Points:
    """Charge points that register, send heartbeats, supply, and settle. An async context manager.

    Args:
        central: Where central listens, as `HOST:PORT`; several where there is a standby.
        kafka: The bootstrap servers.
        ids: One point for each.
        heartbeats: Whether they send any; without, central gives a link up after 15 s.
        read_every: Seconds between two readings of a supply; None: it neither tells any nor ends
            by itself.
        on_start: Called with a point whose supply has begun.

    Attributes:
        points: By their ids.
        tally: What they have done and met.
    """

    def __init__(
        self,
        central: Sequence[str],
        kafka: str,
        ids: Iterable[str],
        *,
        heartbeats: bool = True,
        read_every: float | None = 1.0,
        on_start: Callable[[Point], None] = lambda _: None,
    ) -> None:
        self.points = {cp_id: Point(cp_id) for cp_id in ids}
        self.tally = Tally()
        self._addresses = [_address(each) for each in central]
        self._heartbeats = heartbeats
        self._read_every = read_every
        self._on_start = on_start
        self._lives = [_Live(point) for point in self.points.values()]
        self._of_link: dict[Peer, _Live] = {}
        self._loop = asyncio.get_running_loop()
        self._gate = asyncio.Semaphore(DIALS_AT_ONCE)
        self._closed = False
        self._unknown = set(self.points)
        self._all_known = asyncio.Event()
        self._producer = Producer(
            {
                "bootstrap.servers": kafka,
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "queue.buffering.max.messages": 1_000_000,
                "log_level": 0,
            }
        )

    async def __aenter__(self) -> Self:
        self._tasks = {
            self._loop.create_task(self._kept_linked(number, live))
            for number, live in enumerate(self._lives)
        }
        self._tasks.add(self._loop.create_task(self._poll_for_ever()))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for live in self._lives:
            self._unlink(live)
        await asyncio.to_thread(self._producer.flush, 10)

    async def registered(self) -> None:
        """Return once every point has registered for the first time."""
        await self._all_known.wait()

    @property
    def held(self) -> int:
        """Tickets that central has not called settled."""
        return sum(len(live.point.held) for live in self._lives)

    @property
    def supplied_wh(self) -> int:
        """All that the points have ever supplied, up to the last ticket of each."""
        return sum(live.point.register_wh for live in self._lives)

    def end(self, cp_id: str, energy_wh: int | None = None) -> None:
        """End what runs at a point, with this energy, and send its ticket."""
        point = self.points[cp_id]
        if point.supply is not None and energy_wh is not None:
            point.supply.energy = energy_wh
        self._publish(point.end(EndReason.TARGET_REACHED))

    def read(self, cp_id: str, seconds: float) -> None:
        """Let a point that supplies tell a reading, as if so many seconds had passed."""
        self._publish(self.points[cp_id].read(seconds))

    # -- Links --

    async def _kept_linked(self, number: int, live: _Live) -> None:
        source = f"127.9.{number // LINKS_OF_AN_ADDRESS % 250}.1"
        while not self._closed:
            lost = self._loop.create_future()
            try:
                async with self._gate:
                    await self._link(live, source, lost)
                await lost
                self.tally.lost += not self._closed
            except (OSError, TimeoutError):
                live.attempts += 1
            self._unlink(live)
            pause = PAUSES[min(live.attempts, len(PAUSES) - 1)]
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))

    async def _link(self, live: _Live, source: str, lost: "asyncio.Future[None]") -> None:
        """Make a link and register; raises `OSError` or `TimeoutError`."""
        address = self._addresses[live.attempts % len(self._addresses)]
        local = source if address[0].startswith("127.") else None
        live.on_registered = self._loop.create_future()
        live.link = link = await connect(
            address,
            self._heard,
            on_lost=lambda _: None if lost.done() else lost.set_result(None),
            source=local,
        )
        self._of_link[link] = live
        link.send(live.point.registration())
        async with asyncio.timeout(REGISTERED_WITHIN):
            await asyncio.wait((live.on_registered, lost), return_when=asyncio.FIRST_COMPLETED)
        if not live.on_registered.done():
            live.attempts += 1

    def _unlink(self, live: _Live) -> None:
        if live.timer is not None:
            live.timer.cancel()
        if live.link is not None:
            self._of_link.pop(live.link, None)
            live.link.close()
            live.link = None

    # -- What comes --

    def _heard(self, link: Peer, heard: Heard) -> None:
        live = self._of_link.get(link)
        if live is None:
            return
        if heard.status == "failure" or heard.error:
            self.tally.refused.append(f"{heard.type} {heard.error}")
        elif heard.type == "heartbeat_response":
            self._beaten(live, heard)
        elif heard.type == "register_response":
            self._welcomed(live, heard)
        begins = heard.type == "start_charging_command" and live.point.supply is None
        for said in live.point.told(heard, int(time.time())):
            self._say(link, said)
        if begins and live.point.supply is not None:
            self._started(live)

    def _say(self, link: Peer, said: Message) -> None:
        if isinstance(said, ChargingData | ChargeCompletion):
            self._publish(said)
        else:
            link.send(said)

    def _welcomed(self, live: _Live, heard: Heard) -> None:
        self.tally.registrations += 1
        live.attempts = 0
        if live.on_registered is not None and not live.on_registered.done():
            live.on_registered.set_result(None)
        self._unknown.discard(live.point.cp_id)
        if not self._unknown:
            self._all_known.set()
        if self._heartbeats:
            interval = float(heard.heartbeat_interval or 30)
            first = interval * random.random()
            live.beat, live.due = "", self._loop.time() + first
            live.timer = self._loop.call_at(live.due, self._beat, live, interval)

    # -- Heartbeats --

    def _beat(self, live: _Live, interval: float) -> None:
        if live.link is None:
            return
        self.tally.unanswered += bool(live.beat)
        beat = live.point.beat()
        live.beat = beat.message_id
        live.link.send(beat)
        next_due = live.due + interval
        live.timer = self._loop.call_at(next_due, self._next_beat, live, interval)

    def _next_beat(self, live: _Live, interval: float) -> None:
        live.due += interval
        self._beat(live, interval)

    def _beaten(self, live: _Live, heard: Heard) -> None:
        if heard.message_id == live.beat:
            live.beat = ""
            self.tally.beats.append(self._loop.time() - live.due)

    # -- Supplies --

    def _started(self, live: _Live) -> None:
        self.tally.starts += 1
        if self._read_every is not None:
            live.read_at = self._loop.time()
            self._read_later(live)
        self._on_start(live.point)

    def _read_later(self, live: _Live) -> None:
        assert self._read_every is not None
        self._loop.call_later(self._read_every, self._read, live)

    def _read(self, live: _Live) -> None:
        """A reading by the clock: the engine supplies on, whether central can be reached or not."""
        if self._closed or live.point.supply is None:
            return
        now = self._loop.time()
        passed, live.read_at = now - live.read_at, now
        self._publish(live.point.read(passed))
        if live.point.supply is not None:
            self._read_later(live)

    # -- Kafka --

    def _publish(self, said: ChargingData | ChargeCompletion | None) -> None:
        if said is None:
            return
        if isinstance(said, ChargingData):
            self.tally.readings += 1
        else:
            self.tally.tickets += 1
        try:
            self._producer.produce(
                CHARGING.name, encode(said), said.cp_id, on_delivery=self._delivered
            )
        except BufferError:  # the ticket is held, and asked for again
            self.tally.not_stored += 1

    def _delivered(self, error: KafkaError | None, _: object) -> None:
        self.tally.not_stored += error is not None

    async def _poll_for_ever(self) -> None:
        while True:
            self._producer.poll(0)
            await asyncio.sleep(POLL)


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)
