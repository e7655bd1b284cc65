"""Messages: what every struct must be like, whatever it says."""

import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from common import messages as module
from common.errors import Reason
from common.messages import Message, Outcome, PointRow, Request, Response
from common.protocol import all_messages, answer_of, wire_name
from common.reference.source import definition
from tests.common import strategies

MADE_OF: set[type] = {Message, Request, Response, PointRow}
"""What other messages are made of; never sent by itself."""

STRUCTS = [
    struct
    for _, struct in inspect.getmembers(module, inspect.isclass)
    if issubclass(struct, Message) and struct not in MADE_OF
]


@pytest.mark.parametrize("message", STRUCTS)
def test_every_struct_is_a_message_of_the_protocol(message: type[Message]) -> None:
    """A struct that no route and no request names would never be sent."""
    assert message in all_messages()


@pytest.mark.parametrize("message", STRUCTS)
def test_every_message_has_a_definition(message: type[Message]) -> None:
    """Its docstring says in a sentence what it means."""
    assert message.__doc__ != message.__base__.__doc__
    assert definition(message).endswith((".", "?", "!", ")"))


@pytest.mark.parametrize("message", STRUCTS)
def test_every_message_is_frozen_and_named_by_keywords(message: type[Message]) -> None:
    """Nothing changes after it is decoded, and no field is said by its place."""
    assert message.__struct_config__.frozen
    assert not message.__match_args__
    assert message.__struct_config__.tag_field == "type"


@pytest.mark.parametrize("message", STRUCTS)
def test_every_field_is_bounded(message: type[Message]) -> None:
    """Text, numbers and lists have bounds: the strategies know no others, and refuse to guess."""
    strategies.messages(message).validate()
    assert strategies.filled(message)["type"] == wire_name(message)


@pytest.mark.parametrize("message", [m for m in STRUCTS if issubclass(m, Response)])
def test_every_answer_can_be_a_refusal(message: type[Response]) -> None:
    """`status` and `error` alone make it: a refusal knows no more."""
    refusal = message(status=Outcome.FAILURE, error=Reason.DRIVER_BUSY, message="why")
    assert (refusal.status, refusal.error, refusal.message) == ("failure", "driver_busy", "why")


@pytest.mark.parametrize("message", [m for m in STRUCTS if issubclass(m, Request)])
def test_every_request_names_its_answer(message: type[Message]) -> None:
    """In its type, so that `ask` knows it; and it is a `Response`."""
    answer = answer_of(message)
    assert answer is not None
    assert issubclass(answer, Response)


@pytest.mark.parametrize("message", [m for m in STRUCTS if not issubclass(m, Request)])
def test_nothing_but_a_request_is_answered(message: type[Message]) -> None:
    """Notifications, answers and `error_response` have no answer."""
    assert answer_of(message) is None


@given(st.data())
def test_messages_are_values(data: st.DataObject) -> None:
    """Two with equal fields are equal, and a changed copy leaves the first as it was."""
    message = data.draw(strategies.messages(data.draw(st.sampled_from(STRUCTS))))
    assert replace(message) == message
    other = replace(message, message_id=message.message_id + "x")
    assert other != message


def test_defaults_are_not_shared_between_messages() -> None:
    """A default that is written out is one immutable value for all."""
    first = module.HealthCheckResponse(status=Outcome.SUCCESS)
    assert (first.message, first.connectors, first.held_sessions) == ("", (), ())
    assert hash(first) == hash(module.HealthCheckResponse(status=Outcome.SUCCESS))
