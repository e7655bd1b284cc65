"""The same request always gets the same answer: repeats join, or get what is remembered.

An answer is remembered in the transaction of its effect: whoever does the work asks for the
`Remember` change and writes it with the rest. Refusals that decide nothing (`PASSING`) are raised,
and not remembered.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import cast

from central.rules.records import RememberedAnswer, RequestKey
from central.rules.repeats import KEPT_FOR, digest, request_key
from central.store import Remember, Store
from common.clock import Clock
from common.codec import Decoder, encode
from common.errors import Reason, Refused
from common.exchange import stamped
from common.gateway_messages import ChargeStartedResponse, TransactionResponse
from common.messages import (
    Answer,
    ChargeRequestResponse,
    ManualCommandResponse,
    Message,
    Request,
    Role,
    StopChargingResponse,
)
from common.protocol import CENTRAL_ANSWERS_WITHIN

IN_MEMORY = 100_000
"""Answers kept in memory. While none has been dropped from it, memory knows them all, and a new
request costs no look into the store."""


class Asked:
    """A request that is being worked on: what its answer is remembered under."""

    def __init__(self, key: RequestKey, content: str, request: Message, clock: Clock) -> None:
        self.key = key
        self.digest = content
        self._request = request
        self._clock = clock

    def remember(self, answer: Message) -> Remember:
        """The change that remembers this answer; write it with the answer's effect."""
        whole = stamped(answer, self._clock, answering=self._request)
        return remembering(self.key, self.digest, whole, int(self._clock.wall()))


def remembering(key: RequestKey, content: str, answer: Message, now: int) -> Remember:
    """The change that remembers a stamped answer to the request with this key and digest."""
    return Remember(
        RememberedAnswer(key=key, digest=content, answer=encode(answer), answered_at=now)
    )


class Answers:
    """The answers given in the last 24 h, and the requests that are in work."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._remembered: OrderedDict[RequestKey, RememberedAnswer] = OrderedDict()
        self._complete = True
        self._in_work: dict[RequestKey, tuple[str, asyncio.Future[Message]]] = {}
        self._decoder = Decoder(
            {
                ChargeRequestResponse,
                StopChargingResponse,
                ManualCommandResponse,
                ChargeStartedResponse,
                TransactionResponse,
            }
        )

    def restore(self, answers: Iterable[RememberedAnswer], *, complete: bool) -> None:
        """Take up what was answered before this start; `complete`: these are all."""
        self._complete = complete
        for answer in answers:
            self._keep(answer)

    def committed(self, changes: Iterable[object]) -> None:
        """Keep the answers among these changes, which are in the store now."""
        for change in changes:
            if isinstance(change, Remember):
                self._keep(change.answer)

    def _keep(self, answer: RememberedAnswer) -> None:
        self._remembered[answer.key] = answer
        if len(self._remembered) > IN_MEMORY:
            self._remembered.popitem(last=False)
            self._complete = False

    def given(self, key: RequestKey) -> Message | None:
        """The answer to this request, as far as it is in memory."""
        remembered = self._remembered.get(key)
        return None if remembered is None else self._decoder.decode(remembered.answer)

    async def find(self, key: RequestKey) -> Message | None:
        """The answer to this request, while it is remembered.

        Raises:
            StoreUnavailable: The database cannot be read now.
        """
        remembered = self._remembered.get(key)
        if remembered is None and not self._complete:
            remembered = await self._store.answer(key)
        return None if remembered is None else self._decoder.decode(remembered.answer)

    def remember(self, key: RequestKey, answer: Message, answering: Message) -> Remember:
        """The change that remembers an answer under a key that is not its request's message id."""
        whole = stamped(answer, self._clock, answering=answering)
        return remembering(key, "", whole, int(self._clock.wall()))

    def forget_old(self) -> int:
        """Drop from memory what is too old; the Unix second before which the store may, too."""
        before = int(self._clock.wall()) - KEPT_FOR
        while self._remembered:
            oldest = next(iter(self._remembered.values()))
            if oldest.answered_at >= before:
                break
            self._remembered.popitem(last=False)
        return before

    def knows(self, role: Role, sender: str, request: Message) -> bool:
        """Whether a request with this id is in work, or was answered as far as memory knows."""
        key = request_key(role, sender, request)
        return key in self._in_work or key in self._remembered

    async def once(
        self,
        role: Role,
        sender: str,
        request: Request[Answer],
        work: Callable[[Asked], Awaitable[Answer]],
    ) -> Answer:
        """The answer to `request`: remembered, of the same request in work, or made by `work`.

        `work` runs once however many repeats wait for it, and to its end if they all leave.

        Raises:
            Refused: `invalid_message` if the id was used for something else; what `work` refuses;
                `overloaded` if it is not decided in time: the same request may be repeated.
        """
        key, content = request_key(role, sender, request), digest(request)
        if key in self._in_work:
            begun, future = self._in_work[key]
        else:
            begun, future = (
                content,
                asyncio.ensure_future(self._first(Asked(key, content, request, self._clock), work)),
            )
            self._in_work[key] = begun, future
            future.add_done_callback(lambda done: self._finished(key, done))
        if begun != content:
            raise _other_content()
        try:
            async with asyncio.timeout(CENTRAL_ANSWERS_WITHIN):
                answer = await asyncio.shield(future)
        except TimeoutError:
            text = "it is not decided yet; ask again with the same message_id"
            raise Refused(Reason.OVERLOADED, text) from None
        return cast(Answer, answer)  # only this request's answers are kept under its key

    def _finished(self, key: RequestKey, done: asyncio.Future[Message]) -> None:
        del self._in_work[key]
        if not done.cancelled():
            done.exception()  # seen, even if everybody who asked has left

    async def _first(self, asked: Asked, work: Callable[[Asked], Awaitable[Message]]) -> Message:
        remembered = self._remembered.get(asked.key)
        if remembered is None and not self._complete:
            remembered = await self._store.answer(asked.key)
        if remembered is not None:
            if remembered.digest != asked.digest:
                raise _other_content()
            return self._decoder.decode(remembered.answer)
        return await work(asked)


def _other_content() -> Refused:
    return Refused(Reason.INVALID_MESSAGE, "this message_id was used for another request")
