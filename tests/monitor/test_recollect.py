"""Tickets asked for again: from a real engine's journal, through a real monitor, to Kafka."""

from pathlib import Path

from common.messages import (
    ChargeCompletion,
    RecollectCommand,
    RegisterRequest,
    StartChargingCommand,
    StopChargingCommand,
)
from common.program import Address
from common.units import Price, Watts
from monitor.app import Settings
from tests.engine.played import EngineProcess
from tests.monitor.conftest import CP, running
from tests.monitor.fakes import FakePublisher
from tests.monitor.peers import ScriptedCentral, eventually

CHARGES = 120
"""More than a list holds, and than an engine tells at once."""


async def test_all_tickets_come_again(
    central: ScriptedCentral, publisher: FakePublisher, tmp_path: Path
) -> None:
    """Settled or not, as they were; the answer comes before them, and what is older stays out."""

    def tickets() -> list[ChargeCompletion]:
        return [record for record in publisher.records if isinstance(record, ChargeCompletion)]

    with EngineProcess(tmp_path) as engine:
        settings = Settings(
            cp_id=CP,
            engine=Address("127.0.0.1", engine.port),
            central=(Address("127.0.0.1", central.port),),
            kafka=(),
        )
        async with running(settings, publisher):
            await central.script.take(RegisterRequest)
            sessions = tuple(f"s{number}" for number in range(CHARGES))
            for session_id in sessions:
                start = StartChargingCommand(
                    cp_id=CP,
                    session_id=session_id,
                    driver_id="D-1",
                    price_per_kwh=Price(3_500),
                    max_charging_rate_kw=Watts(11_000),
                )
                await central.link.ask(start)
                await central.link.ask(StopChargingCommand(cp_id=CP, session_id=session_id))
            await eventually(lambda: len(tickets()) == CHARGES)
            first = tickets()
            assert tuple(ticket.session_id for ticket in first) == sessions
            central.beats(settled_sessions=sessions[:100])
            publisher.records.clear()
            answer = await central.link.ask(RecollectCommand(cp_id=CP, since=0))
            assert answer.message == f"tickets to come: {CHARGES}"
            await eventually(lambda: len(tickets()) == CHARGES)
            known = {ticket.session_id: ticket.meter_stop_wh for ticket in first}
            assert {t.session_id: t.meter_stop_wh for t in tickets()} == known
            publisher.records.clear()
            later = await central.link.ask(RecollectCommand(cp_id=CP, since=2**39))
            assert later.message == "tickets to come: 0"
