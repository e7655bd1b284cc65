"""An OCPP charge point as a test moves it: what it says, through its gateway, to a real central."""

from central.rules.records import Session, StoredTag, Ticket
from central.store import SaveIdTag
from common.connection import Connection
from common.dispatch import Peer
from common.gateway_messages import (
    AuthorizeRequest,
    AuthorizeResponse,
    ChargeStarted,
    ChargeStartedResponse,
    ConnectorStatus,
    IdTagRow,
    IdTagStatus,
    MeterReport,
    Sample,
    TransactionCompletion,
    TransactionResponse,
)
from common.messages import CommandOutcome, CommandResponse, Message, Outcome, Role
from common.units import Watts
from tests.central.gateways.desk import HERE, Desk

NOW = 1_790_000_000
"""Unix seconds at which these tests begin."""


class ChargePoint:
    """A charge point that has booted.

    Attributes:
        clock_ms: Its own clock, in Unix milliseconds.
    """

    def __init__(self, desk: Desk, cp_id: str = "CP", connection: Connection = HERE) -> None:
        self.desk = desk
        self.cp_id = cp_id
        self.connection = connection
        self.clock_ms = NOW * 1000

    async def boot(self) -> "ChargePoint":
        """Connect, boot, and say that both connectors are available."""
        await self.desk.boot(self.cp_id, self.connection)
        for connector_id in (1, 2):
            await self.status("Available", connector_id)
        return self

    async def status(self, word: str, connector_id: int = 1) -> None:
        """Say how a connector is."""
        await self._say(ConnectorStatus(cp_id=self.cp_id, connector_id=connector_id, status=word))

    async def authorize(self, id_tag: str) -> AuthorizeResponse:
        answer = await self._ask(AuthorizeRequest(cp_id=self.cp_id, id_tag=id_tag))
        assert isinstance(answer, AuthorizeResponse)
        return answer

    def start_of(
        self, id_tag: str, meter: int = 1_000, *, connector_id: int = 1, at_ms: int | None = None
    ) -> ChargeStarted:
        return ChargeStarted(
            cp_id=self.cp_id,
            connector_id=connector_id,
            id_tag=id_tag,
            meter_start_wh=meter,
            at_ms=self.clock_ms if at_ms is None else at_ms,
        )

    async def start(
        self, id_tag: str, meter: int = 1_000, *, connector_id: int = 1, at_ms: int | None = None
    ) -> tuple[int, IdTagStatus]:
        """Start a transaction: its id, and what was said of the id tag."""
        return await self.say_start(
            self.start_of(id_tag, meter, connector_id=connector_id, at_ms=at_ms)
        )

    async def say_start(self, start: ChargeStarted) -> tuple[int, IdTagStatus]:
        answer = await self._ask(start)
        assert isinstance(answer, ChargeStartedResponse)
        assert answer.transaction_id is not None
        assert answer.id_tag_info is not None
        return answer.transaction_id, answer.id_tag_info.status

    async def meter(
        self,
        transaction_id: int | None,
        wh: int | None,
        *,
        connector_id: int = 1,
        watts: int | None = None,
    ) -> None:
        """Say what the meter counts."""
        samples = () if wh is None else (Sample(at_ms=self.clock_ms, value=str(wh)),)
        await self._say(
            MeterReport(
                cp_id=self.cp_id,
                connector_id=connector_id,
                transaction_id=transaction_id,
                meter_wh=wh,
                charging_rate=None if watts is None else Watts(watts),
                samples=samples,
            )
        )

    async def stop(
        self,
        transaction_id: int,
        meter: int,
        *,
        reason: str = "Local",
        id_tag: str | None = None,
        at_ms: int | None = None,
        samples: tuple[Sample, ...] = (),
    ) -> TransactionResponse:
        """End a transaction."""
        end = TransactionCompletion(
            cp_id=self.cp_id,
            transaction_id=transaction_id,
            meter_stop_wh=meter,
            at_ms=self.clock_ms if at_ms is None else at_ms,
            stop_reason=reason,
            id_tag=id_tag,
            samples=samples,
        )
        answer = await self._ask(end)
        assert isinstance(answer, TransactionResponse), answer
        assert answer.status is Outcome.SUCCESS
        return answer

    def told(self, kind: type[Message]) -> list[Message]:
        """The commands of this kind that the charge point was sent, each once."""
        sent = [m for _, _, m in self.desk.parts.publisher.to_gateways if isinstance(m, kind)]
        mine = [m for m in sent if getattr(m, "cp_id", None) == self.cp_id]
        return list({message.message_id: message for message in mine}.values())

    async def answer(
        self, command: Message, outcome: CommandOutcome = CommandOutcome.ACCEPTED
    ) -> None:
        """Answer a command."""
        status = Outcome.SUCCESS if outcome is CommandOutcome.ACCEPTED else Outcome.FAILURE
        response = CommandResponse(message_id=command.message_id, status=status, outcome=outcome)
        await self.desk.central.commands.answered(response, self.connection)

    async def _say(self, message: Message) -> None:
        await self.desk.handled(*self.desk.say(message, connection=self.connection))

    async def _ask(self, request: Message) -> Message:
        return await self.desk.ask(request, connection=self.connection)

    # -- What became of it --

    @property
    def admin(self) -> Peer:
        """An operator's console."""
        return Peer(role=Role.ADMIN, id="op")

    async def session(self, transaction_id: int) -> Session:
        """The session of a transaction, as it is stored."""
        session = await self.desk.central.store.session_of_transaction(transaction_id)
        assert session is not None
        return session

    async def ticket(self, transaction_id: int) -> Ticket | None:
        """The bill of a transaction."""
        session = await self.session(transaction_id)
        return await self.desk.central.store.ticket(session.session_id)


async def know(desk: Desk, *tags: IdTagRow) -> None:
    """Let central know these id tags."""
    await desk.central.store.write(*(SaveIdTag(StoredTag(tag=tag)) for tag in tags))
    await desk.central.id_tags.refresh()


def tag(id_tag: str, **more: object) -> IdTagRow:
    return IdTagRow(id_tag=id_tag, **more)  # type: ignore[arg-type]
