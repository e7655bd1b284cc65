"""Several nodes on one port: a parent that starts them, and starts those again that die.

The parent takes the port and forks: the first child, and the others once that one serves, so that
what keeps a node from starting is said once. Each child listens there with a socket of its own
(SO_REUSEPORT), so that the kernel spreads connections over those that live. The parent serves
nobody: it waits for its children, passes SIGTERM on, and says `ready` once all of them are.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from select import select

import structlog

from common.errors import CannotStart
from common.program import Address
from gateway.sockets import listening_socket

log = structlog.get_logger()

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds until a child that died is started again; twice as long each time, to the longest."""

STEADY = 60.0
"""Seconds after which a child that runs counts as well again."""

LOOK_EVERY = 0.1
"""Seconds between two looks at the children."""

Work = Callable[[int, Address, Callable[[], None]], int]
"""What a child does: with its number from 1 on, the address, and what says that it serves. Returns
its exit code."""


@dataclass(slots=True)
class Child:
    """A node.

    Attributes:
        pid: Of its process; None while there is none.
        saying: The pipe by which it says that it serves; None once it has, or while there is none.
        serves: It has said so.
        begun: When it was started, in monotonic seconds; while there is none: when it is to be.
    """

    number: int
    pid: int | None = None
    saying: int | None = None
    serves: bool = False
    begun: float = 0.0
    pause: float = FIRST_PAUSE


class Workers:
    """The parent of the nodes.

    Args:
        count: How many.
        work: What each does.
        ready: Called once with the address, when all serve for the first time.
    """

    def __init__(
        self, listen: Address, count: int, work: Work, ready: Callable[[Address], None]
    ) -> None:
        self._listen = listen
        self._work = work
        self._ready = ready
        self._children = [Child(number) for number in range(1, count + 1)]
        self._stopping = False
        self._served = False

    def run(self) -> int:
        """Run them until told to stop; the exit code.

        Raises:
            CannotStart: The port is taken; or a child could not start before all had.
        """
        with self._reserved() as port:
            self._listen = Address(self._listen.host, port.getsockname()[1])
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, self._stop)
            self._start(self._children[0])
            code = 0
            while not self._stopping or any(child.pid for child in self._children):
                code = max(code, self._look())
            return code

    def _reserved(self) -> socket.socket:
        """The port, kept for as long as this is open; nobody connects to it, for it listens not."""
        try:
            found = socket.getaddrinfo(
                self._listen.host,
                self._listen.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )
            family, _, _, _, where = found[0]
            return listening_socket(family, where, shared=True)
        except OSError as error:
            why = error.strerror or str(error)
            raise CannotStart(f"cannot listen on {self._listen}: {why}") from None

    def _stop(self, number: int, _: object) -> None:
        self._stopping = True
        for child in self._children:
            if child.pid is not None:
                with suppress(ProcessLookupError):
                    os.kill(child.pid, number)

    def _start(self, child: Child) -> None:
        reading, writing = os.pipe()
        child.begun = time.monotonic()
        child.pid = os.fork()
        if child.pid == 0:
            os.close(reading)
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            os._exit(self._be(child.number, writing))
        os.close(writing)
        child.saying, child.serves = reading, False
        if self._stopping:
            os.kill(child.pid, signal.SIGTERM)  # the signal came in between

    def _be(self, number: int, writing: int) -> int:
        """The child's whole life."""

        def serves() -> None:
            os.write(writing, b"!")
            os.close(writing)

        try:
            return self._work(number, self._listen, serves)
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        except BaseException as error:
            log.error("a node failed", number=number, exc_info=error)
            return 1
        finally:
            sys.stdout.flush()
            sys.stderr.flush()

    # -- In the parent --

    def _look(self) -> int:
        """Wait a moment for what happens to the children; the exit code of one that ended."""
        pipes = {child.saying: child for child in self._children if child.saying is not None}
        for pipe in select(list(pipes), [], [], LOOK_EVERY)[0]:
            self._heard(pipes[pipe], os.read(pipe, 1))
        code = 0
        for child in self._children:
            if child.pid is not None:
                code = max(code, self._look_at(child, child.pid))
            elif self._may_start(child):
                self._start(child)
        return code

    def _may_start(self, child: Child) -> bool:
        first_serves = self._served or self._children[0].serves
        return first_serves and not self._stopping and time.monotonic() >= child.begun

    def _heard(self, child: Child, said: bytes) -> None:
        child.serves = bool(said)
        self._hear_no_more(child)
        if not self._served and all(each.serves for each in self._children):
            self._served = True
            self._ready(self._listen)

    def _hear_no_more(self, child: Child) -> None:
        if child.saying is not None:
            os.close(child.saying)
            child.saying = None

    def _look_at(self, child: Child, pid: int) -> int:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if not ended:
            return 0
        child.pid = None
        self._hear_no_more(child)
        code = os.waitstatus_to_exitcode(status)
        if self._stopping:
            return code if code >= 0 else 1
        if not self._served:
            self._stop(signal.SIGTERM, None)
            return code if code > 0 else 1
        steady = time.monotonic() - child.begun >= STEADY
        child.pause = FIRST_PAUSE if steady else min(2 * child.pause, LONGEST_PAUSE)
        child.begun = time.monotonic() + child.pause
        log.error("a node died", number=child.number, code=code, again_in=child.pause)
        return 0
