"""Dispatch: a program with the wrong handlers does not start, and no handler's error escapes."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.dispatch import (
    Dispatcher,
    Handled,
    HandlerMismatch,
    Peer,
    SoonOrLater,
    handler,
    refusal,
)
from common.errors import (
    NOT_ANSWERS,
    LinkLost,
    Reason,
    Refused,
    StoreUnavailable,
)
from common.logs import handled
from common.messages import (
    ChargeRequest,
    ChargeRequestResponse,
    CommandResponse,
    ErrorResponse,
    HealthCheckRequest,
    HealthCheckResponse,
    Message,
    Outcome,
    ResumeCpCommand,
    Role,
    StatusUpdate,
    StopCpCommand,
)
from common.protocol import all_messages, answer_of, received
from tests.common.complete import dispatcher, handlers, typed
from tests.common.strategies import sample

PEER = Peer(Role.MONITOR, "A-1")


def problems(role: Role, *owners: object) -> list[str]:
    """Everything that keeps a program with these handlers from starting."""
    with pytest.raises(HandlerMismatch) as caught:
        Dispatcher(role, *owners)
    assert str(caught.value) == f"{role} cannot start: " + "; ".join(caught.value.problems)
    assert caught.value.role is role
    return caught.value.problems


async def outcome(given: Handled | Coroutine[Any, Any, Handled]) -> Handled:
    """What a dispatch comes to, now or later."""
    return await given if isinstance(given, Coroutine) else given


def health(status: Outcome = Outcome.SUCCESS) -> HealthCheckResponse:
    return HealthCheckResponse(status=status)


# ---- Starting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Role)
def test_a_program_that_handles_all_it_may_receive_starts(role: Role) -> None:
    """For every role, with a handler for every message and none besides."""
    assert Dispatcher(role, handlers(role)).role is role


@pytest.mark.parametrize("role", [role for role in Role if received(role)])
def test_each_missing_handler_is_named(role: Role) -> None:
    """Without any handler, every message that the role may receive is named in one exception."""
    names = sorted(m.__name__ for m in received(role))
    assert problems(role, object()) == [f"no handler for {name}" for name in names]
    for name in names:
        assert problems(role, handlers(role, **{name: None})) == [f"no handler for {name}"]


def test_a_surplus_handler_is_named() -> None:
    """One for a message that the role never receives."""

    def watch(self: object, message: Message, peer: Peer) -> None:
        """Of no use to an engine."""

    surplus = typed(watch, takes=StatusUpdate, returns=None)
    (problem,) = problems(Role.ENGINE, handlers(Role.ENGINE, watch=surplus))
    assert problem.endswith("watch: engine never receives StatusUpdate")


def test_a_doubled_handler_is_named() -> None:
    """In one object or in two: only one can be meant."""

    class More:
        @handler
        def also(self, message: HealthCheckRequest, peer: Peer) -> HealthCheckResponse:
            return health()

    (problem,) = problems(Role.ENGINE, handlers(Role.ENGINE), More())
    assert problem.endswith("More.also: HealthCheckRequest already has a handler")


@pytest.mark.parametrize(
    ("takes", "returns", "said"),
    [
        (HealthCheckRequest, CommandResponse, "answers CommandResponse, not HealthCheckResponse"),
        (HealthCheckRequest, None, "answers NoneType, not HealthCheckResponse"),
        (ErrorResponse, CommandResponse, "answers CommandResponse, not None"),
        (HealthCheckRequest, HealthCheckResponse | None, "not HealthCheckResponse"),
        (int, None, "its first parameter is no message"),
        (list[int], None, "its first parameter is no message"),
        (HealthCheckResponse, None, "engine never receives HealthCheckResponse"),
    ],
)
def test_a_mistyped_handler_is_named(takes: object, returns: object, said: str) -> None:
    """Its parameter and its answer are compared with the table."""

    def health_check(self: object, message: Message, peer: Peer) -> None:
        """Says the wrong thing."""

    wrong = typed(health_check, takes=takes, returns=returns)
    left_out = takes.__name__ if takes in received(Role.ENGINE) else "HealthCheckRequest"
    owner = handlers(Role.ENGINE, **{left_out: None, "health_check": wrong})
    named = [problem for problem in problems(Role.ENGINE, owner) if "health_check:" in problem]
    assert len(named) == 1
    assert named[0].endswith(said)


def test_a_handler_without_a_peer_is_named() -> None:
    """Every handler is called with a message and the peer it came from."""

    class Forgetful:
        @handler
        def health_check(self, message: HealthCheckRequest) -> HealthCheckResponse:
            return health()

    owner = handlers(Role.ENGINE, HealthCheckRequest=None)
    (problem,) = problems(Role.ENGINE, owner, Forgetful())
    assert problem.endswith("health_check: its second parameter is no Peer")


@pytest.mark.parametrize(
    "returns",
    [
        CommandResponse | Coroutine[Any, Any, CommandResponse],
        HealthCheckResponse | Coroutine[Any, Any, CommandResponse],
        Coroutine[Any, Any, HealthCheckResponse],
        HealthCheckResponse | CommandResponse,
        None | Coroutine[Any, Any, None],
    ],
)
def test_what_comes_sooner_or_later_is_compared_too(returns: object) -> None:
    """Both must be the message's answer."""

    def health_check(self: object, message: Message, peer: Peer) -> None:
        """Says the wrong thing."""

    wrong = typed(health_check, takes=HealthCheckRequest, returns=returns)
    (problem,) = problems(Role.ENGINE, handlers(Role.ENGINE, HealthCheckRequest=wrong))
    assert problem.endswith(", not HealthCheckResponse")


