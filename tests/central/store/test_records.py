"""Every record comes back as it was stored."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields, replace

from central.rules.records import (
    Command,
    ConnectorWord,
    LastConnection,
    OutboxEntry,
    Point,
    RememberedAnswer,
    Session,
    StopIntent,
    StoredSample,
    StoredTag,
    Ticket,
)
from central.store import (
    AddSample,
    AddTicket,
    AddToOutbox,
    Remember,
    SaveCommand,
    SaveConnection,
    SaveConnector,
    SaveIdTag,
    SavePoint,
    SaveSession,
    SaveStopIntent,
    queries,
    schema,
)
from common.gateway_messages import CommandState, IdTagRow
from tests.central.store import samples
from tests.central.store.base import Base


@given(samples.points)
def test_a_point_comes_back_as_it_was_stored(base: Base, point: Point) -> None:
    """Whatever a registration may say of a point is kept to the letter."""
    base.empty()
    base.write(SavePoint(point))
    with base.reading() as connection:
        assert queries.snapshot(connection).points == (point,)


@given(samples.gateway_connections)
def test_a_connection_comes_back_as_it_was_stored(base: Base, connection: LastConnection) -> None:
    """Where a charge point was reached last is known after a restart."""
    base.empty()
    base.write(SaveConnection(replace(connection, epoch=0, node="older")))
    base.write(SaveConnection(connection))
    with base.reading() as reading:
        assert queries.snapshot(reading).connections == (connection,)


@given(samples.connector_words)
def test_a_connectors_word_comes_back_as_it_was_stored(base: Base, word: ConnectorWord) -> None:
    """The last one, in place of those before."""
    base.empty()
    base.write(SaveConnector(replace(word, status="Available", fault=None)))
    base.write(SaveConnector(word))
    with base.reading() as connection:
        assert queries.snapshot(connection).connectors == (word,)


@given(samples.stored_samples)
def test_a_sample_comes_back_as_it_was_stored(base: Base, sample: StoredSample) -> None:
    """To the letter, signed data too; the same one again is no second one."""
    base.empty()
    base.write(AddSample(sample))
    base.write(AddSample(sample), AddSample(sample))
    with base.reading() as connection:
        found = queries.sample_list(connection, sample.cp_id, None, None, 10)
    assert found == ([sample], None)


@given(samples.sessions)
def test_a_session_comes_back_as_it_was_stored(base: Base, session: Session) -> None:
    """Every field of a session, in every state, is kept to the letter."""
    base.empty()
    base.write(SavePoint(samples.point()), SaveSession(session))
    with base.reading() as connection:
        assert queries.sessions_of(connection, [session.session_id]) == {
            session.session_id: session
        }


@given(samples.id_tags, st.booleans())
def test_an_id_tag_comes_back_as_it_was_stored(base: Base, tag: IdTagRow, removed: bool) -> None:
    """Every field of it, and that it was removed; each change with the next number."""
    base.empty()
    stored = StoredTag(tag=tag, removed=removed)
    base.write(SaveIdTag(StoredTag(tag=replace(tag, note="before"))), SaveIdTag(stored))
    with base.reading() as connection:
        assert queries.changed_tags(connection, 0) == [replace(stored, change=2)]


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


@given(samples.commands)
def test_a_command_comes_back_as_it_was_stored(base: Base, command: Command) -> None:
    """Its payload and its answer too; and a start reads it where something is to come of it."""
    base.empty()
    base.write(SaveCommand(command))
    with base.reading() as connection:
        assert queries.command(connection, command.command_id) == command
        found, following = queries.command_list(connection, command.cp_id, None, 10)
        assert (found, following) == ([command], None)
        undecided = (CommandState.QUEUED, CommandState.SENT, CommandState.UNKNOWN)
        there = (command,) if command.state in undecided else ()
        assert queries.snapshot(connection).commands == there
