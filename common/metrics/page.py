"""The blocks of `docs/metrics.md`, from the table alone."""

from collections.abc import Iterable, Iterator

from common.metrics.metric import Metric
from common.metrics.pulse import ALIVE_WITHIN
from common.metrics.server import MAX_CONNECTIONS, OPEN_FOR
from common.metrics.table import ALL, KAFKA, LINKED, METRICS

Row = tuple[str, ...]


def metrics_page() -> Iterator[str]:
    """The blocks of the page: what stands between two empty lines."""
    yield "<!-- Generated from common/metrics/table.py by `make docs`. Do not edit. -->"
    yield "# Metrics and health"
    yield (
        "Each program that runs says how it is, by HTTP, where `--metrics HOST:PORT` tells it to. "
        "What the alarms mean is in [alarms.md](alarms.md)."
    )
    yield _table(
        ("path", "answer"),
        (
            (
                "`/metrics`",
                "The numbers below, for Prometheus: in its text format, or as OpenMetrics where"
                " that is asked for.",
            ),
            (
                "`/healthz`",
                "200 while the event loop turns; 503, with a sentence, once it has stood still"
                f" for {ALIVE_WITHIN:g} s: then the program is to be restarted.",
            ),
            (
                "`/readyz`",
                "200 while the program serves; 503, with a sentence, while it lacks what it needs:"
                " central the database and the lead, an engine its journal, a monitor its engine"
                " and central, a driver central, a gateway Kafka, its partition and the list of who"
                " may connect. A restart would not help.",
            ),
        ),
    )
    yield (
        "Off loopback it is HTTPS, with the program's own `--tls-cert` and `--tls-key`, and"
        " `/metrics` wants `Authorization: Bearer TOKEN` with the token in"
        " `--metrics-token-file`; the program does not start without these, unless `--insecure`"
        f" says so. At most {MAX_CONNECTIONS} connections are open at a time, each for"
        f" {OPEN_FOR:g} s at most."
    )
    yield (
        "Counters begin at 0 when a program starts, except where it is said. No label holds an id"
        " or an address, so the number of series does not grow with the network. Beside these"
        " there are those of every Python process: `process_…` and `python_gc_…`."
    )
    for programs, title in (
        (ALL, "Every program"),
        (LINKED, "Every program but the gateway"),
        (KAFKA, "Central, monitor and gateway"),
        (("central",), "Central"),
        (("engine",), "Engine"),
        (("monitor",), "Monitor"),
        (("gateway",), "Gateway"),
    ):
        yield f"## {title}"
        yield _table(
            ("metric", "type", "labels", "meaning"),
            (_row(metric) for metric in METRICS if metric.programs == programs),
        )


def _row(metric: Metric) -> Row:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"`{metric.name}`", metric.kind, labels, metric.meaning


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