async def test_a_plain_handler_may_now_and_then_wait() -> None:
    """`SoonOrLater[X]` answers with an `X`, at once or as a coroutine."""

    class Beats:
        later = False

        @handler
        def health(
            self, message: HealthCheckRequest, peer: Peer
        ) -> SoonOrLater[HealthCheckResponse]:
            return self.slowly() if self.later else health()

        async def slowly(self) -> HealthCheckResponse:
            return health()

        @handler
        def error(self, message: ErrorResponse, peer: Peer) -> SoonOrLater[None]:
            return None

    beats = Beats()
    owner = handlers(Role.ENGINE, HealthCheckRequest=None, ErrorResponse=None)
    engine = Dispatcher(Role.ENGINE, owner, beats)
    assert engine.dispatch(sample(HealthCheckRequest), PEER) == health()
    beats.later = True
    work = engine.dispatch(sample(HealthCheckRequest), PEER)
    assert isinstance(work, Coroutine)
    assert await work == health()


def test_a_handler_without_annotations_is_named() -> None:
    """What it takes is what its annotation says, so it has to say it."""

    class Silent:
        @handler
        def health_check(self, message, peer):  # type: ignore[no-untyped-def]
            """Says nothing."""

    found = problems(Role.ENGINE, handlers(Role.ENGINE), Silent())
    assert [p.rpartition(".")[2] for p in found] == [
        "health_check: its first parameter is no message"
    ]


def test_all_that_is_wrong_is_said_at_once() -> None:
    """Missing, surplus, doubled and mistyped in one exception: one start mends all."""

    class Wrong:
        @handler
        def surplus(self, message: StatusUpdate, peer: Peer) -> None:
            """Of no use to an engine."""

        @handler
        def mistyped(self, message: StopCpCommand, peer: Peer) -> HealthCheckResponse:
            return health()

        @handler
        def doubled(self, message: HealthCheckRequest, peer: Peer) -> HealthCheckResponse:
            return health()

    owner = handlers(Role.ENGINE, StopCpCommand=None, ResumeCpCommand=None)
    found = "\n".join(problems(Role.ENGINE, owner, Wrong()))
    assert found.count("\n") == 3
    assert "surplus: engine never receives StatusUpdate" in found
    assert "mistyped: answers HealthCheckResponse, not CommandResponse" in found
    assert "doubled: HealthCheckRequest already has a handler" in found
    assert "no handler for ResumeCpCommand" in found


def test_one_handler_may_take_several_messages() -> None:
    """A union is as many handlers; each of its messages is compared with the table."""

    class Commands:
        @handler
        def command(self, message: StopCpCommand | ResumeCpCommand, peer: Peer) -> CommandResponse:
            return CommandResponse(status=Outcome.SUCCESS, message=type(message).__name__)

    owner = handlers(Role.ENGINE, StopCpCommand=None, ResumeCpCommand=None)
    engine = Dispatcher(Role.ENGINE, owner, Commands())
    for command in (StopCpCommand, ResumeCpCommand):
        answer = engine.dispatch(sample(command), PEER)
        assert isinstance(answer, CommandResponse)
        assert answer.message == command.__name__


