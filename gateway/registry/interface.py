"""What a gateway asks of a registry, and what it may rely on.

Theory of operation. A charge point is connected to one gateway at a time, and the newest of its
connections counts. Each connection has an epoch, higher than that of every earlier one of the same
charge point: whoever sees two of them knows which is late. Epochs are Unix milliseconds or, where
that would not be higher, the last one plus 1; so they rise also when Redis has lost all it held.

What is promised, with one Redis for all gateways that run at the same time:

- While Redis answers, of any number of connections of a charge point one is left: the last that was
  taken. The others are told (`on_moved`): at once, or where that message was lost, by the next
  renewal. No release and no renewal of an older one removes or hides a newer one.
- While Redis does not answer, nobody is turned away: connections stay, and new ones have epochs by
  Redis's clock as it was last seen. Two gateways may then hold a charge point. At central the
  higher epoch wins; so it does here once Redis is back, and the other gateway is told.
- Redis that comes back empty is filled again at once by those who hold the connections.
- A partition is leased to one gateway at a time, as far as Redis knows. One that cannot renew its
  lease keeps its partition only while Redis does not answer: see `gateway.registry.lease`.

What is not: epochs that two gateways give while Redis does not answer are in the order of the
connections only as far as their clocks agree, since they saw Redis's, to within a round trip; and
if Redis's own clock is set back and its data are lost as well, epochs fall. Two gateways of one
name, or two networks in one database of Redis, are a mistake that nothing here repairs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from common.connection import Connection


@dataclass(slots=True)
class Counts:
    """What has happened since the start.

    Attributes:
        taken: Connections taken.
        by_clock: Of these, those with an epoch that Redis did not give.
        replaced: Of these, those that another gateway had held.
        moved: Connections lost to newer ones elsewhere.
        renewed: Renewals of a connection in Redis.
        entered: Of these, those that were missing there, or wrong.
        outages: Times that Redis ceased to answer.
        leases_lost: Times that another gateway had our partition.
    """

    taken: int = 0
    by_clock: int = 0
    replaced: int = 0
    moved: int = 0
    renewed: int = 0
    entered: int = 0
    outages: int = 0
    leases_lost: int = 0


class Registry(Protocol):
    """Who holds which charge point, as one gateway sees it.

    `start`, then `run` as a task for as long as it is used, then `close`.

    Attributes:
        node: This gateway's id; no other gateway that runs has it.
        counts: What has happened.
        on_moved: Called with a charge point and an epoch: every connection of it here with a lower
            epoch was replaced and is to be closed, if there is any. It needs no
            `release`.
        on_partition: Called when the partition has changed after the start. With None: it is not
            ours any more, and not to be read. With a number: it is to be read from its end, and
            all connections are to be announced again, with their epochs.
    """

    node: str
    counts: Counts
    on_moved: Callable[[str, int], None]
    on_partition: Callable[[int | None], None]

    @property
    def partition(self) -> int | None:
        """The partition of `ev.down` that is ours to read now; None if none is."""

    @property
    def healthy(self) -> bool:
        """Whether all is as it should be."""

    @property
    def trouble(self) -> str | None:
        """If not, a sentence that says why."""

    def __len__(self) -> int:
        """Connections that are held here."""

    async def start(self) -> None:
        """Get a partition.

        Raises:
            CannotStart: There is none, or Redis does not answer.
        """

    async def run(self) -> None:
        """Keep what is held, for ever. Ends by being cancelled."""

    async def take(self, cp_id: str) -> Connection:
        """A charge point has connected here: its connection, the newest there is of it.

        It is held from now until it is released, or `on_moved` says otherwise; who takes it closes
        those before it. Cancelled, it is released, and `on_moved` is called for those before it.

        Raises:
            Refused: `overloaded`, while no partition is ours.
        """

    async def release(self, cp_id: str, epoch: int) -> None:
        """This connection is closed. If it is not the newest any more, nothing happens."""

    async def close(self) -> None:
        """Release all that is held, and the partition. After `run` has ended."""
