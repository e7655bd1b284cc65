"""Whether the engine agrees with central on being stopped, and the command that makes it agree.

Central says in every answer whether an operator wants the point stopped; its own stop and resume
commands say so too. The engine shows whether it is, unless its connectors' words hide it, as
`faulted` does: then what it last confirmed counts.
"""

from common.messages import ResumeCpCommand, StopCpCommand
from monitor.health import Condition


class Stopping:
    """The operator's wish, and what the engine confirmed of it."""

    def __init__(self, cp_id: str) -> None:
        self._cp_id = cp_id
        self._wanted: bool | None = None
        self._confirmed: bool | None = None
        self._due = False

    def told(self, stopped: bool | None) -> None:
        """Central said whether it wants the point stopped; None says nothing."""
        if stopped is not None:
            self._wanted = stopped
            self._due = True

    def commanded(self, *, stopped: bool) -> None:
        """A command of central's, which is on its way to the engine, says so."""
        self._wanted = stopped

    def confirmed(self, *, stopped: bool) -> None:
        """The engine said yes to a stop, or to a resume."""
        self._confirmed = stopped

    def engine_is_new(self) -> None:
        """The engine was linked anew: what it confirmed before may be forgotten."""
        self._confirmed = None
        self._due = True

    def next_command(self, condition: Condition) -> StopCpCommand | ResumeCpCommand | None:
        """What makes the engine agree; None if it does. Given at most once for each thing heard,
        so that an engine which does not do it is asked again at central's next answer."""
        due, self._due = self._due, False
        shown = self._confirmed if condition.stopped is None else condition.stopped
        if not due or self._wanted is None or self._wanted == shown:
            return None
        if self._wanted:
            return StopCpCommand(cp_id=self._cp_id, reason="stopped by an operator")
        return ResumeCpCommand(cp_id=self._cp_id)