def test_looking_for_handlers_runs_no_property() -> None:
    """An object with a costly or broken property can have handlers."""

    class Broken:
        @property
        def trap(self) -> int:
            raise AssertionError("looked at")

    Dispatcher(Role.ENGINE, handlers(Role.ENGINE), Broken())


# ---- Handling ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "message", sorted(received(Role.CENTRAL), key=str), ids=lambda m: m.__name__
)
def test_a_message_goes_to_its_handler(message: type[Message]) -> None:
    """With the peer it came from; what the handler returns is the outcome."""
    central, seen = dispatcher(Role.CENTRAL)
    answer = central.dispatch(sample(message), PEER)
    assert list(seen.messages) == [sample(message)]
    assert list(seen.peers) == [PEER]
    assert isinstance(answer, answer_of(message) or type(None))


async def test_a_handler_may_wait() -> None:
    """A coroutine comes back, and its result is the outcome; the message is known meanwhile."""
    known = []

    async def slowly(self: object, message: Message, peer: Peer) -> HealthCheckResponse:
        await asyncio.sleep(0)
        known.append(handled.get())
        return health()

    slow = typed(slowly, takes=HealthCheckRequest, returns=HealthCheckResponse)
    engine, _ = dispatcher(Role.ENGINE, HealthCheckRequest=slow)
    work = engine.dispatch(sample(HealthCheckRequest), PEER)
    assert isinstance(work, Coroutine)
    assert await work == health()
    assert known == [sample(HealthCheckRequest)]
    assert handled.get() is None


def test_what_a_handler_knows_is_forgotten_after_it() -> None:
    """Log lines carry a message's ids only while it is handled."""
    known = []

    def note(self: object, message: Message, peer: Peer) -> HealthCheckResponse:
        known.append(handled.get())
        return health()

    noting = typed(note, takes=HealthCheckRequest, returns=HealthCheckResponse)
    engine, _ = dispatcher(Role.ENGINE, HealthCheckRequest=noting)
    engine.dispatch(sample(HealthCheckRequest), PEER)
    assert known == [sample(HealthCheckRequest)]
    assert handled.get() is None


# ---- Refusing ---------------------------------------------------------------------------------


def raising(error: Exception, *, later: bool) -> Dispatcher:
    """An engine that fails at every health check."""

    def now(self: object, message: Message, peer: Peer) -> HealthCheckResponse:
        raise error

    async def soon(self: object, message: Message, peer: Peer) -> HealthCheckResponse:
        await asyncio.sleep(0)
        raise error

    method = typed(soon if later else now, takes=HealthCheckRequest, returns=HealthCheckResponse)
    return dispatcher(Role.ENGINE, HealthCheckRequest=method)[0]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("reason", Reason)
async def test_a_refusal_becomes_the_answer_or_an_error_response(
    reason: Reason, later: bool
) -> None:
    """The request's own answer with `failure`, but for the reasons that travel by themselves."""
    engine = raising(Refused(reason, "why"), later=later)
    answer = await outcome(engine.dispatch(sample(HealthCheckRequest), PEER))
    if reason in NOT_ANSWERS:
        assert answer == ErrorResponse(error=reason, message="why")
    else:
        assert answer == HealthCheckResponse(status=Outcome.FAILURE, error=reason, message="why")


@pytest.mark.parametrize("later", [False, True])
async def test_an_unexpected_exception_is_internal_without_details(later: bool) -> None:
    """The log has it, with its traceback and the message's ids; the peer learns nothing."""
    engine = raising(KeyError("secret"), later=later)
    with capture_logs() as lines:
        answer = await outcome(engine.dispatch(sample(HealthCheckRequest), PEER))
    assert answer == ErrorResponse(error=Reason.INTERNAL)
    (line,) = lines
    assert line["log_level"] == "error"
    assert line["event"] == "handler failed"
    assert isinstance(line["exc_info"], KeyError)


