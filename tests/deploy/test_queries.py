"""The dashboard and the alerts ask for metrics that the server exports, under labels and values that it gives them."""

import re
from typing import Any

import pytest

from tests.deploy.exported import Exported, Query, explain, feed, make_metrics, read_exported, read_query
from tests.deploy.files import DASHBOARD, DEPLOY, ROOT, RULES, load

FOREIGN = frozenset({"up", "vllm:num_requests_running", "vllm:num_requests_waiting"})
OPEN_LABELS = {"code", "operation", "model", "version", "instance", "job"}
"""Labels whose values no list holds."""
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES: list[dict[str, Any]] = DASHBOARD["templating"]["list"]
PANEL_QUERIES = {f"{panel['title']} {t['refId']}": str(t["expr"]) for panel in PANELS for t in panel["targets"]}
QUERIES = PANEL_QUERIES | {rule["alert"]: str(rule["expr"]) for rule in RULES}


@pytest.fixture(scope="module")
def exported() -> Exported:
    metrics = make_metrics()
    feed(metrics)
    return read_exported(metrics)


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_every_query_asks_for_what_is_exported(query: str, exported: Exported) -> None:
    assert not explain(query, exported, FOREIGN)
    for selector in read_query(query).selectors:
        for label, operator, value in selector.matchers:
            if selector.name in FOREIGN or label in OPEN_LABELS:
                continue
            wanted = set(value.split("|")) if operator in ("=~", "!~") else {value}
            assert wanted <= exported[selector.name][label], f"{selector.name}: {label} is never {value}"


def test_a_query_for_anything_else_is_noticed(exported: Exported) -> None:
    assert explain("rate(abruzzi_question_total[5m])", exported, FOREIGN) == ["no metric abruzzi_question_total"]
    assert explain("abruzzi_questions_runing or up", exported, FOREIGN) == ["no metric abruzzi_questions_runing"]
    assert explain('abruzzi_questions_total{state="failed"}', exported, FOREIGN) == [
        "abruzzi_questions_total has no label state"
    ]
    assert explain("sum by (roll) (abruzzi_upstream_calls_total)", exported, FOREIGN) == ["nothing has the label roll"]


def test_queries_are_read_as_they_are_written() -> None:
    query = 'sum by (le, a) (rate(x_bucket{a=~"b|c"}[$__rate_interval])) / 2 > 0.5 or y unless y offset 10m'
    read = read_query(query)
    assert read == Query(read.selectors, frozenset({"le", "a"}))
    assert [selector.name for selector in read.selectors] == ["x_bucket", "y", "y"]
    assert read.selectors[0].matchers == (("a", "=~", "b|c"),)


def test_every_metric_of_ours_is_on_the_dashboard(exported: Exported) -> None:
    shown = {selector.name for query in QUERIES.values() for selector in read_query(query).selectors}
    families = {re.sub("_(bucket|count|sum|total|created)$", "", name) for name in exported}
    ours = {name for name in families if name.startswith("abruzzi_")}
    assert ours == {re.sub("_(bucket|count|sum|total)$", "", name) for name in shown if name.startswith("abruzzi_")}


def test_codes_of_refusals_are_the_servers_own() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src" / "abruzzi" / "serving").rglob("*.py"))
    codes = [
        code
        for query in QUERIES.values()
        for selector in read_query(query).selectors
        for label, _, value in selector.matchers
        if label == "code"
        for code in value.split("|")
    ]
    assert codes
    assert not [code for code in codes if f'"{code}"' not in source]


def test_the_dashboard_is_whole() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    cells = [
        (x, y)
        for grid in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(grid["x"], grid["x"] + grid["w"])
        for y in range(grid["y"], grid["y"] + grid["h"])
    ]
    assert len(set(cells)) == len(cells), "no panel lies on another"
    assert max(x for x, _ in cells) == 23
    source = load("grafana/datasources.yaml")["datasources"][0]["uid"]
    sources = [target["datasource"]["uid"] for panel in PANELS for target in (panel, *panel["targets"])]
    assert set(sources) | {variable["datasource"]["uid"] for variable in VARIABLES} == {source}


def test_the_dashboards_variables_are_labels_that_exist(exported: Exported) -> None:
    used = {name for query in QUERIES.values() for name in re.findall(r"\$(\w+)", query)} - {"__rate_interval"}
    assert used == {variable["name"] for variable in VARIABLES}
    for variable in VARIABLES:
        metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # pyright: ignore[reportOptionalMemberAccess]
        assert metric in exported
        assert label in {*exported[metric], "instance"}


def test_every_alert_says_how_bad_it_is_and_where_to_look_and_is_tried() -> None:
    tried = (DEPLOY / "prometheus" / "rules_test.yml").read_text()
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "warn")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]
        assert f'alertname="{rule["alert"]}"' in tried, f"promtool does not try {rule['alert']}"
