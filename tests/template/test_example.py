"""The example: what is left when it goes as the README says, and what it does not take along."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from baking import bake, files, nox, with_the_library
from checks import check_project

UV = shutil.which("uv") or "uv"
PROTOS = Path(__file__).parent / "protos"
SERVICERS = "src/greeter_service/servicers"
PROXIES = dict.fromkeys(
    ("http_proxy", "https_proxy", "grpc_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    "http://127.0.0.1:9",
)


def run(project: Path, *command: str | Path, **variables: str) -> str:
    done = subprocess.run(
        command,
        cwd=project,
        env={**with_the_library(project), **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def pytest_in(project: Path, *arguments: str, **variables: str) -> str:
    """Run tests of a project with this repository's own tools: they are the pinned ones."""
    command = (sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider")
    variables["PYTHONPATH"] = str(project.parent / "installed")
    return run(project, *command, *arguments, **variables)


def compiled(project: Path) -> Path:
    """Build and install it, beside itself; the build compiles."""
    target = str(project.parent / "installed")
    build = ("--no-deps", "--no-build-isolation", "--python", sys.executable, "--target", target)
    run(project, UV, "pip", "install", "--quiet", *build, ".")
    run(project, sys.executable, "-m", "polyrpc.build")
    return project


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="the README's commands are for a POSIX shell")
def test_without_the_example_all_else_is_tested_and_tidy(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    run(project, sys.executable, "-m", "polyrpc.scaffold", PROTOS / "shop/orders/v1/orders.proto")
    # Its class ends in the name of the example's.
    longer = tmp_path / "longer.proto"
    longer.write_text(
        'syntax = "proto3";\npackage other.v1;\nmessage In {}\n'
        "service WarmGreeter { rpc Get(In) returns (In); }\n",
        encoding="utf-8",
    )
    run(project, sys.executable, "-m", "polyrpc.scaffold", longer)
    readme = (project / "README.md").read_text(encoding="utf-8")
    (commands,) = (
        block for block in re.findall(r"^```sh\n(.*?)^```", readme, re.M | re.S) if "sed" in block
    )
    run(project, "bash", "-euc", commands)
    compiled(project)
    registered = (project / "src/greeter_service/servicers/__init__.py").read_text(encoding="utf-8")
    assert registered.count("WarmGreeterService") == 2
    assert " passed" in pytest_in(project)
    check_project(project)
    left = {name for name, text in files(project).items() if b"greeter_pb2" in text}
    # Guides may go on to speak of it.
    assert {name for name in left if not name.startswith("docs/")} == {"README.md"}
    done = nox(project, "typecheck")
    assert done.returncode == 0, done.stdout


@pytest.mark.full
def test_a_second_version_of_a_service_leaves_the_tests_of_the_first_as_they_are(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    first = project / "protos/greeter_service/v1/greeter.proto"
    second = tmp_path / "greeter.proto"
    text = first.read_text(encoding="utf-8").replace("greeter_service.v1", "greeter_service.v2")
    # Paths of REST are in the contract: they have their own version.
    second.write_text(text.replace('"/v1/', '"/v2/'), encoding="utf-8")
    run(project, sys.executable, "-m", "polyrpc.scaffold", second)
    assert " passed" in pytest_in(compiled(project), "tests/test_greeter.py")


@pytest.mark.full
def test_tests_take_no_proxy_to_this_machine(template: Path, tmp_path: Path) -> None:
    project = compiled(bake(template, tmp_path))
    assert " passed" in pytest_in(project, **PROXIES)


@pytest.mark.full
@pytest.mark.parametrize("module", ["structlog", "prometheus_client", "google.protobuf"])
def test_a_servicer_may_import_what_the_service_has(
    module: str, template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    servicer = project / SERVICERS / "greeter.py"
    text = servicer.read_text(encoding="utf-8")
    servicer.write_text(text.replace("import grpc\n", f"import grpc\nimport {module}\n", 1))
    compiled(project)
    assert "2 passed" in pytest_in(project, "-k", "both_listeners")


ENDLESS = """
    async def WatchGreetings(self, request, context):
        number = 0
        while True:
            number += 1
            yield pb.WatchGreetingsResponse(message=str(number))
"""


@pytest.mark.full
def test_answers_that_differ_between_calls_can_be_compared_or_left_out(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    servicer = project / SERVICERS / "greeter.py"
    text = servicer.read_text(encoding="utf-8")
    text = text.replace('message=f"Hello, {request.name}!"', "message=uuid.uuid4().hex", 1)
    servicer.write_text(text.replace("import grpc\n", "import uuid\n\nimport grpc\n", 1) + ENDLESS)
    tests = project / "tests/test_greeter.py"
    text = tests.read_text(encoding="utf-8")
    skipped = '    testing.Case("WatchGreetings", skip="never ends"),\n'
    text = re.sub(r'    testing.Case\("WatchGreetings".*\n', skipped, text)
    text = text.replace('name="World")]),', 'name="World")], ignore=["message"]),', 1)
    tests.write_text(text)
    done = run(
        project,
        *(sys.executable, "-m", "polyrpc.scaffold"),
        "protos/greeter_service/v1/greeter.proto",
    )
    assert done == "Nothing is missing.\n"
    compiled(project)
    done = pytest_in(project, "tests/test_greeter.py", "-k", "over_every or every_rpc")
    assert " passed, 1 skipped" in done
    assert "never ends" in done


def test_a_row_that_was_taken_out_stays_out(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    tests = project / "tests/test_greeter.py"
    text = re.sub(r'    testing.Case\("Chat".*\n', "", tests.read_text(encoding="utf-8"))
    tests.write_text(text)
    proto = "protos/greeter_service/v1/greeter.proto"
    run(project, sys.executable, "-m", "polyrpc.scaffold", proto)
    assert tests.read_text(encoding="utf-8") == text


ROUTES = """
from greeter_service.app import create_app
from greeter_service.settings import Settings

router = create_app(Settings()).router
print([getattr(route, "path", "") for route in router.routes].count("/openapi.json"))
print(router.routes == router.reorder_routes())
"""


def test_the_openapi_document_has_one_route_and_all_are_in_the_order_of_the_framework(
    template: Path, tmp_path: Path
) -> None:
    project = compiled(bake(template, tmp_path))
    installed = str(tmp_path / "installed")
    assert run(project, sys.executable, "-c", ROUTES, PYTHONPATH=installed) == "1\nTrue\n"
