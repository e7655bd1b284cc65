"""Why connections of charge points end, and what they are closed with."""

from enum import StrEnum

from picows import WSCloseCode


class Ending(StrEnum):
    """Why a connection ended, in a word."""

    PEER = "peer"
    """The charge point closed it, or it broke."""
    REPLACED = "replaced"
    """The charge point has a newer one."""
    REVOKED = "revoked"
    """Its credential counts no more."""
    SILENT = "silent"
    """Nothing came any more, not even the answer to a ping."""
    SLOW_READER = "slow_reader"
    """It did not read what it was sent."""
    BAD_SOCKET = "bad_socket"
    """What came was no WebSocket, no text, or too long."""
    DRAINED = "drained"
    """This gateway stops."""
    FAILED = "failed"
    """A defect of ours; the log has it."""


CLOSE_CODES = {
    Ending.REPLACED: WSCloseCode.OK,
    Ending.REVOKED: WSCloseCode.POLICY_VIOLATION,
    Ending.DRAINED: WSCloseCode.GOING_AWAY,
    Ending.FAILED: WSCloseCode.INTERNAL_ERROR,
}
"""What a connection is closed with by us (RFC 6455, 7.4.1)."""
