"""What a gateway counts: plain numbers, added to where things happen; `health` shows them."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field

from common.metrics.histogram import Histogram


@dataclass(slots=True, eq=False)
class Counts:
    """All of it, since the start.

    Attributes:
        admitted: Requests for a WebSocket, by the HTTP status of their answer.
        ended: Connections that have ended, by why.
        heartbeats: Heartbeats that were answered at once.
        calls: Other calls of charge points, by action; `unknown` for what is none.
        seconds: Until such a call was answered, by action.
        errors: CALLERRORs that were given to charge points, by code.
        bad_frames: What was no frame of OCPP-J, by what is wrong with it.
        strays: Answers to calls that nobody made, or that were given up.
        faults: Faults of lenient charge points that were mended, by name.
        late: Answers of central that nobody waited for any more.
        misdirected: Records of central's for connections that are not here any more.
        deposed: Records of a central that leads no more.
        unreadable: Records that are no message for a gateway.
        commands: Commands by what became of them.
        command_seconds: From a CALL of ours to its answer, by action.
        frames: Frames that were published for inspection.
        frames_dropped: Frames that were not, because Kafka did not keep up.
    """

    admitted: Counter[str] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    heartbeats: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    seconds: defaultdict[str, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    errors: Counter[str] = field(default_factory=Counter)
    bad_frames: Counter[str] = field(default_factory=Counter)
    strays: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    late: int = 0
    misdirected: int = 0
    deposed: int = 0
    unreadable: int = 0
    commands: Counter[str] = field(default_factory=Counter)
    command_seconds: defaultdict[str, Histogram] = field(
        default_factory=lambda: defaultdict(Histogram)
    )
    frames: int = 0
    frames_dropped: int = 0
