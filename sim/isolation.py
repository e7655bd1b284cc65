"""Nothing of the machine's gets into a history, and nothing of a history gets out."""

import gc
import io
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from time import monotonic

import structlog
from structlog.typing import Processor

import common.stream.publisher as publisher
import engine.disk
from sim.disk import Calls
from sim.loop import Stuck

POLL_EVERY = 0.01
"""Seconds between two looks of a publisher at its producer: nothing here waits for the processor,
and 2 ms would be most of the work."""


Listen = Callable[[Processor, Calls], None]


def _nothing(*_: object) -> None:
    pass


@cache
def _freeze_once(freeze: Callable[[], None]) -> None:
    """What is there after the first history stays, and is not looked through after each."""
    freeze()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise `Stuck` where it takes longer: a program does not let go of the processor."""

    def stuck(*_: object) -> None:
        raise Stuck(f"a program did not let go of the processor for {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stuck)
    left, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    began = monotonic()
    try:
        yield
    finally:
        signal.setitimer(
            signal.ITIMER_REAL, max(0.001, left - (monotonic() - began)) if left else 0
        )
        signal.signal(signal.SIGALRM, before)


@contextmanager
def isolated(*, told: bool) -> Iterator[Listen]:
    """Keep a history from what is outside of it: the log, stdout, the collector of garbage.

    What is given to the yielded function gets the lines of the programs' logs, and the calls that
    engines make for their journals. At the end nothing may be left that refers to the history, but
    what killed programs have left behind.

    Args:
        told: Whether more of the logs is wanted than errors.
    """
    logs, poll, hook = structlog.get_config(), publisher.POLL_BUSY, sys.unraisablehook
    freeze, unfreeze, collects = gc.freeze, gc.unfreeze, gc.isenabled()
    gc.disable()
    # Central does it when it begins to serve: what is a history's is not there to stay.
    gc.freeze = gc.unfreeze = _nothing
    publisher.POLL_BUSY = POLL_EVERY
    # What was killed cannot clean up in a world that is no more, and would complain of that.
    sys.unraisablehook = _nothing

    def listen(log: Processor, calls: Calls) -> None:
        vars(engine.disk)["os"] = calls
        level = logging.INFO if told else logging.ERROR
        structlog.configure(
            processors=[log],
            wrapper_class=structlog.make_filtering_bound_logger(level),
            cache_logger_on_first_use=False,
        )

    try:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield listen
            structlog.configure(processors=[_drop])
            vars(engine.disk)["os"] = os
            gc.collect()
            _freeze_once(freeze)
    finally:
        vars(engine.disk)["os"] = os
        gc.freeze, gc.unfreeze = freeze, unfreeze
        publisher.POLL_BUSY, sys.unraisablehook = poll, hook
        structlog.configure(**logs)
        if collects:
            gc.enable()


def _drop(*_: object) -> str:
    raise structlog.DropEvent
