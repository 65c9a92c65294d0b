"""The manifests: several replicas that keep nothing, have no rights, are asked at real routes and leave in peace."""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from abruzzi.models.specs import EndpointSpec, parse_spec
from abruzzi.serving.key_file import PREFIX
from abruzzi.serving.store.open import URL_VARIABLE
from tests.deploy.files import CONTAINER, DEPLOY, DOCKERFILE, KUBERNETES, PLACES, POD, load, parse, settle

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
LABELS = {"app.kubernetes.io/name": "abruzzi"}
TEMPLATE: dict[str, Any] = KUBERNETES["deployment"]["spec"]["template"]
EXPECTED = {"startupProbe": "/healthz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}


def rules(direction: str) -> Iterator[tuple[dict[str, Any], set[Any]]]:
    """Who, and which ports, of each rule of the network policy."""
    side = "from" if direction == "ingress" else "to"
    for rule in KUBERNETES["network"]["spec"][direction]:
        for peer in rule[side]:
            yield peer, {port["port"] for port in rule["ports"]}


def test_every_manifest_is_part_of_the_kustomization() -> None:
    listed = load("kustomization.yaml")["resources"]
    assert sorted(listed) == sorted(f"kubernetes/{path.name}" for path in DEPLOY.glob("kubernetes/*.yaml"))


@pytest.mark.parametrize("probe", PROBES)
def test_probes_ask_routes_that_answer(probe: str, url: str) -> None:
    asked = CONTAINER[probe]["httpGet"]
    assert asked["path"] == EXPECTED[probe]
    assert httpx2.get(url + asked["path"], trust_env=False).status_code == 200
    assert asked["port"] in {port["name"] for port in CONTAINER["ports"]}


def test_prometheus_is_told_the_route_and_the_port(url: str) -> None:
    told = TEMPLATE["metadata"]["annotations"]
    assert httpx2.get(url + told["prometheus.io/path"], trust_env=False).status_code == 200
    assert told["prometheus.io/port"] == str(CONTAINER["ports"][0]["containerPort"])


def test_the_pod_has_no_rights() -> None:
    pod, container = POD["securityContext"], CONTAINER["securityContext"]
    assert pod["runAsNonRoot"] is True
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    assert f"USER {pod['runAsUser']}:{pod['runAsGroup']}" in DOCKERFILE
    assert container == {
        "allowPrivilegeEscalation": False,
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert POD["automountServiceAccountToken"] is False
    assert KUBERNETES["account"]["automountServiceAccountToken"] is False
    assert KUBERNETES["namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(POD)


def test_replicas_keep_nothing_and_the_store_comes_from_a_secret() -> None:
    environment = {variable["name"]: variable for variable in CONTAINER["env"]}
    assert not [variable for variable in environment.values() if "value" in variable]
    assert environment[URL_VARIABLE]["valueFrom"]["secretKeyRef"] == {"name": "abruzzi", "key": "store"}
    assert not [volume for volume in POD["volumes"] if not {"emptyDir", "projected"} & set(volume)]
    assert not [manifest for manifest in KUBERNETES.values() if manifest["kind"] == "Secret"]
    assert "replicas" not in KUBERNETES["deployment"]["spec"], "the autoscaler's number would be overwritten"
    assert KUBERNETES["autoscaler"]["spec"]["minReplicas"] >= 2


def test_hashed_keys_and_settings_lie_where_the_command_looks() -> None:
    (mount,) = [mount for mount in CONTAINER["volumeMounts"] if mount["name"] == "settings"]
    assert "subPath" not in mount, "a changed Secret would not reach the server"
    (volume,) = [volume for volume in POD["volumes"] if volume["name"] == "settings"]
    settings, secret = volume["projected"]["sources"]
    (generated,) = load("kustomization.yaml")["configMapGenerator"]
    assert settings["configMap"]["name"] == generated["name"]
    options = parse(PLACES["kubernetes"].command)
    assert options["config"] == PurePosixPath(mount["mountPath"]) / generated["files"][0]
    assert options["keys_file"] == PurePosixPath(mount["mountPath"]) / secret["secret"]["items"][0]["path"]
    assert settle(PLACES["kubernetes"]).keys_file == options["keys_file"]
    assert PREFIX not in (DEPLOY / "kubernetes" / "deployment.yaml").read_text()


def test_what_is_written_to_is_mounted() -> None:
    mounted = {mount["mountPath"] for mount in CONTAINER["volumeMounts"] if not mount.get("readOnly")}
    assert mounted == {"/tmp", "/var/lib/abruzzi"}
    assert "ABRUZZI_HOME=/var/lib/abruzzi" in DOCKERFILE


def test_everything_selects_the_same_pods() -> None:
    assert TEMPLATE["metadata"]["labels"] == LABELS
    selectors = [
        KUBERNETES["deployment"]["spec"]["selector"]["matchLabels"],
        KUBERNETES["service"]["spec"]["selector"],
        KUBERNETES["disruption"]["spec"]["selector"]["matchLabels"],
        KUBERNETES["network"]["spec"]["podSelector"]["matchLabels"],
        *(spread["labelSelector"]["matchLabels"] for spread in POD["topologySpreadConstraints"]),
    ]
    assert all(selector == LABELS for selector in selectors)
    target = KUBERNETES["autoscaler"]["spec"]["scaleTargetRef"]
    assert target["name"] == KUBERNETES["deployment"]["metadata"]["name"]
    assert KUBERNETES["service"]["spec"]["ports"][0]["targetPort"] == CONTAINER["ports"][0]["name"]
    assert POD["serviceAccountName"] == KUBERNETES["account"]["metadata"]["name"]


def test_the_network_policy_lets_through_what_the_server_needs_and_no_more() -> None:
    assert set(KUBERNETES["network"]["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert [ports for _, ports in rules("ingress")] == [{CONTAINER["ports"][0]["name"]}]
    solver = parse_spec(parse(PLACES["kubernetes"].command)["model"])
    assert isinstance(solver, EndpointSpec)
    upstream = urlsplit(solver.base_url)
    let_out = {
        peer["podSelector"]["matchLabels"].get("app.kubernetes.io/name", "dns"): ports
        for peer, ports in rules("egress")
    }
    assert let_out == {"dns": {53}, upstream.hostname: {upstream.port}, "postgresql": {5432}}


def test_a_rolling_update_and_a_drained_node_leave_replicas_standing() -> None:
    update = KUBERNETES["deployment"]["spec"]["strategy"]["rollingUpdate"]
    assert update == {"maxSurge": 1, "maxUnavailable": 0}
    assert KUBERNETES["disruption"]["spec"]["maxUnavailable"] == 1
    assert {spread["topologyKey"] for spread in POD["topologySpreadConstraints"]} == {
        "topology.kubernetes.io/zone",
        "kubernetes.io/hostname",
    }
