"""Questions that share a round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


class Batches(Generic[Question, Answer]):
    """Gathers what is asked while the batch before is under way, and asks it together.

    Args:
        work: Answers a batch, in its order. Whatever it raises, all of the batch get.
        at_most: Questions in a batch.
    """

    def __init__(
        self, work: Callable[[Sequence[Question]], Awaitable[Sequence[Answer]]], at_most: int
    ) -> None:
        self._work = work
        self._at_most = at_most
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._worker: asyncio.Task[None] | None = None

    def ask(self, question: Question) -> asyncio.Future[Answer]:
        """The answer, later."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._worker is None:
            # It begins after what else is asked in this turn of the loop.
            self._worker = asyncio.create_task(self._work_off())
        return answer

    async def finish(self) -> None:
        """Return when nothing is under way any more."""
        while self._worker is not None:
            await asyncio.wait((self._worker,))

    async def _work_off(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = (
                    self._waiting[: self._at_most],
                    self._waiting[self._at_most :],
                )
                await self._answer(batch)
        finally:
            self._worker = None

    async def _answer(self, batch: list[tuple[Question, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._work([question for question, _ in batch])
        except Exception as error:
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if not future.done():
                future.set_result(answer)
