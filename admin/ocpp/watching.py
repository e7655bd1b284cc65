"""Frames shown as they come, or written to a file."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

import click

from admin.app import INTERRUPTED
from admin.commands import FAILURE, SUCCESS
from admin.ocpp.frames import Wanted, line, read
from admin.ocpp.trace import record
from common.codec import encode
from common.errors import CannotStart
from common.program import Stop
from common.stream import KafkaSettings

STDOUT = Path("-")


async def show(settings: KafkaSettings, wanted: Wanted, stop: Stop) -> int:
    """Show the frames, one a line."""

    def work(ended: threading.Event) -> None:
        found = False
        for frame in read(settings, wanted, ended):
            found = True
            click.echo(line(frame))
        if not found and not wanted.follow:
            when = "are kept" if wanted.since is None else "came since then"
            text = f"no frames of {wanted.cp_id} {when}: does its gateway run with --frames?"
            click.echo(f"ev-admin: {text}", err=True)

    return await _in_a_thread(work, stop)


async def export(settings: KafkaSettings, wanted: Wanted, path: Path, stop: Stop) -> int:
    """Write the frames as Open OCPP Trace records to a file, or to stdout if it is `-`.

    Raises:
        CannotStart: The file cannot be written.
    """

    def work(ended: threading.Event) -> None:
        if path == STDOUT:
            _export(settings, wanted, sys.stdout, ended, "stdout")
            return
        try:
            with path.open("w", encoding="utf-8") as file:
                _export(settings, wanted, file, ended, str(path))
        except OSError as error:
            raise CannotStart(f"cannot write {path}: {error.strerror}") from None

    return await _in_a_thread(work, stop)


def _export(
    settings: KafkaSettings, wanted: Wanted, file: TextIO, ended: threading.Event, name: str
) -> None:
    written = left_out = 0
    try:
        for frame in read(settings, wanted, ended):
            found = record(frame)
            if found is None:
                left_out += 1
                continue
            file.write(encode(found).decode() + "\n")
            written += 1
            if wanted.follow:
                file.flush()
    finally:
        more = f"; {left_out} are no frames of OCPP-J, and are left out" if left_out else ""
        click.echo(f"ev-admin: {written} frames in {name}{more}", err=True)


async def _in_a_thread(work: Callable[[threading.Event], None], stop: Stop) -> int:
    """Do it until it is done, or somebody ends it."""
    ended = threading.Event()
    stopping = asyncio.ensure_future(stop.wait())
    working = asyncio.ensure_future(asyncio.to_thread(work, ended))
    await asyncio.wait((stopping, working), return_when=asyncio.FIRST_COMPLETED)
    interrupted = not working.done()
    ended.set()
    stopping.cancel()
    try:
        await working
    except BrokenPipeError:
        # Whoever read it has seen enough. Python flushes once more at its end, to nowhere then.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    return INTERRUPTED if interrupted else SUCCESS