@pytest.mark.parametrize("later", [False, True])
async def test_the_log_of_a_failure_names_its_message(
    later: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the line is written the message is known, so that it carries its ids."""
    known = []

    class Log:
        def error(self, *_: object, **__: object) -> None:
            known.append(handled.get())

    monkeypatch.setattr("common.dispatch.log", Log())
    await outcome(raising(KeyError(), later=later).dispatch(sample(HealthCheckRequest), PEER))
    assert known == [sample(HealthCheckRequest)]
    assert handled.get() is None


async def test_a_database_that_does_not_answer_is_told_as_such() -> None:
    """`internal`: nothing was stored, and the same request may be repeated. No traceback."""
    engine = raising(StoreUnavailable("disk full"), later=True)
    with capture_logs() as lines:
        answer = await outcome(engine.dispatch(sample(HealthCheckRequest), PEER))
    assert isinstance(answer, ErrorResponse)
    assert answer.error == "internal"
    assert "disk" not in answer.message
    assert [(line["log_level"], line["error"]) for line in lines] == [
        ("warning", "the database does not answer: disk full")
    ]


def test_an_expected_error_of_ours_is_internal_too() -> None:
    """As a link that went while a handler asked over it, and nobody caught it."""
    with capture_logs() as lines:
        answer = refusal(sample(ChargeRequest), LinkLost("engine"))
    assert answer == ErrorResponse(error=Reason.INTERNAL)
    assert lines[0]["expected"] is True


@pytest.mark.parametrize("reason", Reason)
def test_a_notification_is_refused_by_error_response(reason: Reason) -> None:
    """It has no answer of its own."""
    assert refusal(sample(StatusUpdate), Refused(reason)) == ErrorResponse(error=reason)


@pytest.mark.parametrize("message", all_messages())
def test_answers_are_never_answered(message: type[Message]) -> None:
    """Neither an answer nor an `error_response`, whatever went wrong with it: no echo."""
    for error in (Refused(Reason.UNKNOWN_SESSION), Refused(Reason.INTERNAL), KeyError()):
        told = refusal(sample(message), error)
        is_answer = message is ErrorResponse or message in {answer_of(m) for m in all_messages()}
        assert (told is None) == is_answer


def test_a_refusal_names_its_answer_by_the_request() -> None:
    """A refused `charge_request` gets a `charge_request_response`."""
    answer = refusal(sample(ChargeRequest), Refused(Reason.CHARGE_POINT_BUSY))
    assert answer == ChargeRequestResponse(status=Outcome.FAILURE, error=Reason.CHARGE_POINT_BUSY)


# ---- Calling, for those that decide themselves what an error means -----------------------------


@pytest.mark.parametrize("later", [False, True])
async def test_call_lets_the_error_through(later: bool) -> None:
    """As for a record of Kafka, which is read again when the database does not answer."""
    engine = raising(StoreUnavailable("disk full"), later=later)
    with pytest.raises(StoreUnavailable):
        await outcome(engine.call(sample(HealthCheckRequest), PEER))
    assert handled.get() is None


async def test_it_is_known_who_may_wait_and_who_does() -> None:
    """As a link must, that lets only so many requests wait."""

    async def slowly(self: object, message: Message, peer: Peer) -> HealthCheckResponse:
        return health()

    slow = typed(slowly, takes=HealthCheckRequest, returns=HealthCheckResponse)
    engine, _ = dispatcher(Role.ENGINE, HealthCheckRequest=slow)
    assert engine.waits(sample(HealthCheckRequest))
    assert not engine.waits(sample(StopCpCommand))
    work = asyncio.create_task(asyncio.sleep(0))
    engine.keep(work)
    assert engine.in_work == 1
    await work
    await asyncio.sleep(0)
    assert engine.in_work == 0


# ---- Ending -----------------------------------------------------------------------------------


async def test_settling_waits_for_handlers_at_work() -> None:
    """What was begun is finished, within the time given."""
    engine, _ = dispatcher(Role.ENGINE)
    done = []

    async def work() -> None:
        await asyncio.sleep(0)
        done.append("work")

    engine.keep(asyncio.create_task(work()))
    await engine.settle(within=5)
    assert done == ["work"]
    await engine.settle(within=5)


async def test_settling_cancels_what_takes_too_long() -> None:
    """Every wait ends."""
    engine, _ = dispatcher(Role.ENGINE)
    endless = asyncio.create_task(asyncio.Event().wait())
    engine.keep(endless)  # type: ignore[arg-type]
    await engine.settle(within=0)
    with pytest.raises(asyncio.CancelledError):
        await endless


def test_a_peer_is_shown_as_far_as_it_is_known() -> None:
    """In log lines."""
    assert str(Peer(None)) == "unknown ? by tcp"
    assert str(Peer(Role.DRIVER, "D-1", "ev.driver.requests")) == "driver D-1 by ev.driver.requests"
