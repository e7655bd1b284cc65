"""The programs under chaos: real processes, started again after a death as an init system would.

A program that ends without having been killed is a defect, and is remembered as one.
"""

import asyncio
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

BIN = Path(sys.executable).parent

READY_WITHIN = 60.0
"""Seconds in which a program must say that it is ready: a loaded machine is slow."""

LOOK_EVERY = 0.05
"""Seconds between two looks at what a starting program has said."""

RESTART_AFTER = 0.5
"""Seconds after which a program that could not start is started again."""

END_WITHIN = 20.0
"""Seconds in which a program must end when it is asked to."""


class Program:
    """A program with fixed options; each start is the same.

    Attributes:
        name: What it is called in reports and logs.
        deaths: How often it was killed.
        defects: What it did that it should not, in sentences.
    """

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.name = name
        self.deaths = 0
        self.defects: list[str] = []
        self._command = [str(BIN / command[0]), *command[1:], "--log", "json"]
        self._log = folder / f"{name}.jsonl"
        self._out = folder / f"{name}.out"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Of its process; None if it does not run."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> None:
        """Start it, and again where it cannot start yet; returns when it is ready.

        Does nothing where it runs already.

        Raises:
            RuntimeError: It is not ready after a while.
        """
        if self._process is not None and self._process.poll() is None:
            return
        try:
            async with asyncio.timeout(READY_WITHIN):
                while not await self._started():  # noqa: ASYNC110 -- nobody says when
                    await asyncio.sleep(RESTART_AFTER)
        except TimeoutError:
            raise RuntimeError(f"{self.name} does not start: see {self._log}") from None

    async def _started(self) -> bool:
        """Start it once; whether it became ready."""
        process = self._process = self._spawn()
        while not self._out.read_text().startswith("ready"):
            if process.poll() is not None:
                self._process = None
                return False
            await asyncio.sleep(LOOK_EVERY)
        return True

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log, self._out.open("wb") as out:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)

    def kill(self) -> None:
        """As `kill -9` does. Does nothing where it does not run."""
        process, self._process = self._process, None
        if process is not None and not self._ended_by_itself(process):
            process.kill()
            process.wait()
            self.deaths += 1

    def pause(self) -> None:
        """As SIGSTOP does: it is there, and does nothing."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._signal(signal.SIGCONT)

    async def see(self) -> None:
        """Start it again if it has ended by itself, and remember that."""
        process = self._process
        if process is not None and self._ended_by_itself(process):
            self._process = None
            await self.start()

    async def stop(self) -> None:
        """Ask it to end, and see to it that it does."""
        process, self._process = self._process, None
        if process is None or self._ended_by_itself(process):
            return
        process.send_signal(signal.SIGCONT)
        process.terminate()
        try:
            code = await asyncio.to_thread(process.wait, END_WITHIN)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            self.defects.append(f"{self.name} did not end within {END_WITHIN:g} s of SIGTERM")
        else:
            if code != 0:
                self.defects.append(f"{self.name} ended with code {code} at SIGTERM")

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _ended_by_itself(self, process: "subprocess.Popen[bytes]") -> bool:
        code = process.poll()
        if code is None:
            return False
        self.defects.append(f"{self.name} ended by itself, with code {code}: see {self._log}")
        return True


class App:
    """A driver's app that charges at one charge point, over and over; each time a new process.

    Killed, it is started with the same words, as its driver would: it must then show the charge
    that it had asked for, and not make a second one.

    Attributes:
        name: What it is called in reports and logs.
        deaths: How often it was killed.
        shown: How many tickets it has shown.
    """

    def __init__(self, folder: Path, name: str, *command: str) -> None:
        self.name = name
        self.deaths = 0
        self.shown = 0
        self._command = [str(BIN / command[0]), *command[1:]]
        self._out = folder / f"{name}.out"
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = False
        self._up = asyncio.Event()
        self._up.set()

    async def run(self) -> None:
        """Charge until told to stop; the last charge is seen to its end."""
        while not self._stopping:
            await self._up.wait()
            process = self._process = self._spawn()
            code = await asyncio.to_thread(process.wait)
            self.shown += code == 0
            await asyncio.sleep(RESTART_AFTER)

    def _spawn(self) -> "subprocess.Popen[bytes]":
        with self._out.open("ab") as out:
            return subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def kill(self) -> None:
        """As `kill -9` does; it stays down until `start`."""
        self._up.clear()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self.deaths += 1

    async def start(self) -> None:
        """Let it charge on."""
        self._up.set()

    def finish(self) -> None:
        """Begin no further charge."""
        self._stopping = True

    def close(self) -> None:
        """End it at once, if it still runs."""
        self.finish()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
