"""What a running program can be asked about itself: numbers for Prometheus, and whether it serves.

| file | holds |
|---|---|
| `table.py` | every metric of every program: name, type, labels, meaning; `docs/metrics.md` is it |
| `metric.py` | what a row of the table is, and a sample of it |
| `histogram.py` | how often something took how long |
| `traffic.py` | what links count: messages, refusals, latencies, ends |
| `pulse.py` | how late the event loop is |
| `exporter.py` | numbers and readiness together, in a program |
| `exposition.py` | samples as Prometheus wants them |
| `server.py` | `/metrics`, `/healthz` and `/readyz`, in threads of their own |
| `kafka.py` | what clients of Kafka say about themselves |
| `page.py` | `docs/metrics.md` |
| `options.py` | `--metrics` and `--metrics-token-file` |

Theory of operation. Whoever knows a number keeps it as a plain int, a dict of ints or a
`Histogram`, always: counting costs an addition. A *source* is a function that turns them into
samples; it runs when somebody asks, in the HTTP server's thread. So it takes what it reads as it
is and iterates over a copy (`list(d.items())`, which the interpreter makes in one step), never
over what the event loop may change meanwhile. A loop that stands still is therefore seen.
"""
