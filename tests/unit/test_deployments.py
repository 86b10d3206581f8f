"""What the files for clusters and containers name is what the product, Ray and each other have."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import ray
import yaml
from pydantic import SecretStr
from ray.autoscaler._private.util import prepare_config, validate_config
from ray.scripts.scripts import cli
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ServeDeploySchema

import serve_app
from actors.serving.front_program import TEMPLATES
from everruns.settings import Settings
from everruns.settings_loading import OTHER_VARIABLES, load_settings

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config"
DEPLOYMENTS = [
    CONFIG / "Dockerfile",
    CONFIG / "cluster.yaml",
    CONFIG / "compose.yaml",
    CONFIG / "everruns-head.service",
    CONFIG / "everruns-worker.service",
    CONFIG / "everruns.service",
    CONFIG / "kuberay.yaml",
    CONFIG / "serve.yaml",
    ROOT / "docs/cluster.md",
    ROOT / "docs/operations.md",
]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
# What `ray up` sets in the commands of a worker.
OF_RAY_UP = {"RAY_HEAD_IP"}


def each_deployment() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("file", DEPLOYMENTS, ids=lambda file: file.name)


def read(name: str) -> Any:
    return yaml.safe_load((CONFIG / name).read_text())


def kubernetes(kind: str) -> dict[str, Any]:
    documents = yaml.safe_load_all((CONFIG / "kuberay.yaml").read_text())
    (found,) = [document for document in documents if document["kind"] == kind]
    return found["spec"]


def pods() -> dict[str, dict[str, Any]]:
    """Return the pods by the kind of their node."""
    cluster = kubernetes("RayService")["rayClusterConfig"]
    (workers,) = cluster["workerGroupSpecs"]
    return {
        "head": cluster["headGroupSpec"]["template"]["spec"],
        "worker": workers["template"]["spec"],
    }


@each_deployment()
def test_every_variable_of_ours_is_a_setting(file: Path) -> None:
    named = {name.lower() for name in re.findall(r"\bEVERRUNS_([A-Z_]+)\b", file.read_text())}

    assert named - {*Settings.model_fields, *OTHER_VARIABLES} == set()


@pytest.fixture(scope="module")
def words_of_ray() -> bytes:
    """The installed Ray's code, in which it names the variables that it reads."""
    package = Path(ray.__file__).parent
    compiled = [package / "_raylet.so", package / "core/src/ray/gcs/gcs_server"]
    folders = ("_common", "_private", "serve/_private")
    sources = [path for folder in folders for path in (package / folder).rglob("*.py")]
    return b"".join(path.read_bytes() for path in [*compiled, *sources])


@each_deployment()
def test_every_variable_of_rays_is_read_by_it(file: Path, words_of_ray: bytes) -> None:
    named = set(re.findall(r"\bRAY_[A-Za-z_]+\b", file.read_text())) - OF_RAY_UP

    assert {name for name in named if name.encode() not in words_of_ray} == set()


@each_deployment()
@pytest.mark.parametrize("command", ["start", "drain-node"])
def test_every_option_of_rays_commands_exists(file: Path, command: str) -> None:
    known = {option for parameter in cli.commands[command].params for option in parameter.opts}
    text = re.sub(r"\n +(?=--)", " ", file.read_text())
    written = re.findall(rf"\bray {command}\b([^;`&\n]*)", text)

    assert {option for line in written for option in re.findall(r"--[a-z-]+", line)} <= known


@each_deployment()
def test_images_have_the_version_of_the_project(file: Path) -> None:
    assert set(re.findall(r"\beverruns:(\d[\w.]*)", file.read_text())) <= {VERSION}


def test_the_version_of_ray_is_the_locked_one() -> None:
    locked = re.search(r"(?m)^ray==(\S+)", (ROOT / "requirements/run.txt").read_text())

    assert locked is not None
    assert kubernetes("RayService")["rayClusterConfig"]["rayVersion"] == locked[1]


def test_kubernetes_serves_what_serve_yaml_says_but_to_others_and_on_each_worker() -> None:
    expected = read("serve.yaml")
    expected["http_options"]["host"] = "0.0.0.0"
    (application,) = expected["applications"]
    application["args"] |= {"host": "0.0.0.0", "auth": "api_keys", "replicas": 3}
    application["deployments"] = [
        {"name": "api", "max_replicas_per_node": 2, "ray_actor_options": {"num_cpus": 0.1}}
    ]

    assert yaml.safe_load(kubernetes("RayService")["serveConfigV2"]) == expected


