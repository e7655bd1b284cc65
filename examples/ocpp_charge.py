"""A charge at a charge point of the package `ocpp`: `python examples/ocpp_charge.py URL ID_TAG`."""

import asyncio
import sys
from datetime import UTC, datetime

from ocpp.v16 import ChargePoint, call
from websockets.asyncio.client import connect


async def main(url: str, id_tag: str) -> None:
    """Boot, start, supply 1 kWh, stop; `url` ends with the charge point's id."""
    async with connect(url, subprotocols=["ocpp1.6"]) as socket:  # type: ignore[list-item]
        point = ChargePoint(url.rpartition("/")[2], socket)
        reading = asyncio.create_task(point.start())
        print(await point.call(call.BootNotification("Example", "evcharging")))
        print(await point.call(call.StatusNotification(1, "NoError", "Available")))
        started = await point.call(call.StartTransaction(1, id_tag, 5000, now()))
        print(started)
        print(await point.call(call.StopTransaction(6000, now(), started.transaction_id)))
        reading.cancel()


def now() -> str:
    return datetime.now(UTC).isoformat()


asyncio.run(main(*sys.argv[1:]))
