"""compose.yaml, the Dockerfiles and deploy/kubernetes, judged without an engine or a cluster.

The schema of the Compose specification comes from the package check-jsonschema, Kubernetes' from kubernetes-validate.
"""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any, TypeAlias

import docs
import pytest
import yaml

from qingyu_ai.settings import Settings, SettingsError, load_settings

ROOT = Path(__file__).parents[2]
DIGEST = "@sha256:[0-9a-f]{64}"
REQUIRED = [
    *("GATEWAY_API_KEYS", "MILVUS_PASSWORD", "MINIO_ROOT_PASSWORD", "MINIO_ROOT_USER", "PYTHON_AI_TOKEN"),
    "REDIS_PASSWORD",
]
# It runs to its end: no health, no restart, no port.
JOB = "index"

SERVICE_SETTINGS = {name.upper() for name in Settings.model_fields}
EXAMPLE = (ROOT / ".env.example").read_text()
# Made by `npm run generate` from the gateway's settings.
GATEWAY_SETTINGS = set(docs.names(EXAMPLE.split("gateway:start")[1].split("gateway:end")[0]))
KNOWN_SETTINGS = {
    "gateway": GATEWAY_SETTINGS,
    "python-ai-service": SERVICE_SETTINGS,
    JOB: SERVICE_SETTINGS,
    "redis": {"REDISCLI_AUTH"},
    "milvus": {
        *("ETCD_ENDPOINTS", "MINIO_ADDRESS", "MINIO_ACCESS_KEY_ID", "MINIO_SECRET_ACCESS_KEY", "MQ_TYPE"),
        *("COMMON_SECURITY_AUTHORIZATIONENABLED", "COMMON_SECURITY_DEFAULTROOTPASSWORD"),
    },
    "etcd": {
        *("ETCD_AUTO_COMPACTION_MODE", "ETCD_AUTO_COMPACTION_RETENTION"),
        *("ETCD_QUOTA_BACKEND_BYTES", "ETCD_SNAPSHOT_COUNT"),
    },
    "minio": {"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_BROWSER"},
}
SECRET = re.compile(r"PASSWORD|TOKEN|API_KEY|KEYS$|SECRET|_KEY$|ROOT_USER|ACCESS_KEY|ENCRYPTION")

Object = dict[str, Any]
Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


class MissingVariableError(Exception):
    """A variable that compose.yaml requires has no value."""


def interpolated(value: Json, variables: dict[str, str]) -> Json:
    """The value as Compose would put it together, of the three forms that compose.yaml uses.

    `${NAME}` must have a value, `${NAME:-default}` stands for the default and `${NAME:?message}` is an error where the
    variable is unset or blank, as in https://github.com/compose-spec/compose-spec/blob/main/12-interpolation.md.
    """
    if isinstance(value, dict):
        return {key: interpolated(part, variables) for key, part in value.items()}
    if isinstance(value, list):
        return [interpolated(part, variables) for part in value]
    if not isinstance(value, str):
        return value

    def replace(match: re.Match[str]) -> str:
        name, operator, rest = match["name"], match["operator"], match["rest"]
        if variables.get(name):
            return variables[name]
        if operator == ":-":
            return str(rest)
        raise MissingVariableError(f"{name}: {rest}")

    replaced = re.sub(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)((?P<operator>:[-?])(?P<rest>[^${}]*))?\}", replace, value)
    assert "$" not in replaced, f"a form that this test does not know: {value}"
    return replaced


WRITTEN: Object = yaml.safe_load((ROOT / "compose.yaml").read_text())


def services_with(variables: dict[str, str]) -> dict[str, Object]:
    found = interpolated(WRITTEN["services"], variables)
    assert isinstance(found, dict)
    return {name: service for name, service in found.items() if isinstance(service, dict)}


