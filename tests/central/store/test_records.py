"""Every record comes back as it was stored."""

from hypothesis import given
from msgspec.structs import fields

from central.rules.records import (
    OutboxEntry,
    Point,
    RememberedAnswer,
    Session,
    StopIntent,
    Ticket,
)
from central.store import (
    AddTicket,
    AddToOutbox,
    Remember,
    SavePoint,
    SaveSession,
    SaveStopIntent,
    queries,
    schema,
)
from tests.central.store import samples
from tests.central.store.base import Base


@given(samples.points)
def test_a_point_comes_back_as_it_was_stored(base: Base, point: Point) -> None:
    """Whatever a registration may say of a point is kept to the letter."""
    base.empty()
    base.write(SavePoint(point))
    with base.reading() as connection:
        assert queries.snapshot(connection).points == (point,)


@given(samples.sessions)
def test_a_session_comes_back_as_it_was_stored(base: Base, session: Session) -> None:
    """Every field of a session, in every state, is kept to the letter."""
    base.empty()
    base.write(SavePoint(samples.point()), SaveSession(session))
    with base.reading() as connection:
        assert queries.sessions_of(connection, [session.session_id]) == {
            session.session_id: session
        }


@given(samples.tickets)
def test_a_ticket_comes_back_as_it_was_stored(base: Base, ticket: Ticket) -> None:
    """A bill is kept to the cent."""
    base.empty()
    base.write(SavePoint(samples.point()), SaveSession(samples.session("s-1")), AddTicket(ticket))
    with base.reading() as connection:
        assert queries.ticket(connection, "s-1") == ticket


@given(samples.answers)
def test_an_answer_comes_back_as_it_was_stored(base: Base, answer: RememberedAnswer) -> None:
    """A repeat gets the very bytes of the first answer."""
    base.empty()
    base.write(Remember(answer))
    with base.reading() as connection:
        assert queries.answer(connection, answer.key) == answer


@given(samples.intents)
def test_a_stop_intent_comes_back_as_it_was_stored(base: Base, intent: StopIntent) -> None:
    """What must be stopped, and why, outlives a restart."""
    base.empty()
    base.write(SaveStopIntent(intent))
    with base.reading() as connection:
        assert queries.snapshot(connection).stop_intents == (intent,)


@given(samples.entries)
def test_an_outbox_entry_comes_back_as_it_was_stored(base: Base, entry: OutboxEntry) -> None:
    """What must be published is published as it was written."""
    base.empty()
    base.write(AddToOutbox(entry))
    with base.reading() as connection:
        snapshot = queries.snapshot(connection)
    assert snapshot.outbox == (entry,)
    assert snapshot.highest_outbox == entry.number


def test_every_field_of_a_record_has_a_column() -> None:
    """A field that is added to a record and not to its table is noticed here."""
    special = {"key", "request"}  # a `RequestKey`, in three columns
    for record, table in (
        (Point, schema.points),
        (Session, schema.sessions),
        (Ticket, schema.tickets),
        (RememberedAnswer, schema.answers),
        (StopIntent, schema.stop_intents),
        (OutboxEntry, schema.outbox),
    ):
        names = {field.name for field in fields(record)}
        wanted = names - (special if record is not OutboxEntry else set())
        assert wanted <= set(table.columns.keys()), record
