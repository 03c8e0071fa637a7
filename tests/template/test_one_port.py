"""The deployment with one port for every protocol."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from kustomize import Renderer, find, renderers


@pytest.mark.parametrize("render", renderers())
@pytest.mark.parametrize("overlay", ["production", "development"])
def test_kubernetes_has_it_as_a_component(
    render: Renderer, overlay: str, generated: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(generated / "deploy" / "kubernetes", folder)
    kustomization = folder / "overlays" / overlay / "kustomization.yaml"
    text = kustomization.read_text(encoding="utf-8")
    line = "- ../../components/one-port"
    if overlay == "production":
        text = text.replace(f"# {line}", line)
    else:
        text += f"components:\n  {line}\n"
    kustomization.write_text(text, encoding="utf-8")
    objects = render(kustomization.parent)
    (data,) = (one["data"] for one in objects if one["kind"] == "ConfigMap")
    assert data["GREETER_SERVICE_HTTP2"] == "true"
    assert data["GREETER_SERVICE_GRPC_SERVER"] == "none"
    ports = find(objects, "Service", "greeter-service-grpc")["spec"]["ports"]
    assert {"name": "one-port", "port": 8000, "targetPort": "http"} in ports
    assert len({port["name"] for port in ports}) == len(ports)