@pytest.mark.parametrize("where", ["serve.yaml", "kuberay.yaml"])
def test_serve_takes_the_configuration_and_its_arguments_are_settings(where: str) -> None:
    config = read(where) if where == "serve.yaml" else None
    config = config or yaml.safe_load(kubernetes("RayService")["serveConfigV2"])

    (application,) = ServeDeploySchema.model_validate(config).applications

    load_settings(**application.args).check_exposure()


def test_ray_up_takes_the_configuration() -> None:
    validate_config(prepare_config(read("cluster.yaml")))


def test_ray_up_gives_the_head_what_starts_the_workers() -> None:
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in str(
        read("cluster.yaml")["head_start_ray_commands"]
    )


@pytest.mark.parametrize("node", ["head", "worker"])
def test_secrets_of_pods_come_from_a_secret(node: str) -> None:
    secret = [
        variable
        for variable in pods()[node]["containers"][0]["env"]
        if "value" in variable and is_secret(variable["name"])
    ]

    assert secret == []


def is_secret(variable: str) -> bool:
    field = Settings.model_fields.get(variable.removeprefix("EVERRUNS_").lower())
    return field is not None and SecretStr in getattr(field.annotation, "__args__", ())


@pytest.mark.parametrize("node", ["head", "worker"])
def test_kubernetes_adds_no_variables_that_are_refused(node: str) -> None:
    assert pods()[node]["enableServiceLinks"] is False


def test_the_front_answers_what_kubernetes_asks() -> None:
    front = (TEMPLATES / "front_application.cfg").read_text()
    refused = re.search(r"path,url_dec -i -m beg (\S+)", front)
    assert refused is not None

    probe = pods()["worker"]["containers"][0]["readinessProbe"]["httpGet"]

    assert not probe["path"].startswith(refused[1])
    assert kubernetes("RayService")["excludeHeadPodFromServeSvc"] is True


def test_no_second_cluster_is_started_on_the_same_database() -> None:
    assert kubernetes("RayService")["upgradeStrategy"] == {"type": "None"}


def test_the_service_and_clients_reach_the_port_that_serve_listens_on() -> None:
    port = read("serve.yaml")["http_options"]["port"]

    for pod in pods().values():
        assert {"name": "serve", "containerPort": port} in pod["containers"][0]["ports"]
    (open_to_all,) = [rule for rule in kubernetes("NetworkPolicy")["ingress"] if "from" not in rule]
    assert [entry["port"] for entry in open_to_all["ports"]] == [port]


def test_the_configured_deployment_is_the_one_that_the_application_has() -> None:
    config = yaml.safe_load(kubernetes("RayService")["serveConfigV2"])
    (application,) = config["applications"]

    deployment = serve_app.app({"data_dir": "/tmp"})._bound_deployment

    assert [entry["name"] for entry in application["deployments"]] == [deployment.name]


def test_ray_serve_refuses_to_serve_what_is_to_be_served_without_it() -> None:
    with pytest.raises(RayServeException, match="serving is direct, but this is Ray Serve"):
        serve_app.app({"data_dir": "/tmp", "serving": "direct"})


def test_a_worker_has_the_time_that_its_drain_takes() -> None:
    (command,) = pods()["worker"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][2:]
    seconds = re.fullmatch(r"timeout (\d+) .* --deadline-\S+ (\d+) && sleep (\d+)", command)
    assert seconds is not None
    asking, left, waiting = map(int, seconds.groups())

    assert left == waiting
    assert asking + waiting < pods()["worker"]["terminationGracePeriodSeconds"]


def test_a_drain_may_move_a_worker() -> None:
    (workers,) = kubernetes("RayService")["rayClusterConfig"]["workerGroupSpecs"]

    assert kubernetes("PodDisruptionBudget")["minAvailable"] < workers["minReplicas"]


def test_the_image_is_built_from_what_is_let_in() -> None:
    let_in = re.findall(r"(?m)^!(\S+)$", (ROOT / ".dockerignore").read_text())
    copied = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", (CONFIG / "Dockerfile").read_text())

    assert sorted(word for line in copied for word in line.split()) == sorted(let_in)
    assert all((ROOT / path).exists() for path in let_in)
