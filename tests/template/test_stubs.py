"""`nox -s stubs`: the wheel for those who call a service, and what other languages make of it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from baking import SCRIPTS, STUBS, bake
from commands import polyrpc, refused, run
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from packaging.requirements import Requirement

UV = (sys.executable, "-m", "uv")
ORDERS = Path(__file__).parent / "protos/shop/orders/v1/orders.proto"
MINE = {
    *(f"greeter_service/v1/greeter{ending}" for ending in (*STUBS, ".proto")),
    *("greeter_service/descriptors.binpb", "greeter_service/py.typed"),
}
PROGRAM = """
import sys
import grpc
from greeter_service.v1 import greeter_pb2, greeter_pb2_grpc
assert not {"polyrpc", "esmerald", "uvicorn", "greeter_service.app"} & sys.modules.keys()
stub = greeter_pb2_grpc.GreeterStub(grpc.insecure_channel("localhost:1"))
print(greeter_pb2.SayHelloRequest(name="World"))
"""


@pytest.fixture
def project(template: Path, tmp_path: Path) -> Path:
    return bake(template, tmp_path)


def built(project: Path) -> zipfile.ZipFile:
    polyrpc(project, "release.stubs")
    (wheel,) = (project / "dist").iterdir()
    assert wheel.name == "greeter_service_stubs-0.1.0-py3-none-any.whl"
    return zipfile.ZipFile(wheel)


def metadata(wheel: zipfile.ZipFile) -> str:
    (about,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    return wheel.read(about).decode()


def content(wheel: zipfile.ZipFile) -> set[str]:
    return {name for name in wheel.namelist() if ".dist-info/" not in name}


def test_it_has_protos_stubs_types_and_descriptors_and_no_server(project: Path) -> None:
    wheel = built(project)
    assert content(wheel) == MINE
    described = FileDescriptorSet.FromString(wheel.read("greeter_service/descriptors.binpb"))
    names = [file.name for file in described.file]
    # With what they import, so that it can be read alone; each once.
    assert "google/api/http.proto" in names
    assert len(names) == len(set(names))
    needed = Parser().parsestr(metadata(wheel)).get_all("Requires-Dist") or []
    ranges = {one.name: one.specifier for one in map(Requirement, needed)}
    assert ranges.keys() == {"grpcio", "protobuf", "googleapis-common-protos"}
    for specifier in ranges.values():
        assert sorted(one.operator for one in specifier) == ["<", ">="]


def test_what_is_installed_of_it_can_call(project: Path, tmp_path: Path) -> None:
    built(project).extractall(tmp_path / "site")
    program = (sys.executable, "-c", PROGRAM)
    done = run(project, *program, variables={"PYTHONPATH": str(tmp_path / "site")})
    assert done.stdout == 'name: "World"\n\n'


@pytest.mark.full
def test_modules_may_be_called_otherwise_than_their_files(project: Path) -> None:
    proto = project / "protos/greeter_service/v1/more-types.v1.proto"
    proto.write_text('syntax = "proto3";\npackage greeter_service.v1;\n', encoding="utf-8")
    names = content(built(project)) - MINE
    assert names == {
        "greeter_service/v1/more-types.v1.proto",
        *(f"greeter_service/v1/more_types/v1_pb2{end}" for end in (".py", ".pyi")),
        *(f"greeter_service/v1/more_types/v1_pb2_grpc{end}" for end in (".py", ".pyi")),
    }


@pytest.mark.full
def test_the_stubs_of_others_are_not_in_it(project: Path) -> None:
    polyrpc(project, "scaffold", "--client", ORDERS)
    assert content(built(project)) == MINE
    # But where its own contract speaks of their messages.
    proto = project / "protos/greeter_service/v1/greeter.proto"
    text = proto.read_text(encoding="utf-8")
    imported = 'import "google/api/annotations.proto";\nimport "shop/common/money.proto";\n'
    text = text.replace('import "google/api/annotations.proto";\n', imported)
    text = text.replace(
        "string message = 1;", "string message = 1;\n  shop.common.Money fee = 2;", 1
    )
    proto.write_text(text, encoding="utf-8")
    others = {f"shop/common/money{ending}" for ending in (*STUBS, ".proto")} | {"shop/py.typed"}
    assert content(built(project)) == MINE | others
    said = polyrpc(project, "release.stubs")
    assert "It has copies of shop/common/money.proto: if another package brings" in said
    # And where a package brings them.
    pyproject = project / "pyproject.toml"
    table = '[tool.polyrpc.stubs]\n"shop/common" = "shop-common-stubs>=1,<2"\n'
    pyproject.write_text(f"{pyproject.read_text(encoding='utf-8')}\n{table}", encoding="utf-8")
    wheel = built(project)
    assert content(wheel) == MINE
    assert "Requires-Dist: shop-common-stubs<2,>=1" in metadata(wheel)
    assert "copies" not in polyrpc(project, "release.stubs")


RULED = """
from importlib.metadata import files
import protovalidate
from greeter_service.v1 import greeter_pb2
from order_service.v1 import order_pb2
for request in (greeter_pb2.SayHelloRequest, order_pb2.SayHelloRequest):
    print(len(protovalidate.collect_violations(request())), end=" ")
