"""Row 1: frames decoded, dispatched, answered. Heartbeats of 100 monitors, one in flight each."""

import asyncio
import time

from bench.peers import Heard, Peer, connect
from bench.server import Server
from common.codec import encode
from common.framing import frame
from common.messages import HeartbeatRequest, RegisterRequest

LINKS = 100


class Frames:
    """A hundred monitors that send a heartbeat as soon as the last one is answered."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._answered = 0
        self._wrong = 0
        self._running = True
        self._registered = asyncio.Event()
        self._beats: dict[Peer, bytes] = {}

    async def run(self, warm_up: float, seconds: float) -> dict[str, float]:
        """Heartbeats answered in a second, after the warm-up; how many went wrong."""
        peers = [await connect(self._server.address, self._heard) for _ in range(LINKS)]
        for number, peer in enumerate(peers):
            self._beats[peer] = _beat(number)
            peer.send(RegisterRequest(message_id=f"r-{number}", cp_id=f"BENCH-{number}"))
        await asyncio.sleep(warm_up)
        answered, cpu, began = self._answered, self._server.cpu_seconds(), time.perf_counter()
        await asyncio.sleep(seconds)
        took = time.perf_counter() - began
        rate = (self._answered - answered) / took
        busy = (self._server.cpu_seconds() - cpu) / took
        self._running = False
        for peer in peers:
            peer.close()
        return {"rate": rate, "wrong": float(self._wrong), "server_cpu": busy}

    def _heard(self, peer: Peer, heard: Heard) -> None:
        if heard.status != "success":
            self._wrong += 1
        elif heard.type == "heartbeat_response":
            self._answered += 1
        if self._running:
            peer.send_frame(self._beats[peer])


def _beat(number: int) -> bytes:
    """The heartbeat of a monitor; the same one every time, so that its making costs nothing."""
    return frame(
        encode(
            HeartbeatRequest(
                message_id=f"00000000-0000-0000-0000-{number:012d}",
                timestamp=1,
                cp_id=f"BENCH-{number}",
                status="available",
                held_sessions=(),
            )
        )
    )
