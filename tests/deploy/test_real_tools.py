"""The real tools accept deploy/, and a real Prometheus has what the dashboard and the alerts ask for."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.deploy.exported import feed, make_metrics
from tests.deploy.files import DEPLOY, ROOT, load
from tests.deploy.test_queries import PANEL_QUERIES
from tests.serving.running import serving, wait_until

pytestmark = pytest.mark.slow

TOOLS = ROOT / "build" / "deploy"


def test_the_real_tools_accept_everything() -> None:
    done = subprocess.run([ROOT / "scripts" / "check_deploy", TOOLS], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all of it passed\n")


@pytest.fixture
def prometheus_with_our_rules(tmp_path: Path) -> Generator[tuple[str, Any]]:
    """Run Prometheus over deploy's own files, with a target on loopback; yields its address and what counts there."""
    program = shutil.which("prometheus", path=f"{TOOLS / 'bin'}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        pytest.skip("no Prometheus; scripts/check_deploy gets it")
    metrics = make_metrics()
    with serving(metrics=metrics) as url, socket.create_server(("127.0.0.1", 0)) as taken:
        settings = load("prometheus/prometheus.yml")
        settings["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        settings["scrape_configs"][0]["static_configs"][0]["targets"] = [url.removeprefix("http://")]
        del settings["scrape_configs"][1]  # vLLM
        (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(settings))
        shutil.copy(DEPLOY / "prometheus" / "rules.yml", tmp_path)
        port = taken.getsockname()[1]
        taken.close()
        command = [program, "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{port}"]
        with (tmp_path / "log").open("w") as log:
            process = subprocess.Popen(command, cwd=tmp_path, stdout=log, stderr=log)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_until(lambda: _is_up(f"{address}/-/ready"), within_s=30)
            yield address, metrics
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_prometheus_has_an_answer_to_every_query(prometheus_with_our_rules: tuple[str, Any]) -> None:
    address, metrics = prometheus_with_our_rules
    for _ in range(8):
        feed(metrics)
        time.sleep(1)
    unanswered: list[str] = []
    for name, query in PANEL_QUERIES.items():
        if "vllm:" in query:
            continue
        plain = query.replace("$__rate_interval", "5m").replace("$instance", ".*").replace("$model", ".*")
        found = httpx2.get(f"{address}/api/v1/query", params={"query": plain}, trust_env=False).json()
        assert found["status"] == "success", found
        if not found["data"]["result"] or all(row["value"][1] == "NaN" for row in found["data"]["result"]):
            unanswered.append(name)
    assert not unanswered
    rules = httpx2.get(f"{address}/api/v1/rules", trust_env=False).json()["data"]["groups"][0]["rules"]
    assert {rule["health"] for rule in rules} == {"ok"}, json.dumps(rules)


def _is_up(url: str) -> bool:
    try:
        return httpx2.get(url, trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
