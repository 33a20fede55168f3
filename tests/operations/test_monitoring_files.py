"""Rules and dashboard ask for metrics that exist, with labels these have, and every rule has its runbook."""

import importlib
import json
import re
from collections.abc import Iterator

import pytest
import yaml
from prometheus_client.registry import REGISTRY

from common import metrics
from sandbox.environment import ROOT

pytestmark = pytest.mark.req("OP-5")

RULES = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text(encoding="utf-8"))
DASHBOARD = json.loads((ROOT / "deploy/grafana/palier.json").read_text(encoding="utf-8"))
WORDS = {"sum", "by", "rate", "increase", "histogram_quantile", "or", "and", "unless", "offset", "h", "le"}
for room in ("quotas", "billing", "enterprise"):
    importlib.import_module(f"{room}.metrics")  # metrics exist once their modules are loaded
LABELS_OF_PROMETHEUS = {"le", "job"}
NAME = re.compile(r"[a-z][a-z0-9_]*")


def _rules() -> list[dict]:
    return [rule for group in RULES["groups"] for rule in group["rules"]]


def _expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in _rules())
    yield from (target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])


def _known() -> dict[str, set[str]]:
    """Every series the product can answer with, and its labels."""
    known: dict[str, set[str]] = {name: set() for name in metrics._gauges} | {"up": set()}
    for collector in REGISTRY._collector_to_names:
        labels = set(getattr(collector, "_labelnames", ()))
        known |= dict.fromkeys(REGISTRY._collector_to_names[collector], labels)
    return known


@pytest.mark.parametrize("expression", sorted(set(_expressions())))
def test_expressions_ask_for_what_there_is(expression: str) -> None:
    known = _known()
    labels = set(re.findall(r"(\w+)=\"", expression))
    for group in re.findall(r"by \(([^)]*)\)", expression):
        labels |= {label.strip() for label in group.split(",")}
    bare = re.sub(r"\{[^}]*\}|\[[^\]]*\]|by \([^)]*\)|\b[0-9.]+\b", " ", expression)
    series = set(NAME.findall(bare)) - WORDS
    assert series, expression
    assert series <= known.keys()
    assert labels <= set().union(*(known[name] for name in series)) | LABELS_OF_PROMETHEUS
    assert expression.count("(") == expression.count(")")


@pytest.mark.parametrize("rule", _rules(), ids=lambda rule: rule["alert"])
def test_every_rule_has_a_runbook(rule: dict) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["runbook"] == f"docs/runbooks.md#{rule['alert'].lower()}"
    runbooks = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    assert f"\n## {rule['alert']}\n" in runbooks


def test_runbooks_are_for_rules() -> None:
    runbooks = (ROOT / "docs/runbooks.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^## (\w+)$", runbooks, re.MULTILINE)) == {rule["alert"] for rule in _rules()}


def test_the_dashboard_can_be_imported() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {"${datasource}"}
