"""Alarms and dashboard ask only for numbers that there are, and every alarm is explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.errors import Reason
from common.metrics.metric import Metric
from common.metrics.table import METRICS
from common.metrics.traffic import Ending
from common.states import EndReason, SessionState, Status

ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"

PROMETHEUS_OWN = {"up", "ALERTS", "process_start_time_seconds", "process_cpu_seconds_total"} | {
    "process_resident_memory_bytes"
}
"""Metrics that are none of ours."""

TARGET = {"job", "instance"}
"""Labels that Prometheus adds."""

WORDS = {
    *("sum", "by", "max", "min", "rate", "increase", "absent", "changes", "histogram_quantile"),
    *("min_over_time", "and", "or", "unless", "le"),
}

Json = dict[str, Any]


def rules() -> list[Json]:
    """Every alarm."""
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[Json]:
    """Every panel of every dashboard."""
    boards = [json.loads(path.read_text("utf-8")) for path in DASHBOARDS.glob("*.json")]
    return [panel for board in boards for panel in board["panels"]]


def expressions() -> Iterator[tuple[str, str, str]]:
    """Whose it is, the expression, and the text that is made with its labels."""
    for rule in rules():
        yield rule["alert"], rule["expr"], rule["annotations"]["summary"]
    for panel in panels():
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def series() -> dict[str, tuple[Metric, frozenset[str]]]:
    """Each name that may be asked for, with its labels."""
    found = {}
    for metric in METRICS:
        labels = frozenset({*metric.labels} | TARGET)
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = (metric, labels | {"le"})
            found[f"{metric.name}_sum"] = found[f"{metric.name}_count"] = (metric, labels)
        else:
            found[metric.name] = (metric, labels)
    return found


ALL = list(expressions())


@pytest.mark.parametrize(("who", "expression", "text"), ALL, ids=[each[0] for each in ALL])
def test_only_numbers_that_there_are(who: str, expression: str, text: str) -> None:
    """Names, labels in braces, and labels that are summed by or shown, are those of the table."""
    known = series()
    bare = re.sub(r'"[^"]*"', '""', expression)
    # What stands in braces, after `by` and in brackets names no metric.
    names = re.findall(r"[a-zA-Z_]{2,}", re.sub(r"\{[^}]*\}|by \([^)]*\)|\[[^\]]*\]", "", bare))
    asked = {name for name in names if name not in WORDS}
    assert asked, who
    assert asked <= known.keys() | PROMETHEUS_OWN
    labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", bare))
    for group in re.findall(r"by \(([^)]*)\)", bare):
        labels |= {label.strip() for label in group.split(",")}
    labels |= set(re.findall(r"\$labels\.(\w+)", text))
    allowed = TARGET.union(*(known[name][1] for name in asked if name in known))
    assert labels <= allowed


def values_of(label: str) -> set[str]:
    """The values that the table's enums give a label."""
    return {
        "status": {*Status},
        "state": {*SessionState},
        "reason": {*Reason, *EndReason, "refused"},
        "cause": {*Ending},
        "side": {"asked", "answered", "given", "got"},
        "outcome": {"acknowledged", "failed", "refused", "success", "failure"},
        "job": {"central", "engine", "monitor", "gateway"},
        "alertstate": {"firing"},
    }[label]


@pytest.mark.parametrize(("who", "expression"), [each[:2] for each in ALL])
def test_only_values_that_there_are(who: str, expression: str) -> None:
    """A status that was renamed would make an alarm that never comes."""
    for label, text in re.findall(r'(\w+)\s*=~?\s*"([^"]*)"', expression):
        assert set(text.split("|")) <= values_of(label), who


def test_every_alarm_says_how_bad_it_is_and_where_to_read_on() -> None:
    """`critical` or `warning`, a sentence, and a heading of the page, which has no other."""
    page = (ROOT / "docs" / "alarms.md").read_text("utf-8")
    headings = re.findall(r"^## (\w+)$", page, re.MULTILINE)
    assert headings == [rule["alert"] for rule in rules()]
    for rule in rules():
        assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
        assert rule["annotations"]["summary"].endswith(".")
        assert rule["annotations"]["runbook"] == f"docs/alarms.md#{rule['alert'].lower()}"


def test_the_page_shows_what_the_rules_ask() -> None:
    """Expression, duration and severity are the rule's own."""
    page = (ROOT / "docs" / "alarms.md").read_text("utf-8")
    for rule in rules():
        when = "As soon as:" if rule["for"] == "0m" else f"After {rule['for']} of:"
        severity = rule["labels"]["severity"].capitalize()
        expected = f"## {rule['alert']}\n\n*{severity}.* {when}\n\n```promql\n{rule['expr']}\n```\n"
        assert expected in page
        part = page.partition(f"## {rule['alert']}\n")[2].partition("\n## ")[0]
        assert "**It means:** " in part
        assert "**To do:** " in part


def test_panels_do_not_overlap() -> None:
    """24 columns, and no two panels on one place."""
    taken: set[tuple[int, int]] = set()
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        places = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not places & taken, panel["title"]
        taken |= places


def test_prometheus_asks_every_kind_of_program_by_https_with_its_token() -> None:
    """Nothing goes in the clear."""
    text = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    config = yaml.safe_load(text)
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == values_of("job")
    for job in jobs.values():
        assert job["scheme"] == "https"
        # The comment at the top says what must be mounted.
        assert job["authorization"].keys() == {"credentials_file"}
        assert job["tls_config"].keys() == {"ca_file"}
        for file in (job["authorization"]["credentials_file"], job["tls_config"]["ca_file"]):
            assert re.search(rf"^#   {re.escape(file)}\s", text, re.MULTILINE)
