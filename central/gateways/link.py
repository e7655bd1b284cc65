"""An OCPP charge point behind a gateway, asked as a monitor is asked over its link.

So what starts and ends charges, and what carries out operators' orders, need not know what kind of
charge point it is. Behind it a request becomes a durable command.
"""

from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, cast

from msgspec.structs import replace

from central.rules.ocpp_calls import DownMessage
from central.rules.ocpp_commands import response_of, sentence
from central.rules.records import Command
from common.connection import Connection
from common.errors import LinkLost, NoAnswer, NotSent, Reason, Refused, StoreUnavailable
from common.gateway_messages import CommandState
from common.messages import (
    Answer,
    CommandResponse,
    ErrorResponse,
    Message,
    Outcome,
    Request,
    StartChargingCommand,
    StopChargingCommand,
)
from common.protocol import wire_name

if TYPE_CHECKING:
    from central.gateways.commands import Commands

ASK_WITHIN = 7.0
"""Seconds to wait for a charge point: less than the 8 in which central answers a driver."""

LASTS = 60.0
"""Seconds for which a command that may come late is still sent. A start is not: it lasts as long
as somebody waits for it."""


class GatewayLink:
    """The way to a charge point by one connection of it.

    Args:
        commands: Stores and sends what is asked.

    Attributes:
        connection: The connection.
        address: The gateway that holds it.
        patience: A gateway watches its connections itself; never used.
    """

    def __init__(self, cp_id: str, connection: Connection, commands: "Commands") -> None:
        self.connection = connection
        self.address: str | None = connection.node
        self.patience: float | None = None
        self._cp_id = cp_id
        self._commands = commands
        self._why = ""

    async def ask(self, request: Request[Answer], *, within: float | None = None) -> Answer:
        """Let the charge point be told, and return its answer.

        Args:
            within: Seconds to wait, `ASK_WITHIN` if None. All but a start may be done later.

        Raises:
            Refused: The charge point said no or answered with an error, or its gateway could not
                put the request into OCPP's words: with the answer.
            NotSent: It was not sent.
            NoAnswer: No answer came yet. The charge point may still act on the request.
            LinkLost: The connection went. The charge point may have acted on the request.
        """
        if self.is_closing:
            raise NotSent(str(self), self._why)
        if not isinstance(request, DownMessage):
            text = f"a charge point that speaks OCPP knows no {wire_name(type(request))}"
            raise Refused(Reason.NOT_ALLOWED, text)
        # All that a gateway is told has this answer.
        return cast(Answer, await self._tell_and_wait(request, within))

    async def _tell_and_wait(self, request: DownMessage, within: float | None) -> CommandResponse:
        seconds = ASK_WITHIN if within is None else within
        if isinstance(request, StopChargingCommand) and request.transaction_id is None:
            return CommandResponse(status=Outcome.SUCCESS, message="no transaction has begun")
        lasts = LASTS
        if isinstance(request, StartChargingCommand):
            lasts = seconds
            request = replace(request, expires_at=ceil(self._commands.now() + seconds))
        join = not isinstance(request, StartChargingCommand)
        try:
            command = await self._commands.order(request, lasts=lasts, join=join)
        except (Refused, StoreUnavailable) as error:
            raise NotSent(str(self), str(error)) from None
        command = await self._commands.lines.ended(command, seconds)
        if isinstance(request, StartChargingCommand):
            with suppress(StoreUnavailable):
                command = await self._commands.withdraw(command)
        return self._outcome(command, request, seconds)

    def _outcome(self, command: Command, request: DownMessage, seconds: float) -> CommandResponse:
        match command.state:
            case CommandState.ACCEPTED:
                return response_of(command)
            case CommandState.REJECTED | CommandState.FAILED:
                raise Refused(_reason(command), sentence(command), response_of(command))
            case CommandState.UNKNOWN:
                raise LinkLost(str(self), "it went before the charge point answered")
            case CommandState.SUPERSEDED:
                raise NotSent(str(self), "a later command took its place")
            case CommandState.TIMED_OUT if command.connection is None:
                raise NotSent(str(self), "the charge point is not connected")
            case CommandState.QUEUED:
                raise LinkLost(str(self), "it is sent when the charge point is connected again")
        raise NoAnswer(wire_name(type(request)), seconds)

    def tell(self, message: Message) -> None:
        """A charge point that speaks OCPP is told nothing that has no answer.

        Raises:
            LinkLost: Always.
        """
        raise LinkLost(str(self), f"no way to tell it {wire_name(type(message))}")

    def close(self, why: ErrorResponse | None = None) -> None:
        """Nothing is asked this way any more: another connection took its place. Idempotent."""
        self._why = self._why or (str(why.error) if why else "closed by us")

    @property
    def why(self) -> str:
        """Why it is closed."""
        return self._why

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be asked any more."""
        return bool(self._why)

    def __str__(self) -> str:
        return f"charge point {self._cp_id} by {self.connection.node}"


def _reason(command: Command) -> Reason:
    """Why it was refused: the gateway's own reason where it did not even ask."""
    try:
        return Reason(command.error_code or "")
    except ValueError:
        return Reason.ENGINE_REFUSED
