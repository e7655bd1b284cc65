"""The moments of a charge at which something may die.

Theory of operation. A moment is a window between two lines of the programs' logs. Most are open for
less than a millisecond, so a proxy holds back the message that would close it; then whatever is to
die dies inside the window, however slow the machine is. Nobody has to believe that: afterwards
`proved` compares the times in the logs with the time of the death.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chaos.proxy import Proxy
from tests.faults.network import Case, at, find, lines
from tests.programs.network import Json, eventually

Line = Callable[[Case], Json | None]


@dataclass(frozen=True, slots=True)
class Moment:
    """A window in a charge.

    Attributes:
        begin: Takes a charge as far as it goes by itself.
        hold: Opens the window; returns when it is open. It does not stay open for ever: whoever
            is held back will be missed within seconds.
        opened: The log line that opens it; None while there is none.
        closed: The log line that closes it.
    """

    name: str
    begin: Callable[[Case], None]
    hold: Callable[[Case], None]
    opened: Line
    closed: Line

    def reach(self, case: Case) -> None:
        """Begin a charge, and return when the window is open."""
        self.begin(case)
        self.hold(case)

    def __str__(self) -> str:
        return self.name


def _commanded(case: Case) -> Json | None:
    return _message(case, "central", "sent", "start_charging_command")


def _started(case: Case) -> Json | None:
    return find(case.point.engine, "charging", session_id=case.session_id)


def _read(case: Case) -> Json | None:
    """The second reading: energy flows for sure."""
    readings = _messages(case, "central", "received", "charging_data")
    return readings[1] if len(readings) > 1 else None


def _ended(case: Case) -> Json | None:
    return find(case.point.engine, "ended", session_id=case.session_id)


def _billed(case: Case) -> Json | None:
    return find(case.network.all_centrals, "ticket: ", session_id=case.session_id)


def _messages(case: Case, program: str, event: str, kind: str) -> list[Json]:
    of = case.network.all_centrals if program == "central" else getattr(case.point, program)
    return list(lines(of, event, type=kind, session_id=case.session_id))


def _message(case: Case, program: str, event: str, kind: str) -> Json | None:
    return next(iter(_messages(case, program, event, kind)), None)


def _settling(case: Case) -> Json | None:
    return find(case.point.engine, "received", type="settle_sessions_command")


# -- How each is reached --


def _nothing(_: Case) -> None:
    pass


def _charge(case: Case) -> None:
    case.begin()
    eventually(lambda: _read(case), "energy flows")


def _hold_command(case: Case) -> None:
    case.point.to_central.do(Proxy.lose_to_client)
    case.begin()
    eventually(lambda: _commanded(case), "central commands the start")


def _hold_answer(case: Case) -> None:
    _hold_command(case)
    case.point.to_engine.do(Proxy.lose_to_client)
    case.point.to_central.heal()
    eventually(lambda: _started(case), "the engine starts")


def _hold_ticket(case: Case) -> None:
    case.point.to_engine.do(Proxy.lose_to_client)
    case.unplug()
    eventually(lambda: _ended(case), "the supply ends")


def _hold_settlement(case: Case) -> None:
    case.point.to_central.do(Proxy.lose_to_client)
    case.unplug()
    eventually(lambda: _billed(case), "central has the ticket")


BEFORE_COMMAND = Moment(
    "before the command",
    begin=_nothing,
    hold=_hold_command,
    opened=_commanded,
    closed=lambda case: _message(case, "monitor", "received", "start_charging_command"),
)
BEFORE_ANSWER = Moment(
    "between command and answer",
    begin=_nothing,
    hold=_hold_answer,
    opened=_started,
    closed=lambda case: _message(case, "monitor", "received", "command_response"),
)
CHARGING = Moment("charging", begin=_charge, hold=_nothing, opened=_read, closed=_ended)
BEFORE_TICKET = Moment(
    "between the supply's end and the ticket",
    begin=_charge,
    hold=_hold_ticket,
    opened=_ended,
    closed=lambda case: _message(case, "monitor", "received", "charge_completion"),
)
BEFORE_SETTLEMENT = Moment(
    "between ticket and settlement",
    begin=_charge,
    hold=_hold_settlement,
    opened=_billed,
    closed=_settling,
)

MOMENTS = (BEFORE_COMMAND, BEFORE_ANSWER, CHARGING, BEFORE_TICKET, BEFORE_SETTLEMENT)


def proved(case: Case, moment: Moment) -> None:
    """Fail unless the logs say that the death fell into the moment."""
    assert case.died_at is not None
    before, after = case.died_at
    opened, closed = moment.opened(case), moment.closed(case)
    assert opened is not None, f"{moment} was never reached"
    assert at(opened) <= before, f"{moment} began after the death"
    assert closed is None or at(closed) > after, f"{moment} was over before the death"