def variables_of(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


DEVELOPMENT = variables_of(ROOT / "deploy/dev.env")


@pytest.fixture
def services() -> dict[str, Object]:
    """The services with deploy/dev.env."""
    return services_with(DEVELOPMENT)


def test_compose_takes_it() -> None:
    run_module("check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(ROOT / "compose.yaml"))


def run_module(*arguments: str) -> None:
    result = subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_what_is_named_exists(services: dict[str, Object]) -> None:
    for name, service in services.items():
        assert set(service["networks"]) <= WRITTEN["networks"].keys(), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith("./")} <= WRITTEN["volumes"].keys(), name
        assert service.get("depends_on", {}).keys() <= services.keys(), name


def test_the_services_are_those_that_are_judged_here(services: dict[str, Object]) -> None:
    assert services.keys() == KNOWN_SETTINGS.keys()


@pytest.mark.parametrize("name", REQUIRED)
@pytest.mark.parametrize("blank", [True, False])
def test_a_credential_has_no_default(name: str, blank: bool) -> None:
    variables = DEVELOPMENT | {name: ""}
    if not blank:
        del variables[name]
    with pytest.raises(MissingVariableError, match=f"^{name}: set it in .env$"):
        services_with(variables)


def test_only_credentials_are_required() -> None:
    services = services_with(dict.fromkeys(REQUIRED, "given"))
    for name in ("gateway", "python-ai-service"):
        assert services[name]["environment"]["ENVIRONMENT"] == "production"


@pytest.mark.parametrize(
    "variables",
    [DEVELOPMENT, {**dict.fromkeys(REQUIRED, "given"), "ANTHROPIC_API_KEY": "given", "EMBEDDING_PROVIDER": "embedded"}],
)
def test_the_service_can_use_its_settings(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(services_with(variables)["python-ai-service"]["environment"], monkeypatch)
    assert settings.service_host == "0.0.0.0"  # noqa: S104 - in a container
    assert settings.knowledge_uri == "http://milvus:19530"
    assert settings.openai_api_key is None


def settings_from(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The service's settings where its environment has these variables and no others of its names."""
    monkeypatch.chdir("/")
    for name in SERVICE_SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return load_settings()


def test_what_may_be_set_is_in_the_example() -> None:
    used = set(re.findall(r"\$\{([A-Z0-9_]+)", (ROOT / "compose.yaml").read_text()))
    assert used <= set(docs.names(EXAMPLE))


def test_development_is_asked_for(services: dict[str, Object]) -> None:
    for name in ("gateway", "python-ai-service"):
        assert services[name]["environment"]["ENVIRONMENT"] == "development"


def test_the_two_share_what_they_must(services: dict[str, Object]) -> None:
    gateway, service = (services[name]["environment"] for name in ("gateway", "python-ai-service"))
    assert gateway["PYTHON_AI_TOKEN"] == service["PYTHON_AI_TOKEN"] == DEVELOPMENT["PYTHON_AI_TOKEN"]
    assert gateway["PYTHON_AI_SERVICE_URL"] == f"http://python-ai-service:{service['GRPC_PORT']}"


def test_the_stores_are_where_the_service_looks(services: dict[str, Object]) -> None:
    service, milvus = services["python-ai-service"]["environment"], services["milvus"]["environment"]
    assert {service["MILVUS_HOST"], service["REDIS_HOST"]} <= services.keys()
    assert {milvus["ETCD_ENDPOINTS"].split(":")[0], milvus["MINIO_ADDRESS"].split(":")[0]} <= services.keys()
    minio = services["minio"]["environment"]
    assert milvus["MINIO_ACCESS_KEY_ID"] == minio["MINIO_ROOT_USER"]
    assert milvus["MINIO_SECRET_ACCESS_KEY"] == minio["MINIO_ROOT_PASSWORD"]


def test_the_stores_ask_for_the_passwords_that_the_service_has() -> None:
    variables = {**dict.fromkeys(REQUIRED, "given"), "REDIS_PASSWORD": "of-redis", "MILVUS_PASSWORD": "of-milvus"}
    services = services_with(variables)
    redis, milvus = services["redis"], services["milvus"]["environment"]
    assert redis["command"][:3] == ["redis-server", "--requirepass", "of-redis"]
    # Else the health check would not be let in.
    assert redis["environment"]["REDISCLI_AUTH"] == "of-redis"
    assert milvus["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
    for name in ("python-ai-service", JOB):
        service = services[name]["environment"]
        assert service["REDIS_PASSWORD"] == "of-redis"
        assert service["MILVUS_USER"] == "root"
        assert service["MILVUS_PASSWORD"] == milvus["COMMON_SECURITY_DEFAULTROOTPASSWORD"] == "of-milvus"


def test_every_service_has_limits(services: dict[str, Object]) -> None:
    for name, service in services.items():
        # More than there are would keep it from starting.
        assert 0 < float(service["cpus"]) <= 2, name
        assert re.fullmatch(r"\d+[mg]", service["mem_limit"]), name
        assert 0 < service["pids_limit"] <= 4096, name
        assert int(service["logging"]["options"]["max-file"]) * 10 <= 30, name
    # One process uses one core.
    assert services["python-ai-service"]["cpus"] == 1
    # Redis has its own limit, below which there must be room for the process.
    assert services["redis"]["command"][4] == "256mb"
    assert services["redis"]["mem_limit"] == "512m"


def test_the_index_job_runs_only_when_asked_and_as_the_service_would(
    services: dict[str, Object], monkeypatch: pytest.MonkeyPatch
) -> None:
    job, service = services[JOB], services["python-ai-service"]
    assert job["profiles"] == [JOB]
    assert job["restart"] == "no"
    assert not any("profiles" in other for name, other in services.items() if name != JOB)
    assert job["entrypoint"] == ["python", "-m", "qingyu_ai", "index"]
    assert job["volumes"] == ["./documents:/documents:ro"]
    assert job["build"] == service["build"]
    own = settings_from(job["environment"], monkeypatch)
    others = settings_from(service["environment"], monkeypatch)
    same = ("knowledge_uri", "knowledge_token", "milvus_collection_name", "embedding_provider", "embedding_model_name")
    assert [getattr(own, name) for name in same] == [getattr(others, name) for name in same]


def test_compose_lets_what_is_under_way_end(services: dict[str, Object]) -> None:
    service = services["python-ai-service"]
    assert seconds(service["stop_grace_period"]) > int(service["environment"]["DRAIN_SECONDS"])


def seconds(text: str) -> int:
    assert text.endswith("s")
    return int(text.removesuffix("s"))


def test_who_talks_to_whom_shares_a_network(services: dict[str, Object]) -> None:
    for name, service in services.items():
        for other in service.get("depends_on", {}):
            assert set(service["networks"]) & set(services[other]["networks"]), f"{name} -> {other}"
    assert not set(services["gateway"]["networks"]) & set(services["milvus"]["networks"])


def test_every_service_has_a_health_check_and_waits_for_healthy_ones(services: dict[str, Object]) -> None:
    for name, service in services.items():
        if name != JOB:
            check = service["healthcheck"]
            assert check["test"][0] in {"CMD", "CMD-SHELL"}, name
            assert not check.get("disable"), name
        for other, condition in service.get("depends_on", {}).items():
            assert condition["condition"] == "service_healthy", f"{name} -> {other}"
            assert "healthcheck" in services[other], f"{name} -> {other}"


@pytest.mark.parametrize("name", KNOWN_SETTINGS)
def test_every_setting_is_known(services: dict[str, Object], name: str) -> None:
    assert services[name].get("environment", {}).keys() <= KNOWN_SETTINGS[name]


def test_no_secret_is_written_down() -> None:
    """A secret is nothing but a name, required or blank by default."""
    seen = 0
    for service in WRITTEN["services"].values():
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
    assert published["gateway"] == ["127.0.0.1:8787:8787"]
    assert not [name for name, service in services.items() if service.get("network_mode") or service.get("privileged")]


def test_images_are_pinned_or_built_here(services: dict[str, Object]) -> None:
    for name, service in services.items():
        if "build" in service:
            build = {"context": service["build"]} if isinstance(service["build"], str) else service["build"]
            assert (ROOT / build["context"] / build.get("dockerfile", "Dockerfile")).is_file(), name
        else:
            # Their digests are nowhere to be read without a registry.
            digest = "" if name in {"milvus", "etcd"} else DIGEST
            assert re.search(rf":(v?\d+\.\d+\.\d+|RELEASE\.\d{{4}}-)[\w.-]*{digest}$", service["image"]), name


def test_every_service_comes_back_and_gains_no_privileges(services: dict[str, Object]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("no" if name == JOB else "unless-stopped"), name
        assert "no-new-privileges:true" in service["security_opt"], name
    for name in ("gateway", "python-ai-service", JOB, "redis", "etcd"):
        assert services[name]["read_only"], name
        assert services[name]["cap_drop"] == ["ALL"], name


def test_data_is_kept_in_named_volumes(services: dict[str, Object]) -> None:
    for name in ("redis", "milvus", "etcd", "minio"):
        [volume] = services[name]["volumes"]
        assert volume.split(":")[0] in WRITTEN["volumes"], name


@pytest.mark.parametrize("dockerfile", ["python_ai_service/Dockerfile", "deploy/gateway/Dockerfile"])
def test_a_container_is_not_root_and_takes_only_what_it_names(dockerfile: str) -> None:
    steps = re.findall(r"^([A-Z]+) (.+)", (ROOT / dockerfile).read_text().replace("\\\n", " "), re.MULTILINE)
    users = [value for step, value in steps if step == "USER"]
    assert users
    assert users[-1].split(":")[0] not in {"root", "0"}
    assert re.search(rf":\d+\.\d+\.\d+-slim{DIGEST}$", dict(steps)["FROM"])
    # What is copied exists in the build's context, and its list of what to leave out does not leave it out.
    at_root = dockerfile.startswith("deploy")
    context = ROOT if at_root else ROOT / "python_ai_service"
    ignored = ROOT / f"{dockerfile}.dockerignore" if at_root else context / ".dockerignore"
    rules = [line for line in ignored.read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    for source in (source for step, value in steps if step == "COPY" for source in value.split()[:-1]):
        assert f"!{source}" in rules, source
        assert (context / source).exists(), source


KUBERNETES = {
    part["kind"]: part
    for file in sorted((ROOT / "deploy/kubernetes").glob("*.yaml"))
    for part in yaml.safe_load_all(file.read_text())
}


def test_kubernetes_takes_it() -> None:
    files = sorted(str(file) for file in (ROOT / "deploy/kubernetes").glob("*.yaml"))
    run_module("kubernetes_validate", "--kubernetes-version", "1.34", "--strict", *files)


@pytest.fixture
def pod() -> Object:
    found: Object = KUBERNETES["Deployment"]["spec"]["template"]
    return found


@pytest.fixture
def container(pod: Object) -> Object:
    [found] = pod["spec"]["containers"]
    assert isinstance(found, dict)
    return found


@pytest.fixture
def job() -> Object:
    found: Object = KUBERNETES["Job"]["spec"]["template"]
    return found


def test_the_kinds() -> None:
    assert KUBERNETES.keys() == {
        *("ConfigMap", "Deployment", "HorizontalPodAutoscaler", "Job", "NetworkPolicy"),
        *("PodDisruptionBudget", "Secret", "Service"),
    }
    names = {kind: part["metadata"]["name"] for kind, part in KUBERNETES.items()}
    assert names.pop("Job") == "python-ai-index"
    assert set(names.values()) == {"python-ai-service"}


def test_selectors_match_the_pods_labels(pod: Object, job: Object) -> None:
    labels, of_job = pod["metadata"]["labels"].items(), job["metadata"]["labels"].items()
    for kind in ("Deployment", "PodDisruptionBudget"):
        assert KUBERNETES[kind]["spec"]["selector"]["matchLabels"].items() <= labels
        assert not KUBERNETES[kind]["spec"]["selector"]["matchLabels"].items() <= of_job
    assert KUBERNETES["Service"]["spec"]["selector"].items() <= labels
    # No call may be sent to the job.
    assert not KUBERNETES["Service"]["spec"]["selector"].items() <= of_job
    policy = KUBERNETES["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"].items()
    assert policy <= labels
    assert policy <= of_job
    for spread in pod["spec"]["topologySpreadConstraints"]:
        assert spread["labelSelector"]["matchLabels"].items() <= labels


def test_there_are_always_two_replicas_and_one_of_them_may_go() -> None:
    scaler = KUBERNETES["HorizontalPodAutoscaler"]["spec"]
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    target = scaler["scaleTargetRef"]
    assert (target["kind"], target["name"]) == ("Deployment", KUBERNETES["Deployment"]["metadata"]["name"])
    # Each apply would undo what the autoscaler did.
    assert "replicas" not in KUBERNETES["Deployment"]["spec"]
    assert KUBERNETES["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    assert KUBERNETES["Deployment"]["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def test_replicas_share_a_milvus_server(monkeypatch: pytest.MonkeyPatch) -> None:
    filled = dict.fromkeys(KUBERNETES["Secret"]["stringData"], "given")
    settings = settings_from(KUBERNETES["ConfigMap"]["data"] | filled, monkeypatch)
    assert not settings.knowledge_is_a_file
    assert settings.knowledge_token == "root:given"
    # Nothing of a pod is kept.
    assert all("emptyDir" in volume for volume in KUBERNETES["Deployment"]["spec"]["template"]["spec"]["volumes"])


def test_the_policy_lets_through_what_the_settings_name() -> None:
    policy, settings = KUBERNETES["NetworkPolicy"]["spec"], KUBERNETES["ConfigMap"]["data"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    called = {port["port"] for rule in policy["ingress"] for port in rule["ports"]}
    assert called == {int(settings[name]) for name in ("GRPC_PORT", "PLAIN_GRPC_PORT", "SERVICE_PORT")}
    # Every rule names who. The HTTP side is for Prometheus and for those who administer knowledge, not for callers.
    assert all(rule.get("from") for rule in policy["ingress"])
    let_in = [who for rule in policy["ingress"] for who in rule["from"] if {"port": 8000} in rule["ports"]]
    assert let_in == [
        {"podSelector": {"matchLabels": {"qingyu.ai/indexes": "python-ai-service"}}},
        {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}},
    ]
    calls = {port["port"] for rule in policy["egress"] for port in rule["ports"]}
    assert calls == {53, 443, 4318, int(settings["MILVUS_PORT"]), int(settings["REDIS_PORT"])}
    assert all(rule.get("to") for rule in policy["egress"])
    # The address at which clouds hand out credentials.
    [anywhere] = [to["ipBlock"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    assert "169.254.0.0/16" in anywhere["except"]


def test_the_job_is_the_service_with_another_command(pod: Object, job: Object) -> None:
    [service], [index] = pod["spec"]["containers"], job["spec"]["containers"]
    for name in ("image", "envFrom", "securityContext"):
        assert index[name] == service[name]
    for name in ("securityContext", "automountServiceAccountToken", "enableServiceLinks"):
        assert job["spec"][name] == pod["spec"][name]
    assert index["command"][:4] == ["python", "-m", "qingyu_ai", "index"]
    assert "--tenant" in index["command"]
    [documents] = [mount for mount in index["volumeMounts"] if mount["mountPath"] == index["command"][-1]]
    assert documents["readOnly"]
    assert job["spec"]["restartPolicy"] == "Never"
    assert KUBERNETES["Job"]["spec"]["activeDeadlineSeconds"] > 0


def test_ports_match(container: Object) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    settings = KUBERNETES["ConfigMap"]["data"]
    names = {"http": "SERVICE_PORT", "rpc": "GRPC_PORT", "grpc": "PLAIN_GRPC_PORT"}
    assert ports == {port: int(settings[name]) for port, name in names.items()}
    assert {port["targetPort"]: port["port"] for port in KUBERNETES["Service"]["spec"]["ports"]} == ports


def test_probes_ask_the_http_side(container: Object) -> None:
    asked = {name: container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    live, ready = "/api/v1/health/live", "/api/v1/health/ready"
    assert [probe["path"] for probe in asked.values()] == [live, live, ready]
    assert {probe["port"] for probe in asked.values()} == {"http"}


def test_the_pod_may_finish_what_it_began(pod: Object, container: Object) -> None:
    before_sigterm_s = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    drain_s = int(KUBERNETES["ConfigMap"]["data"]["DRAIN_SECONDS"])
    # A pod that is going must be forgotten by then: it is not ready at two probes, and proxies hear of it.
    assert before_sigterm_s >= 5
    assert pod["spec"]["terminationGracePeriodSeconds"] > before_sigterm_s + drain_s
    # The gateway's own limit of a request.
    assert drain_s >= 120


def test_prometheus_finds_what_the_settings_open(pod: Object) -> None:
    settings = KUBERNETES["ConfigMap"]["data"]
    assert settings["METRICS"] == "true"
    assert pod["metadata"]["annotations"] == {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": settings["SERVICE_PORT"],
        "prometheus.io/path": "/metrics",
    }


def test_the_limits_fit(container: Object) -> None:
    requests, limits = container["resources"]["requests"], container["resources"]["limits"]
    assert requests.keys() == {"cpu", "memory", "ephemeral-storage"}
    # One process uses one core; a limit would only make it wait.
    assert int(requests["cpu"].removesuffix("m")) <= 1000
    assert "cpu" not in limits
    assert (requests["memory"], limits["memory"]) == ("384Mi", "1Gi")


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
    assert container["envFrom"] == [
        {"configMapRef": {"name": KUBERNETES["ConfigMap"]["metadata"]["name"]}},
        {"secretRef": {"name": KUBERNETES["Secret"]["metadata"]["name"]}},
    ]


def test_the_pod_does_not_start_until_its_secret_is_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, secret = KUBERNETES["ConfigMap"]["data"], KUBERNETES["Secret"]["stringData"]
    with pytest.raises(SettingsError, match=r"PYTHON_AI_TOKEN.*OPENAI_API_KEY"):
        settings_from(plain | secret, monkeypatch)
    filled = {"PYTHON_AI_TOKEN": "given", "OPENAI_API_KEY": "given", "MILVUS_PASSWORD": "given"}
    assert settings_from(plain | secret | filled, monkeypatch).redis_port == 6379
