"""Journals and a database as a network leaves them, written by the programs' own code."""

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from msgspec.structs import replace
from sqlalchemy import create_engine

from central.store import schema
from common.states import EndReason
from common.units import Price, Watts
from engine.disk import Folder
from engine.journal import Journal
from engine.session import Session

AT = 1_790_000_000
"""Unix seconds at which everything happened."""

PRICE = 3_500


def served(session_id: str, start: int, stop: int) -> Session:
    """A session as its engine's journal has it: over, and settled."""
    return Session(
        session_id=session_id,
        connector_id=1,
        driver_id="ANA",
        price=Price(PRICE),
        limit=Watts(11_000),
        trace_id="t",
        started_at=AT,
        at=AT,
        meter_start_wh=start,
        meter_wh=stop,
        reason=EndReason.TARGET_REACHED,
        settled_at=AT,
    )


def write_journal(folder: Path, cp_id: str, sessions: Sequence[Session], register: int) -> None:
    """An engine's journal: each session began, and was written again as it ended."""
    with closing(Folder(folder)) as disk:
        journal = Journal(disk, cp_id)
        journal.rewrite([], {1: 0})
        for session in sessions:
            began = replace(session, meter_wh=session.meter_start_wh, reason=None, settled_at=None)
            journal.append([began], {1: session.meter_start_wh})
            journal.append([session], {1: register})


def write_database(url: str, cp_id: str, sessions: Sequence[Session]) -> None:
    """Central's database, in which each of these has its ticket."""
    engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    schema.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(schema.points.insert(), _point(cp_id))
        for session in sessions:
            connection.execute(schema.sessions.insert(), _row(cp_id, session))
            connection.execute(schema.tickets.insert(), _ticket(cp_id, session))
    engine.dispose()


def _point(cp_id: str) -> dict[str, Any]:
    return {
        "cp_id": cp_id,
        "location": "here",
        "max_rate": 11_000,
        "price": PRICE,
        "stopped": False,
        "connectors": 1,
        "last_seen": AT,
    }


def _bill(session: Session) -> dict[str, Any]:
    energy = int(session.energy)
    return {
        "session_id": session.session_id,
        "connector_id": 1,
        "driver_id": "ANA",
        "energy": energy,
        "price": PRICE,
        "currency": "EUR",
        "cost": (energy * PRICE + 50_000) // 100_000,
        "revision": 1,
        "reason": "target_reached",
        "started_at": AT,
        "ended_at": AT,
    }


def _row(cp_id: str, session: Session) -> dict[str, Any]:
    return _bill(session) | {
        "cp_id": cp_id,
        "state": "completed",
        "requested_ms": AT * 1000,
        "rate": 0,
        "sequence": 1,
        "confirmed": True,
        "settled": True,
        "request_role": "driver",
        "request_sender": "ANA",
        "request_message_id": session.session_id,
        "digest": "d",
        "trace_id": "t",
        "open": False,
    }


def _ticket(cp_id: str, session: Session) -> dict[str, Any]:
    return _bill(session) | {
        "cp_id": cp_id,
        "meter_start_wh": session.meter_start_wh,
        "meter_stop_wh": session.meter_wh,
        "engine_cost": 0,
        "estimated": False,
        "issued_at": AT,
    }
