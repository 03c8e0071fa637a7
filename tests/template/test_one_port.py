"""The deployment with one port for every protocol."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kustomize import Renderer, find, renderers

RENDERERS = renderers()


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("overlay", ["production", "development"])
def test_kubernetes_has_it_as_a_component(
    renderer: str, overlay: str, generated: Path, tmp_path: Path
) -> None:
    render: Renderer = RENDERERS[renderer]
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


@pytest.mark.skipif(os.name == "nt", reason="the image is built by a POSIX shell")
@pytest.mark.parametrize("extras", ["", "http2", "http2 validate"])
def test_the_image_has_the_extras_that_its_build_is_given(extras: str, generated: Path) -> None:
    dockerfile = (generated / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
    command = dockerfile.partition("&& EXTRAS=")[2].partition(" > /build/requirements.txt")[0]
    done = subprocess.run(
        ["sh", "-c", f"EXTRAS={command}".replace("python -c", f"{sys.executable} -c")],
        cwd=generated,
        env={**os.environ, "EXTRAS": extras},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    listed: Any = done.stdout.split("\n")
    assert any(line.startswith("grpcio==") for line in listed)
    assert any(line.startswith("zttp==") for line in listed) is ("http2" in extras)
    assert any("protovalidate" in line for line in listed) is ("validate" in extras)
