#!/usr/bin/env python3
"""Checks the dashboard of Grafana and the alerts of Prometheus in config/deploy, without either of them running.

Each metric in a query exists, and so does each label of it (docs/metrics-and-logs.md, which a test compares with the
code). Each metric is on the dashboard. Each alert has a test that expects it, and is in the manual. `promtool` checks
and tests the alerts, and parses the queries of the dashboard.
"""
import json
import pathlib
import re
import subprocess
import sys
import tempfile

root = pathlib.Path(__file__).resolve().parent.parent
deploy = root / "config/deploy"
faults = []

# The series of others, which queries may name, with their labels.
OTHERS = {
    "up": set(),
    "node_filesystem_avail_bytes": {"mountpoint"},
    "node_filesystem_size_bytes": {"mountpoint"},
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
}
# Prometheus adds these labels to each series.
ADDED = {"job", "instance"}


def documented():
    """Returns each metric of the manual with its labels."""
    known = {}
    manual = (root / "docs/metrics-and-logs.md").read_text()
    for name, labels in re.findall(r"^\| `((?:registrar|process)_\w+)` \| (.*?) \|", manual, re.M):
        known[name] = set(re.findall(r"`(\w+)`", labels))
    return known


KNOWN = documented()


def labels_of(name):
    """Returns the labels of a series; none if nothing has this name."""
    if name in OTHERS:
        return OTHERS[name]
    for suffix, more in (("", set()), ("_bucket", {"le"}), ("_sum", set()), ("_count", set())):
        metric = name.removesuffix(suffix)
        is_histogram = metric.endswith("_duration_seconds") or metric == "registrar_store_batch_changes"
        if name.endswith(suffix) and metric in KNOWN and bool(suffix) == is_histogram:
            return KNOWN[metric] | more
    return None


def check_query(place, query):
    """Checks the names in a query, and returns the metrics of this server in it."""
    found, available = set(), set(ADDED)
    grouping = r"\b(?:by|on)\s*\(([^)]*)\)"
    grouped = set(re.findall(r"\w+", " ".join(re.findall(grouping, query))))
    bare = re.sub(r"\[[^\]]*\]", "", re.sub(grouping, "", query))
    # The lookahead leaves out functions.
    for name, matchers in re.findall(r"\b([a-z]+_[a-z_]+|up)\b(?:\{([^}]*)\})?(?!\s*\()", bare):
        labels = labels_of(name)
        if labels is None:
            faults.append(f"{place}: no metric is called {name}")
            continue
        available |= labels
        found.add(name)
        for label in re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers):
            if label not in labels | ADDED:
                faults.append(f"{place}: {name} has no label {label}")
    for label in grouped - available:
        faults.append(f"{place}: no metric of the query has the label {label}")
    if not found:
        faults.append(f"{place}: the query names no metric: {query}")
    return {re.sub(r"_(bucket|sum|count)$", "", name) if name not in KNOWN else name for name in found}


def queries_of_dashboard():
    dashboard = json.loads((deploy / "grafana/registrar.json").read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    if len(ids) != len(set(ids)):
        faults.append("registrar.json: two panels have one id")
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for note in dashboard["annotations"]["list"]:
        yield note["name"], note["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], re.match(r"label_values\((.*), \w+\)", variable["query"]["query"])[1]


def check_dashboard():
    shown, rules = set(), []
    for title, query in queries_of_dashboard():
        shown |= check_query(f"registrar.json: {title}", query)
        whole = query.replace("$__rate_interval", "5m").replace("$", "")
        rules.append({"record": f"query:{len(rules)}", "expr": whole})
    for metric in sorted(set(KNOWN) - shown):
        faults.append(f"registrar.json: no panel shows {metric}")
    with tempfile.TemporaryDirectory() as place:
        file = pathlib.Path(place) / "queries.json"  # JSON is YAML
        file.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))
        promtool("check", "rules", "--lint=none", file)
    return len(rules)


def check_alerts():
    text = (deploy / "prometheus/alerts.yaml").read_text()
    tests = (deploy / "prometheus/alerts.test.yaml").read_text()
    manual = (deploy / "README.md").read_text()
    alerts = re.findall(r"^      - alert: (\w+)\n        expr: (?:>-\n)?(.*?)\n        (?=for:|labels:)", text, re.M | re.S)
    if len(alerts) != text.count("- alert:"):
        faults.append("alerts.yaml: this check does not find every alert")
    for name, query in alerts:
        check_query(f"alerts.yaml: {name}", query)
        if f'alertname="{name}"' not in tests:
            faults.append(f"alerts.test.yaml: no test expects {name}")
        if f"`{name}`" not in manual:
            faults.append(f"config/deploy/README.md does not explain {name}")
    for name in set(re.findall(r"\bRegistrar[A-Z]\w+", manual)) - {name for name, _ in alerts}:
        faults.append(f"config/deploy/README.md: no alert is called {name}")
    promtool("check", "rules", deploy / "prometheus/alerts.yaml")
    promtool("test", "rules", deploy / "prometheus/alerts.test.yaml")
    return len(alerts)


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120)
    if done.returncode:
        faults.append(f"promtool {arguments[0]} {arguments[1]}:\n{done.stdout}{done.stderr}")


queries, alerts = check_dashboard(), check_alerts()
if faults:
    sys.exit("\n".join(faults))
print(f"dashboards.py: {queries} queries of the dashboard and {alerts} alerts name what exists")
