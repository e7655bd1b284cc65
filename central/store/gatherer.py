"""A thread that does at once whatever waits for it, and answers all who waited together.

Theory of operation. A commit costs one sync of the disk, whatever is in it. While one group is
being worked on, the next one gathers: alone, a job waits for nobody; under load, a thousand share
one sync. There is no timer. Each group costs the event loop one wake-up.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

from common.errors import Reason, Refused, StoreUnavailable

Job = TypeVar("Job")
Result = TypeVar("Result")

CLOSE_PATIENCE = 10.0
"""Seconds that `close` waits for what was handed over; a disk that hangs longer is left alone."""


class Gatherer(Generic[Job, Result]):
    """One thread and the jobs that wait for it.

    Args:
        name: The thread's.
        work: Does a group of jobs, in that thread; gives a result or an error for each.
        cleanup: Called in that thread when it ends.
        at_once: The most jobs of a group; the rest wait for the next.
        waiting: The most jobs that may be under way; further ones are refused.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[Job]], Sequence[Result | Exception]],
        cleanup: Callable[[], None],
        *,
        at_once: int,
        waiting: int,
    ) -> None:
        self._work = work
        self._cleanup = cleanup
        self._at_once = at_once
        self._limit = waiting
        self._under_way = 0
        self._closed = False
        self._queue: SimpleQueue[tuple[Job, asyncio.Future[Result]] | None] = SimpleQueue()
        # A daemon: a disk that hangs must not keep the program from ending.
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Job) -> Result:
        """The job's result. A job that was handed over is done even if its caller is cancelled.

        Raises:
            Refused: `overloaded`: too many jobs wait; this one was not handed over.
            StoreUnavailable: It is closed.
        """
        if self._closed:
            raise StoreUnavailable("it is closed")
        if self._under_way >= self._limit:
            raise Refused(Reason.OVERLOADED, "too much waits for the database")
        self._under_way += 1
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._queue.put((job, future))
        return await future

    async def close(self) -> None:
        """Do what was handed over, then end the thread. Further jobs are refused."""
        self.stop()
        await asyncio.to_thread(self._thread.join, CLOSE_PATIENCE)

    def stop(self) -> None:
        """Let the thread end once what was handed over is done, without waiting for it."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)

    # ---- In the thread ---------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while group := self._gathered():
                try:
                    outcomes = self._work([job for job, _ in group])
                except Exception as error:
                    # A bug in our own code. It must end the waiting of its callers, and not this
                    # thread: nothing would be stored any more.
                    outcomes = [error] * len(group)
                futures = [future for _, future in group]
                with suppress(RuntimeError):  # the loop was closed: nobody waits any more
                    futures[0].get_loop().call_soon_threadsafe(self._complete, futures, outcomes)
        finally:
            self._cleanup()

    def _gathered(self) -> list[tuple[Job, "asyncio.Future[Result]"]]:
        """Waits for a job, and takes what waits with it; nothing when it is time to end."""
        first = self._queue.get()
        if first is None:
            return []
        group = [first]
        with suppress(Empty):
            while len(group) < self._at_once:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)  # after this group
                    break
                group.append(job)
        return group

    # ---- In the event loop -----------------------------------------------------------------

    def _complete(
        self, futures: list["asyncio.Future[Result]"], outcomes: Sequence[Result | Exception]
    ) -> None:
        self._under_way -= len(futures)
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)
