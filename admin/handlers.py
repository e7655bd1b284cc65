"""What a console does with each message that it may be sent."""

from collections.abc import Callable

import structlog

from admin.client import Client
from common.dispatch import Peer, handler
from common.gateway_messages import (
    CommandRequestResponse,
    CommandsResponse,
    IdTagChangeResponse,
    IdTagsResponse,
    SamplesResponse,
)
from common.messages import (
    AuditResponse,
    AuthResponse,
    CommandResponse,
    ErrorResponse,
    EventLogged,
    HealthResponse,
    HeartbeatResponse,
    ManualCommandResponse,
    PointChanged,
    PointsResponse,
    SessionsResponse,
    TicketsResponse,
    WatchReady,
)

log = structlog.get_logger()

News = PointChanged | WatchReady | EventLogged
"""What central tells by itself who watches."""


def _nobody(news: News) -> None:
    """A one-shot command watches nothing."""


class Handlers:
    """Every message ends here that no question waits for.

    Args:
        on_news: Given what comes after a `watch_request`, in order.
    """

    def __init__(self, client: Client, on_news: Callable[[News], None] = _nobody) -> None:
        self._client = client
        self._on_news = on_news

    @handler
    def news(self, news: PointChanged | WatchReady | EventLogged, _: Peer) -> None:
        self._on_news(news)

    @handler
    def error(self, error: ErrorResponse, peer: Peer) -> None:
        log.warning("central refused a message", error=error.error, text=error.message)
        self._client.sent_away(error)

    @handler
    def late_outcome(self, answer: ManualCommandResponse, _: Peer) -> None:
        """The command was asked again meanwhile, and that answer is the same."""
        log.info("late answer", status=answer.status, succeeded=answer.succeeded)

    @handler
    def late(
        self,
        answer: AuthResponse
        | HeartbeatResponse
        | CommandResponse
        | PointsResponse
        | SessionsResponse
        | TicketsResponse
        | AuditResponse
        | HealthResponse
        | CommandRequestResponse
        | CommandsResponse
        | IdTagsResponse
        | IdTagChangeResponse
        | SamplesResponse,
        _: Peer,
    ) -> None:
        """Too late: it is asked again, or nobody wants it any more."""
