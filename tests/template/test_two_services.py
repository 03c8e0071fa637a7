"""Two generated services in one process have nothing in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from baking import bake, with_the_library

PROGRAM = """
import asyncio, json, sys
from importlib import import_module
from urllib.request import Request, urlopen

async def main():
    told = {}
    running = []
    for package in sys.argv[1:]:
        testing = import_module(f"{package}.gateway").testing
        settings = testing.settings(import_module(f"{package}.settings").Settings)
        server = testing.Server(import_module(f"{package}.app").create_app(settings))
        await server.__aenter__()
        running.append((package, server))
    for package, server in running:
        name = package.removesuffix("_service")
        url = f"http://127.0.0.1:{server.http_port}"
        json_type = {"content-type": "application/json"}
        call = Request(f"{url}/grpc/{name}service/sayhello", b"{}", json_type)
        await asyncio.to_thread(lambda: urlopen(call).read())
    for package, server in running:
        url = f"http://127.0.0.1:{server.http_port}/metrics"
        text = await asyncio.to_thread(lambda: urlopen(url).read().decode())
        told[package] = [line for line in text.splitlines() if line.startswith("grpc_server_h")]
        await server.__aexit__(None, None, None)
    print(json.dumps(told))

asyncio.run(main())
"""


def test_each_tells_metrics_of_its_own(template: Path, tmp_path: Path) -> None:
    packages = ["greeter_service", "second_service"]
    sources = [project_with_stubs(template, tmp_path, package) for package in packages]
    told = subprocess.run(
        [sys.executable, "-c", PROGRAM, *packages],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, sources))},
        stdout=subprocess.PIPE,
        check=True,
        timeout=120,
    )
    metrics = json.loads(told.stdout)
    for package in packages:
        handled = [line for line in metrics[package] if "handled_total" in line]
        (line,) = handled
        assert f'grpc_service="{package}.v1.' in line
        assert 'grpc_code="OK"' in line
        assert 'protocol="http"' in line
        assert line.endswith(" 1.0")
        assert not any(other in str(metrics[package]) for other in packages if other != package)


def project_with_stubs(template: Path, output: Path, package: str) -> Path:
    """Bake a project, compile its proto, and give the folder to import it from."""
    name = package.replace("_", " ").title()
    project = bake(template, output, {"project_name": name})
    source = project / "src"
    build = [sys.executable, "-m", "polyrpc.build"]
    subprocess.run(build, cwd=project, env=with_the_library(project), check=True)
    # Its name and version, which an installation would have written.
    about = source / f"{package}-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project.name}\nVersion: 0.1.0\nSummary: Test.\n"
    )
    return source