one, two = ({str(file) for file in files(f"{name}-service-stubs")} for name in ("greeter", "order"))
print(one & two)
"""


def _with_protovalidate(folder: Path) -> Path:
    """The Python of an environment that has it, and its descriptors of `buf.validate`."""
    python = folder / "venv" / SCRIPTS / "python"
    subprocess.run([*UV, "venv", "--quiet", python.parents[1]], check=True)
    install = (*UV, "pip", "install", "--quiet", "--python", python)
    subprocess.run([*install, "protovalidate", "protobuf"], check=True)
    return python


def _add_rule(project: Path, name: str, python: Path) -> None:
    """Give a field of the example a rule of `buf.validate`, whose proto the team copies."""
    rules = project / "protos/buf/validate/validate.proto"
    rules.parent.mkdir(parents=True)
    run(project, python, Path(__file__).with_name("validate_proto.py"), rules)
    proto = project / f"protos/{name}_service/v1/{name}.proto"
    text = proto.read_text(encoding="utf-8")
    text = text.replace("import ", 'import "buf/validate/validate.proto";\nimport ', 1)
    ruled = "string name = 1 [(buf.validate.field).string.min_len = 1];"
    proto.write_text(text.replace("string name = 1;", ruled, 1), encoding="utf-8")


@pytest.mark.full
def test_two_services_with_rules_are_called_from_one_environment(
    template: Path, tmp_path: Path
) -> None:
    names = ("greeter", "order")
    projects = [
        bake(template, tmp_path / name, {"project_name": f"{name.capitalize()} Service"})
        for name in names
    ]
    python = _with_protovalidate(tmp_path)
    for project, name in zip(projects, names, strict=True):
        _add_rule(project, name, python)
        polyrpc(project, "release.stubs")
    wheels = [wheel for project in projects for wheel in (project / "dist").iterdir()]
    run(projects[0], *UV, "pip", "install", "--quiet", "--python", python, *wheels)
    alone = {"PYTHONPATH": ""}
    said = run(projects[0], python, "-c", RULED, variables=alone).stdout
    assert said == "1 1 set()\n"
    # What goes with the one, the other one keeps.
    uninstall = ("pip", "uninstall", "--quiet", "--python", python, "order-service-stubs")
    run(projects[0], *UV, *uninstall)
    stubs = "import greeter_service.v1.greeter_pb2_grpc"
    run(projects[0], python, "-c", stubs, variables=alone)


def test_what_cannot_be_built_is_said_in_a_line(project: Path) -> None:
    proto = project / "protos/greeter_service/v1/greeter.proto"
    text = proto.read_text(encoding="utf-8")
    proto.write_text(text + "message {\n", encoding="utf-8")
    line = refused(project, "release.stubs")
    assert line.startswith("protos/greeter_service/v1/greeter.proto:")
    assert not (project / "dist").exists()
    proto.write_text(text, encoding="utf-8")
    rules = project / "buf.yaml"
    last = "    - google\n    - greeter_service\n"
    changed = rules.read_text(encoding="utf-8").removesuffix("    - google\n") + last
    rules.write_text(changed, encoding="utf-8")
    assert "no proto of this service's own" in refused(project, "release.stubs")


@pytest.mark.full
@pytest.mark.skipif(shutil.which("npm") is None, reason="TypeScript's compiler comes by npm")
def test_a_typescript_client_is_generated_as_the_readme_says(project: Path) -> None:
    packages = ("@bufbuild/protoc-gen-es@2", "@bufbuild/protobuf@2", "typescript@5")
    run(project, "npm", "init", "--yes")
    run(project, "npm", "install", "--save-dev", "--no-audit", "--no-fund", *packages)
    polyrpc(project, "build")
    path = f"{project / 'node_modules/.bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"
    run(project, "buf", "generate", variables={"PATH": path})
    client = project / "gen/typescript/greeter_service/v1/greeter_pb.ts"
    assert "export const Greeter: GenService<" in client.read_text(encoding="utf-8")
    assert (project / "gen/typescript/google/api/http_pb.ts").is_file()
    options = ("--noEmit", "--strict", "--module", "nodenext", "--target", "es2022")
    run(project, "node_modules/.bin/tsc", *options, client, variables={"PATH": path})


GO_PROGRAM = """package main

import (
	"fmt"

	v1 "example.com/you/gen/greeter_service/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

func main() {
	connection, _ := grpc.NewClient(
		"localhost:1", grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	v1.NewGreeterClient(connection)
	fmt.Println((&v1.SayHelloRequest{Name: "World"}).GetName())
}
"""


@pytest.mark.full
@pytest.mark.skipif(shutil.which("go") is None, reason="its compiler is not installed")
@pytest.mark.parametrize("rules", [False, True], ids=["", "with rules"])
def test_a_go_client_is_generated_as_the_example_says(
    rules: bool, project: Path, tmp_path: Path
) -> None:
    if rules:
        _add_rule(project, "greeter", _with_protovalidate(tmp_path))
    polyrpc(project, "build")
    example = project / "buf.gen.yaml"
    lines = example.read_text(encoding="utf-8").splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("# Go,"))
    settings = [line.removeprefix("# ") for line in lines[start + 1 :]]
    example.write_text("\n".join(["version: v2", *settings]) + "\n", encoding="utf-8")
    programs = project.parent / "go"
    for plugin in ("protobuf/cmd/protoc-gen-go", "grpc/cmd/protoc-gen-go-grpc"):
        command = ("go", "install", f"google.golang.org/{plugin}@latest")
        run(project, *command, variables={"GOBIN": str(programs)})
    path = f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    run(project, "buf", "generate", variables={"PATH": path})
    assert [folder.name for folder in (project / "gen").iterdir()] == ["greeter_service"]
    (project / "go.mod").write_text("module example.com/you\n\ngo 1.24\n", encoding="utf-8")
    (project / "main.go").write_text(GO_PROGRAM, encoding="utf-8")
    run(project, "go", "mod", "tidy")
    assert run(project, "go", "run", ".").stdout == "World\n"
