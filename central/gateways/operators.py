"""What operators ask about OCPP charge points: commands, id tags, meter values."""

from difflib import get_close_matches
from math import ceil

from msgspec.structs import replace

from central.gateways.commands import Commands
from central.network import Network
from central.rules.ocpp_calls import DOWNWARD
from central.rules.ocpp_commands import row
from central.rules.records import StoredSample
from central.rules.rows import fitting
from central.store import Store, command_cursor, sample_cursor
from common.dispatch import Peer, handler
from common.errors import Reason, Refused
from common.gateway_messages import (
    CommandRequest,
    CommandRequestResponse,
    CommandsRequest,
    CommandsResponse,
    OcppCommand,
    SampleRow,
    SamplesRequest,
    SamplesResponse,
)
from common.messages import Outcome
from common.protocol import CENTRAL_ANSWERS_WITHIN

WAIT_WITHIN = CENTRAL_ANSWERS_WITHIN - 0.5
"""Seconds to wait for a command's end, so that central answers in time."""

MAX_ID = 36
"""Characters of a message id that OCPP takes."""

MAX_VALUE = 10_000
"""Characters of a sampled value that are shown: signed data may have many more."""

NOBODY = "admin"
"""Whose command it is where the console does not say."""


class GatewayOperators:
    """Handles what operators ask about OCPP charge points."""

    def __init__(self, network: Network, commands: Commands, store: Store) -> None:
        self._network = network
        self._commands = commands
        self._store = store

    @handler
    async def command(self, request: CommandRequest, peer: Peer) -> CommandRequestResponse:
        """Send a charge point a call; the same request is one command."""
        self._check(request)
        order = OcppCommand(
            message_id=request.message_id,
            trace_id=request.trace_id,
            cp_id=request.cp_id,
            action=request.action,
            payload=request.payload,
            expires_at=ceil(self._commands.now() + request.deadline),
        )
        by, lasts = peer.id or NOBODY, float(request.deadline)
        command = await self._commands.order(order, lasts=lasts, by=by, reason=request.reason)
        if request.wait:
            command = await self._commands.lines.ended(command, WAIT_WITHIN)
        return CommandRequestResponse(status=Outcome.SUCCESS, command=row(command))

    def _check(self, request: CommandRequest) -> None:
        """Refuse what no gateway could send; its payload is the gateway's to check.

        Raises:
            Refused: `invalid_message`, naming the field; `unknown_charge_point`; `not_allowed`: it
                does not speak OCPP.
        """
        if len(request.message_id) > MAX_ID:
            text = f"Expected `str` of length <= {MAX_ID} - at `$.message_id`"
            raise Refused(Reason.INVALID_MESSAGE, text)
        if request.action not in DOWNWARD:
            near = get_close_matches(request.action, sorted(DOWNWARD), 1)
            text = f"no call to a charge point in OCPP 1.6: {request.action}"
            text += f"; did you mean {near[0]}?" if near else ""
            raise Refused(Reason.INVALID_MESSAGE, f"{text} - at `$.action`")
        live = self._network.points.get(request.cp_id)
        if live is None:
            raise Refused(Reason.UNKNOWN_CHARGE_POINT, f"no charge point {request.cp_id}")
        if live.point.ocpp_version is None:
            text = f"{request.cp_id} does not speak OCPP: it has a monitor"
            raise Refused(Reason.NOT_ALLOWED, text)

    @handler
    async def commands(self, request: CommandsRequest, peer: Peer) -> CommandsResponse:
        """A page of commands, or one by its id, which is waited for where that is asked."""
        if request.command_id is not None:
            return await self._one(request.command_id, request)
        try:
            stored, following = await self._store.command_list(
                cp_id=request.cp_id, after=request.after, limit=request.limit
            )
        except ValueError as error:
            raise _bad_cursor(error) from None
        page, cut = fitting(map(row, stored), request.limit)
        if cut:
            following = command_cursor(stored[len(page) - 1]) if page else request.after or ""
        return CommandsResponse(status=Outcome.SUCCESS, commands=tuple(page), next=following)

    async def _one(self, command_id: str, request: CommandsRequest) -> CommandsResponse:
        command = await self._commands.lines.find(command_id)
        if command is None or request.cp_id not in (None, command.cp_id):
            return CommandsResponse(status=Outcome.SUCCESS)
        if request.wait:
            command = await self._commands.lines.ended(command, WAIT_WITHIN)
        return CommandsResponse(status=Outcome.SUCCESS, commands=(row(command),))

    @handler
    async def samples(self, request: SamplesRequest, peer: Peer) -> SamplesResponse:
        """A page of meter values."""
        try:
            stored, following = await self._store.samples(
                request.cp_id,
                transaction_id=request.transaction_id,
                after=request.after,
                limit=request.limit,
            )
        except ValueError as error:
            raise _bad_cursor(error) from None
        page, cut = fitting(map(sample_row, stored), request.limit)
        if cut:
            following = sample_cursor(stored[len(page) - 1]) if page else request.after or ""
        return SamplesResponse(status=Outcome.SUCCESS, samples=tuple(page), next=following)


def sample_row(stored: StoredSample) -> SampleRow:
    """A sampled value as an operator sees it; one that would not fit a frame is cut."""
    sample = stored.sample
    if len(sample.value) > MAX_VALUE:
        sample = replace(sample, value=f"{sample.value[:MAX_VALUE]}…")
    return SampleRow(
        connector_id=stored.connector_id, transaction_id=stored.transaction_id, sample=sample
    )


def _bad_cursor(error: ValueError) -> Refused:
    return Refused(Reason.INVALID_MESSAGE, f"{error} - at `$.after`")
