"""The library as a project has it: out of its way, as it came, or installed from a wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from baking import LIBRARY, SCRIPTS, bake, environment, files, is_build_product

UV = shutil.which("uv") or "uv"
# The border that a team need not cross.
MOST_LINES_IN_SOURCE = 200
MOST_LINES = 500
MOST_LINES_OF_A_FILE = 100


def run(folder: Path, *command: str | Path, status: int = 0, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={**environment(), "NO_COLOR": "1", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=900,
    )
    assert done.returncode == status, done.stdout
    return done.stdout


def lines_of_the_team(project: Path) -> dict[str, int]:
    """The lines of the Python files that are neither compiled nor the library's."""
    return {
        name: content.decode().count("\n")
        for name, content in files(project).items()
        if name.endswith(".py") and not is_build_product(name) and "/_vendor/" not in name
    }


def test_a_team_owns_little_python(template: Path, tmp_path: Path) -> None:
    lines = lines_of_the_team(bake(template, tmp_path))
    source = sum(number for name, number in lines.items() if name.startswith("src/"))
    assert source <= MOST_LINES_IN_SOURCE
    assert sum(lines.values()) <= MOST_LINES
    assert {name for name, number in lines.items() if number > MOST_LINES_OF_A_FILE} == set()


@pytest.mark.xdist_group("tested")
@pytest.mark.parametrize("name", ["rpc/status.py", "mine.py"])
def test_a_copy_that_was_changed_by_hand_is_noticed(
    name: str, tested: Path, tmp_path: Path
) -> None:
    ignore = shutil.ignore_patterns(".nox", "__pycache__")
    project = shutil.copytree(tested, tmp_path / "project", ignore=ignore)
    with (project / "src/greeter_service/_vendor/polyrpc" / name).open("a") as file:
        file.write("# mended\n")
    python = tested / ".nox" / "tests" / SCRIPTS / "python"
    said = run(
        *(project, python, "-m", "pytest", "-q", "-k", "as_it_came"),
        status=1,
        PYTHONPATH=str(project / "src"),
    )
    assert "_vendor/polyrpc was changed by hand, which the next update undoes" in said
    assert f": {name}." in said


def test_the_wheel_holds_the_library_and_nothing_else(wheels: Path) -> None:
    (wheel,) = wheels.iterdir()
    version = (LIBRARY / "VERSION").read_text(encoding="utf-8").splitlines()[0]
    assert wheel.name == f"polyrpc-{version}-py3-none-any.whl"
    about = f"polyrpc-{version}.dist-info"
    names = {name for name in zipfile.ZipFile(wheel).namelist() if not name.startswith(about)}
    kept = {f"polyrpc/{name}" for name in files(LIBRARY) if "cache" not in name}
    assert {name for name in names if "cache" not in name} == kept


@pytest.mark.full
def test_a_project_that_has_the_library_installed_passes_its_own_tests_and_checks(
    wheels: Path, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path, {"library": "dependency"})
    done = run(
        project,
        *(sys.executable, "-m", "nox", "-s", "tests", "lint", "typecheck", "certs"),
        PIP_FIND_LINKS=str(wheels),
        UV_FIND_LINKS=str(wheels),
    )
    assert "warning" not in done.lower()
    # The wheel that it builds compiles its protos with the installed library.
    run(
        project,
        *(UV, "build", "--quiet", "--wheel"),
        PIP_FIND_LINKS=str(wheels),
        UV_FIND_LINKS=str(wheels),
    )
    (built,) = (project / "dist").glob("*.whl")
    names = zipfile.ZipFile(built).namelist()
    assert "greeter_service/v1/greeter_pb2_grpc.py" in names
    assert not any("_vendor" in name for name in names)


# As the document of Esmerald on gRPC has it, but for the class and the free port.
APPLICATION = """
from esmerald import Esmerald, Gateway, get
from esmerald.contrib.grpc.register import register_grpc_http_routes
from polyrpc import ServiceGateway

from greeter_pb2 import HelloReply
from greeter_pb2_grpc import GreeterServicer, add_GreeterServicer_to_server


class GreeterService(GreeterServicer):
    async def SayHello(self, request, context):
        return HelloReply(message=f"Hello, {request.name}!")

    @classmethod
    def __add_to_server__(cls, instance, server):
        add_GreeterServicer_to_server(instance, server)


@get("/")
async def home() -> str:
    return "home"


gateway = ServiceGateway(path="/grpc", services=[GreeterService], expose_http=True, port=0)
app = Esmerald(
    routes=[Gateway(handler=home)],
    on_startup=[gateway.startup],
    on_shutdown=[gateway.shutdown],
)
register_grpc_http_routes(app, [gateway], base_path="/api")
"""
GREETER = """syntax = "proto3";
package greeter;
service Greeter { rpc SayHello(HelloRequest) returns (HelloReply); }
message HelloRequest { string name = 1; }
message HelloReply { string message = 1; }
"""
CALLS = """
import asyncio, json, socket, urllib.request
import grpc, uvicorn
from application import app, gateway
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import GreeterStub

async def main():
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    serving = asyncio.create_task(server.serve([listener]))
    while not server.started:
        await asyncio.sleep(0.01)
    def post():
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        home = opener.open(url + "/").read().decode()
        headers = {"content-type": "application/json"}
        path = url + "/api/grpc/greeterservice/sayhello"
        call = urllib.request.Request(path, b'{"name":"HTTP"}', headers)
        return home, json.loads(opener.open(call).read())
    told = list(await asyncio.to_thread(post))
    options = [("grpc.enable_http_proxy", 0)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{gateway.bound_port}", options) as channel:
        answer = await GreeterStub(channel).SayHello(HelloRequest(name="gRPC"))
        told.append(answer.message)
    server.should_exit = True
    await serving
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.mark.full
def test_an_application_that_was_not_generated_serves_a_service_over_both_protocols(
    wheels: Path, tmp_path: Path
) -> None:
    assert len(APPLICATION.strip().splitlines()) <= 31
    for name, text in {
        "application.py": APPLICATION,
        "greeter.proto": GREETER,
        "calls.py": CALLS,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    protoc = ("-m", "grpc_tools.protoc", "-I.", "--python_out=.", "--grpc_python_out=.")
    run(tmp_path, sys.executable, *protoc, "greeter.proto")
    run(tmp_path, UV, "venv", "--quiet", "--python", sys.executable, "venv")
    python = tmp_path / "venv" / SCRIPTS / "python"
    install = (UV, "pip", "install", "--quiet", "--python", python, "--find-links", wheels)
    run(tmp_path, *install, "polyrpc[esmerald]")
    said = run(tmp_path, python, "-W", "error", "calls.py", PYTHONPATH=os.fspath(tmp_path))
    assert json.loads(said.splitlines()[-1]) == [
        '"home"',
        {"message": "Hello, HTTP!"},
        "Hello, gRPC!",
    ]
