"""Kubernetes manifests: valid by the published schemas, and in agreement with the code."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]  # it carries none
import pytest
import yaml
from baking import LIBRARY, bake, files
from container import environment, seconds_to_stop, settings, stages
from kustomize import Object, Renderer, find, kustomizes, references, renderers
from kustomize import render as stand_in

OVERLAYS = ["development", "production"]
CUSTOM_KINDS = {"Certificate", "ServiceMonitor"}  # Operators bring them, with their schemas.
VERSIONS = ["1.29", "1.33", "1.37"]  # of Kubernetes
LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
NAMES = {
    "longest": "a-b" + 56 * "c" + "d",
    "cut at a hyphen": 57 * "a" + "-bc",
    "a boolean of YAML 1.1": "on",
}

CONTAINER_FILES = {
    *("Dockerfile", ".dockerignore", "compose.yaml", "compose.tls.yaml", "prometheus.yaml"),
}
FOLDERS = {
    *("base", "components/tls", "components/service-monitor"),
    *("components/migrations", "components/one-port"),
    *("overlays/development", "overlays/production"),
}


@pytest.fixture(params=renderers())
def render(request: pytest.FixtureRequest) -> Renderer:
    """The stand-in, and each kustomize that is here."""
    renderer: Renderer = request.param
    return renderer


@pytest.fixture(params=OVERLAYS)
def overlay(request: pytest.FixtureRequest, generated: Path) -> Path:
    return manifests(generated) / "overlays" / str(request.param)


def manifests(project: Path) -> Path:
    return project / "deploy" / "kubernetes"


def pod(objects: list[Object]) -> Any:
    (deployment,) = (one for one in objects if one["kind"] == "Deployment")
    return deployment["spec"]["template"]


def container_ports(objects: list[Object]) -> dict[str, int]:
    (container,) = pod(objects)["spec"]["containers"]
    return {port["name"]: port["containerPort"] for port in container["ports"]}


def config(objects: list[Object]) -> Any:
    (one,) = (one for one in objects if one["kind"] == "ConfigMap")
    return one


def service_settings(project: Path, objects: list[Object], folder: Path) -> Any:
    """What the service in a pod makes of the image's variables and the ConfigMap's."""
    image = environment(stages(project)[-1])
    del image["PATH"]
    mounted = dict(config(objects)["data"])
    for name, value in mounted.items():
        if value.startswith("/certs/"):
            (folder / Path(value).name).touch()
            mounted[name] = str(folder / Path(value).name)
    return settings(project, {**image, **mounted})


@pytest.mark.parametrize("choice", ["none", "compose", "kubernetes"])
def test_each_deployment_leaves_its_own_files_and_no_others(
    choice: str, template: Path, tmp_path: Path
) -> None:
    names = files(bake(template, tmp_path, {"deployment": choice}, hooks=False)).keys()
    others = files(bake(template, tmp_path / "none", {"deployment": "none"}, hooks=False)).keys()
    added = set(names - others)
    below = {name for name in added if name.startswith("deploy/kubernetes/")}
    assert others <= names
    assert added - below == (set() if choice == "none" else CONTAINER_FILES)
    folders = {Path(name).relative_to("deploy/kubernetes").parent.as_posix() for name in below}
    assert folders == (FOLDERS if choice == "kubernetes" else set())


def test_the_readme_has_no_trace_of_deployments_that_were_not_chosen(
    template: Path, tmp_path: Path
) -> None:
    readme = (bake(template, tmp_path, {"deployment": "none"}) / "README.md").read_text()
    assert not re.search(r"deploy|docker|compose|kube|container|pods?\b", readme, re.IGNORECASE)


def test_every_manifest_is_used(generated: Path) -> None:
    for kustomization in manifests(generated).rglob("kustomization.yaml"):
        content = yaml.safe_load(kustomization.read_text())
        resources, patches = content.get("resources", []), content.get("patches", [])
        named = {*resources, *(one["path"] for one in patches)}
        here = {path.name for path in kustomization.parent.glob("*.yaml")} - {kustomization.name}
        assert {name for name in named if name.endswith(".yaml")} == here


@pytest.mark.parametrize("kustomize", kustomizes())
def test_kustomize_and_its_stand_in_agree(overlay: Path, kustomize: Renderer) -> None:
    def in_order(objects: list[Object]) -> list[Object]:
        return sorted(objects, key=lambda one: (one["kind"], one["metadata"]["name"]))

    assert in_order(kustomize(overlay)) == in_order(stand_in(overlay))


@pytest.mark.parametrize("version", VERSIONS)
def test_manifests_are_valid_by_the_schemas_of_kubernetes(
    version: str, overlay: Path, render: Renderer
) -> None:
    for one in render(overlay):
        if one["kind"] not in CUSTOM_KINDS:
            kubernetes_validate.validate(one, version, strict=True)


def test_only_production_needs_an_operator(generated: Path, render: Renderer) -> None:
    for name, custom in {"development": set[str](), "production": {"Certificate"}}.items():
        kinds = {one["kind"] for one in render(manifests(generated) / "overlays" / name)}
        assert kinds & CUSTOM_KINDS == custom


def test_ports_are_the_ones_that_the_service_listens_on(
    overlay: Path, generated: Path, render: Renderer, tmp_path: Path
) -> None:
    objects = render(overlay)
    service = service_settings(generated, objects, tmp_path)
    ports = container_ports(objects)
    assert ports == {
        "http": service.http_port,
        "grpc": service.grpc_port,
        "admin": service.admin_port,
    }
    for kind in ("Service", "NetworkPolicy"):
        for port in references([one for one in objects if one["kind"] == kind], "ports"):
            assert port.get("targetPort", port["port"]) in ports
            assert kind != "Service" or port["port"] == ports[port["targetPort"]]


def test_the_service_accepts_its_settings_and_listens_to_all(
    overlay: Path, generated: Path, render: Renderer, tmp_path: Path
) -> None:
    service = service_settings(generated, render(overlay), tmp_path)
    assert (service.http_host, service.grpc_host) == ("0.0.0.0", "0.0.0.0")
    assert (service.tls_cert_file is not None) == (overlay.name == "production")


def test_probes_use_the_admin_port_and_paths_that_it_serves(
    overlay: Path, render: Renderer
) -> None:
    (container,) = pod(render(overlay))["spec"]["containers"]
    served = set(
        re.findall(r'Gateway\("(/\w+)"', (LIBRARY / "framework/application.py").read_text())
    )
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness")}
    for probe in probes.values():
        assert probe == {"path": "/healthz", "port": "admin"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
    assert {"/healthz", "/readyz", "/metrics"} <= served


def test_a_pod_is_not_killed_before_the_service_has_stopped(
    overlay: Path, generated: Path, render: Renderer, tmp_path: Path
) -> None:
    objects = render(overlay)
    service = service_settings(generated, objects, tmp_path)
    allowed = pod(objects)["spec"]["terminationGracePeriodSeconds"]
    assert allowed >= seconds_to_stop(generated, service) + 5


def test_everything_selects_the_pods(overlay: Path, render: Renderer) -> None:
    objects = render(overlay)
    labels = pod(objects)["metadata"]["labels"]
    keys = ("matchLabels", "selector", "podSelector")
    found = [one for key in keys for one in references(objects, key)]
    selectors = [
        one for one in found if not one.keys() & {"matchLabels", "kubernetes.io/metadata.name"}
    ]
    assert [one for one in selectors if one] == [labels] * len([one for one in selectors if one])
    scaled = find(objects, "HorizontalPodAutoscaler", "greeter-service")["spec"]["scaleTargetRef"]
    assert find(objects, scaled["kind"], scaled["name"])["apiVersion"] == scaled["apiVersion"]
    # A number of replicas here would undo the autoscaler's at every `apply`.
    assert "replicas" not in find(objects, "Deployment", "greeter-service")["spec"]


def test_pods_get_no_rights_that_the_service_does_not_need(
    overlay: Path, generated: Path, render: Renderer
) -> None:
    objects = render(overlay)
    spec = pod(objects)["spec"]
    (container,) = spec["containers"]
    (user,) = (arguments for name, arguments in stages(generated)[-1] if name == "USER")
    assert f"{spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}" == user
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    # A Service named greeter-service-http would otherwise set GREETER_SERVICE_HTTP_PORT.
    assert spec["enableServiceLinks"] is False
    assert {mount["mountPath"] for mount in container["volumeMounts"]} - {"/certs"} == {"/tmp"}
    assert container["resources"]["limits"].keys() == {"memory"}


def test_every_name_that_an_object_refers_to_exists(overlay: Path, render: Renderer) -> None:
    objects = render(overlay)
    spec = pod(objects)["spec"]
    (container,) = spec["containers"]
    sources = container["envFrom"]
    assert sources[0] == {"configMapRef": {"name": config(objects)["metadata"]["name"]}}
    assert sources[1] == {"secretRef": {"name": "greeter-service"}}
    find(objects, "ServiceAccount", spec["serviceAccountName"])
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert volumes.keys() == {mount["name"] for mount in container["volumeMounts"]}


def test_no_pod_of_production_starts_without_tokens(generated: Path, render: Renderer) -> None:
    objects = render(manifests(generated) / "overlays" / "production")
    (container,) = pod(objects)["spec"]["containers"]
    tokens = "GREETER_SERVICE_AUTH_TOKENS"
    needed = {"secretKeyRef": {"name": "greeter-service", "key": tokens}}
    assert {"name": tokens, "valueFrom": needed} in container["env"]
    assert not list(references(objects, "optional"))
    assert not [one for one in objects if one["kind"] == "Secret"]


def test_a_pod_of_development_needs_no_secret_of_somebodys_making(
    generated: Path, render: Renderer
) -> None:
    objects = render(manifests(generated) / "overlays" / "development")
    assert "data" not in find(objects, "Secret", "greeter-service")


def test_production_serves_with_the_certificate_that_it_asks_for(
    generated: Path, render: Renderer
) -> None:
    objects = render(manifests(generated) / "overlays" / "production")
    spec = pod(objects)["spec"]
    (secret,) = (volume for volume in spec["volumes"] if "secret" in volume)
    mounts = {mount["name"]: mount for mount in spec["containers"][0]["volumeMounts"]}
    folder = mounts[secret["name"]]["mountPath"]
    files = {value for name, value in config(objects)["data"].items() if "_TLS_" in name}
    assert files == {f"{folder}/tls.crt", f"{folder}/tls.key"}
    # Its owner is root; the group of the pod may read it, nobody else.
    assert (secret["secret"]["defaultMode"], spec["securityContext"]["fsGroup"]) == (0o440, 10001)
    certificate = find(objects, "Certificate", "greeter-service")["spec"]
    assert certificate["secretName"] == secret["secret"]["secretName"]
    names = {one["metadata"]["name"] for one in objects if one["kind"] == "Service"}
    namespace = config(objects)["metadata"]["namespace"]
    both = names | {f"{name}.{namespace}" for name in names}
    assert both <= set(certificate["dnsNames"])


def test_grpc_has_a_name_with_the_addresses_of_all_pods(overlay: Path, render: Renderer) -> None:
    services = {
        one["metadata"]["name"]: one["spec"] for one in render(overlay) if one["kind"] == "Service"
    }
    headless = {name for name, spec in services.items() if spec.get("clusterIP") == "None"}
    with_grpc = {
        name
        for name, spec in services.items()
        if "grpc" in {port["targetPort"] for port in spec["ports"]}
    }
    assert with_grpc == headless == {"greeter-service-grpc"}


def test_every_pod_is_scraped_once(generated: Path, render: Renderer, tmp_path: Path) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(manifests(generated), folder)
    kustomization = folder / "overlays" / "production" / "kustomization.yaml"
    text = kustomization.read_text()
    kustomization.write_text(text.replace("# - ../../components", "- ../../components"))
    objects = render(kustomization.parent)
    (endpoint,) = find(objects, "ServiceMonitor", "greeter-service")["spec"]["endpoints"]
    services = [one for one in objects if one["kind"] == "Service"]
    with_port = [
        one
        for one in services
        if endpoint["port"] in {port["name"] for port in one["spec"]["ports"]}
    ]
    assert len(with_port) == 1
    assert endpoint["path"] == "/metrics"


@pytest.mark.parametrize("version", VERSIONS)
def test_migrations_run_before_the_service_with_its_image_and_settings(
    version: str, generated: Path, render: Renderer, tmp_path: Path
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(manifests(generated), folder)
    kustomization = folder / "overlays" / "production" / "kustomization.yaml"
    assert "initContainers" not in pod(render(kustomization.parent))["spec"]
    text = kustomization.read_text()
    line = "- ../../components/migrations"
    assert f"# {line}" in text
    kustomization.write_text(text.replace(f"# {line}", line))
    objects = render(kustomization.parent)
    deployment = find(objects, "Deployment", "greeter-service")
    kubernetes_validate.validate(deployment, version, strict=True)
    spec = pod(objects)["spec"]
    (migrations,), (service,) = spec["initContainers"], spec["containers"]
    for key in ("image", "envFrom", "securityContext"):
        assert migrations[key] == service[key]


@pytest.mark.parametrize("slug", NAMES.values(), ids=NAMES)
def test_names_are_valid_whatever_the_project_is_called(
    slug: str, template: Path, tmp_path: Path, render: Renderer
) -> None:
    answers = {"project_slug": slug, "package_name": "some_package"}
    project = bake(template, tmp_path, answers)
    for name in OVERLAYS:
        objects = render(manifests(project) / "overlays" / name)
        for one in objects:
            if one["kind"] not in CUSTOM_KINDS:
                kubernetes_validate.validate(one, VERSIONS[-1], strict=True)
            # Only of some kinds must they be DNS labels; those of all others may be longer.
            longest = 63 if one["kind"] in {"Service", "Namespace", "Deployment"} else 253
            assert len(one["metadata"]["name"]) <= longest
            for label in one["metadata"]["name"].split("."):
                assert longest > 63 or re.fullmatch(LABEL, label)
            for value in one["metadata"].get("labels", {}).values():
                assert re.fullmatch(LABEL, value)
        for names in (one["spec"] for one in objects if one["kind"] == "Certificate"):
            for name in names["dnsNames"]:
                assert len(name) <= 253
                assert all(re.fullmatch(LABEL, label) for label in name.split("."))
