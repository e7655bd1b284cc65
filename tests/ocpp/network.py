"""Central and gateways as processes, and an operator who speaks frames."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar
from urllib.request import urlopen

from tests.conformance.peer import Link
from tests.kafka.ports import free_port
from tests.programs import network as programs
from tests.programs.network import SOON, Json, Network, Program, eventually

P = ParamSpec("P")
T = TypeVar("T")

# Not the loop's own threads: the package `ocpp` looks at each message in one of those.
_blocked = ThreadPoolExecutor(64, "blocked")


class Gateway(programs.Gateway):
    """A gateway's process, where charge points reach it, and what it counts."""

    def __init__(self, program: Program, address: str, metrics: str) -> None:
        super().__init__(program, address)
        self._metrics = metrics

    def number(self, series: str) -> float:
        """What it counts: `ev_gateway_connections`, with labels as they are shown; 0 if nothing."""
        page = urlopen(f"http://{self._metrics}/metrics", timeout=SOON).read().decode()
        lines = [line.rpartition(" ") for line in page.splitlines()]
        return next((float(value) for name, _, value in lines if name == series), 0.0)


class OcppNetwork(Network):
    """Central, and gateways that tests add. Use as a context manager.

    Args:
        redis: Where gateways keep who is connected; None if each is by itself.
    """

    def __init__(
        self,
        folder: Path,
        bootstrap: str,
        redis: str | None = None,
        database: str | None = None,
    ) -> None:
        super().__init__(folder, bootstrap, database)
        self._redis = ["--redis", redis] if redis else []

    def gateway(self, node: str, *options: str, port: int | None = None) -> Gateway:
        """A gateway that serves."""
        metrics = f"127.0.0.1:{free_port()}"
        made = super().gateway(node, "--metrics", metrics, *self._redis, *options, port=port)
        return Gateway(made.program, made.address, metrics)

    def asks(self, type_: str, **fields: Any) -> Json:
        """What central answers an operator."""
        host, _, port = self.addresses[0].partition(":")
        with Link((host, int(port))) as link:
            return link.ask(type_, **fields)

    def know(self, id_tag: str, **fields: Any) -> None:
        """Let this id tag charge."""
        answer = self.asks("id_tag_change", id_tag={"id_tag": id_tag, **fields})
        assert answer["status"] == "success", answer

    def row(self, cp_id: str) -> Json | None:
        """A charge point as the panel shows it; None while it is not known."""
        points = self.asks("points_request", search=cp_id).get("points", [])
        return next((point for point in points if point["cp_id"] == cp_id), None)

    def shows(self, cp_id: str, connector_id: int, status: str) -> bool:
        """Whether a connector's status is this on the panel."""
        row = self.row(cp_id)
        connectors = row["connectors"] if row else []
        return {"connector_id": connector_id, "status": status}.items() <= next(
            (c for c in connectors if c["connector_id"] == connector_id), {}
        ).items()

    def tickets(self, cp_id: str) -> list[Json]:
        """All tickets of a charge point, the last issued first."""
        return self._pages("tickets", cp_id)

    def samples(self, cp_id: str) -> list[Json]:
        """All sampled values of a charge point that are stored."""
        return self._pages("samples", cp_id)

    def _pages(self, what: str, cp_id: str) -> list[Json]:
        rows: list[Json] = []
        page: Json = {"next": None}
        while "next" in page:
            after = {"after": page["next"]} if page["next"] else {}
            page = self.asks(f"{what}_request", cp_id=cp_id, limit=200, **after)
            rows += page.get(what, [])
        return rows

    def command(self, cp_id: str, action: str, payload: Json, **fields: Any) -> Json:
        """An operator's command once it is settled."""
        answer = self.asks("command_request", cp_id=cp_id, action=action, payload=payload, **fields)
        assert answer["status"] == "success", answer
        return self.settled(answer["command"])

    def settled(self, command: Json) -> Json:
        """A command once it is settled."""

        def row() -> Json | None:
            asked = {"command_id": command["command_id"], "wait": True}
            found: Json = self.asks("commands_request", **asked)["commands"][0]
            return found if found["state"] not in ("queued", "sent") else None

        if command["state"] not in ("queued", "sent"):
            return command
        settled: Json = eventually(row, f"{command['action']} is settled")
        return settled


async def until(what: Callable[[], Any], said: str) -> Any:
    """The first true value of `what`, which may block, while charge points go on."""
    return await away(eventually, what, said)


async def away(what: Callable[P, T], *args: P.args, **fields: P.kwargs) -> T:
    """Do what blocks while charge points go on."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_blocked, lambda: what(*args, **fields))
