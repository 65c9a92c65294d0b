"""The image and compose.yaml: nothing moves under a name, nothing is root, no secret is written down."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from abruzzi import __version__
from abruzzi.models.specs import EndpointSpec, parse_spec
from abruzzi.serving.key_file import make_key
from abruzzi.serving.keys import VARIABLE
from abruzzi.serving.store.open import URL_VARIABLE
from tests.deploy.files import (
    COMPOSE,
    CONTAINER,
    DEPLOY,
    DOCKERFILE,
    FILES,
    PLACES,
    ROOT,
    instructions,
    load,
    parse,
    settle,
)

IMAGES = [
    *(line.partition(" AS ")[0] for line in instructions("FROM")),
    *(service["image"] for service in COMPOSE.values()),
    *(f"{image['name']}:{image['newTag']}" for image in load("kustomization.yaml")["images"]),
]
PORT = settle(PLACES["systemd"]).port
HARDENED = {"read_only": True, "cap_drop": ["ALL"]}
KEY = re.compile(r"\b(sk|csk|hf|abz|gsk)[-_][A-Za-z0-9_-]{16,}|BEGIN [A-Z ]*KEY|://[^/\s:@]+:[^/\s@]+@")
"""A key of a known form, or a password in a URL."""
RANDOM = re.compile(r"\b(?=\w*\d)[A-Za-z0-9]{24,}")


@pytest.mark.parametrize("image", sorted(set(IMAGES)))
def test_every_image_is_named_by_a_version_and_by_no_registry(image: str) -> None:
    name, _, tag = image.partition(":")
    assert re.search(r"\d+\.\d+", tag), image
    assert not re.search(r"[.:@]", name), image


def test_our_image_has_our_version() -> None:
    assert {image for image in IMAGES if image.startswith("abruzzi:")} == {f"abruzzi:{__version__}"}
    assert f"--tag abruzzi:{__version__}" in DOCKERFILE


def test_the_image_comes_from_the_lock_and_its_program_is_not_root() -> None:
    (from_lock,) = [run for run in instructions("RUN") if "requirements/serve.txt" in run]
    assert {"--require-hashes", "--no-deps"} <= set(from_lock.split())
    assert all("--no-deps" in run for run in instructions("RUN") if "pip install" in run)
    assert len(instructions("FROM")) == 2
    (user,) = instructions("USER")
    assert all(int(number) >= 1000 for number in user.split(":"))
    assert DOCKERFILE.index("\nUSER") < DOCKERFILE.index("\nENTRYPOINT")


def test_what_the_image_copies_is_there_and_is_let_through() -> None:
    let_through = {
        line.removeprefix("!")
        for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
        if line[:1] == "!"
    }
    sources = {source for copy in instructions("COPY") if not copy.startswith("--from") for source in copy.split()[:-1]}
    assert sources == let_through
    assert all((ROOT / source).exists() for source in sources)


def test_one_port_everywhere() -> None:
    assert instructions("EXPOSE") == [str(PORT)]
    assert f"127.0.0.1:{PORT}/healthz" in DOCKERFILE
    assert COMPOSE["abruzzi"]["ports"] == [f"127.0.0.1:{PORT}:{PORT}"]
    assert [port["containerPort"] for port in CONTAINER["ports"]] == [PORT]
    assert _targets()["abruzzi"] == [f"abruzzi:{PORT}"]
    assert {settle(place).port for place in PLACES.values()} == {PORT}


def test_services_are_called_by_their_names_and_ports() -> None:
    solver = parse_spec(parse(PLACES["compose"].command)["model"])
    assert isinstance(solver, EndpointSpec)
    vllm = COMPOSE[solver.host]["command"]
    upstream_port = urlsplit(solver.base_url).port
    assert vllm[vllm.index("--port") + 1] == str(upstream_port)
    assert f"127.0.0.1:{upstream_port}/health" in COMPOSE["vllm"]["healthcheck"]["test"][-1]
    assert _targets()["vllm"] == [f"vllm:{upstream_port}"]
    store = urlsplit(str(COMPOSE["abruzzi"]["environment"][URL_VARIABLE]))
    database = COMPOSE[store.hostname or ""]["environment"]
    assert (store.username, store.path[1:]) == (database["POSTGRES_USER"], database["POSTGRES_DB"])
    source = urlsplit(str(load("grafana/datasources.yaml")["datasources"][0]["url"]))
    assert COMPOSE[source.hostname or ""]["ports"] == [f"127.0.0.1:{source.port}:{source.port}"]


def test_nothing_is_published_beyond_this_machine() -> None:
    published = [port for service in COMPOSE.values() for port in service.get("ports", ())]
    assert all(port.startswith("127.0.0.1:") for port in published)
    assert COMPOSE["postgres"]["networks"] == ["records"]


def test_the_server_may_do_little() -> None:
    assert HARDENED.items() <= COMPOSE["abruzzi"].items()
    assert all("no-new-privileges:true" in service["security_opt"] for service in COMPOSE.values())
    assert not [name for name, service in COMPOSE.items() if service.get("privileged")]


def test_files_that_are_mounted_are_there() -> None:
    for service in COMPOSE.values():
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            if source.startswith("."):
                assert (DEPLOY / source).exists(), source
                assert volume.endswith(":ro"), f"{volume} could be written to"


def test_grafana_finds_the_dashboard_where_it_is_told_to_look() -> None:
    mounted = {volume.split(":")[1] for volume in COMPOSE["grafana"]["volumes"]}
    folder = load("grafana/dashboards.yaml")["providers"][0]["options"]["path"]
    home = COMPOSE["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home in mounted
    assert str(Path(home).parent) == folder


def test_passwords_come_from_outside() -> None:
    secret = re.compile("PASSWORD|KEY|TOKEN")
    named: dict[str, Any] = {
        f"{name}: {variable}": value
        for name, service in COMPOSE.items()
        for variable, value in service.get("environment", {}).items()
        if secret.search(variable)
    }
    assert f"abruzzi: {VARIABLE}" in named
    assert not [variable for variable, value in named.items() if not re.fullmatch(r"\$\{\w+:[?-].*\}", value)]
    example = (DEPLOY / ".env.example").read_text()
    assigned = dict(re.findall(r"^(\w+)=(.*)$", example, re.MULTILINE))
    assert not [variable for variable, value in assigned.items() if secret.search(variable) and value]
    assert set(re.findall(r"\$\{(\w+)", (DEPLOY / "compose.yaml").read_text())) == set(assigned)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(DEPLOY)))
def test_no_file_holds_a_secret(path: Path) -> None:
    text = path.read_text()
    assert not KEY.search(text)
    assert not RANDOM.search(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(make_key(), id="a key"),  # a random id would differ between the workers
        "postgresql://abruzzi:hunter2@postgres/abruzzi",
        "PASSWORD: 9f86d081884c7d659a2feaa0c55ad015",
        "-----BEGIN PRIVATE KEY-----",
    ],
)
def test_a_secret_would_be_noticed(text: str) -> None:
    assert KEY.search(text) or RANDOM.search(text)


def test_prometheus_and_the_health_check_ask_routes_that_answer(url: str) -> None:
    (job,) = [job for job in load("prometheus/prometheus.yml")["scrape_configs"] if job["job_name"] == "abruzzi"]
    (check,) = re.findall(rf"127\.0\.0\.1:{PORT}(/\w+)", DOCKERFILE)
    for path in (job.get("metrics_path", "/metrics"), check):
        assert httpx2.get(url + path, trust_env=False).status_code == 200


def _targets() -> dict[str, list[str]]:
    jobs = load("prometheus/prometheus.yml")["scrape_configs"]
    return {job["job_name"]: job["static_configs"][0]["targets"] for job in jobs}
