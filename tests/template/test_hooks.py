"""The hooks: stubs with the pinned compiler, with uv or pip, with a network or without."""

from __future__ import annotations

import importlib
import os
import shlex
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from baking import (
    CHOICES,
    ROOT,
    SCRIPTS,
    STUBS,
    TEMPLATE,
    bake,
    bake_in_a_process,
    files,
    is_build_product,
    with_the_library,
)
from checks import check_project
from polyrpc.build.hatch import SWAGGER_FILES

PROTOS = Path(__file__).parent / "protos"
UV = shutil.which("uv") or "uv"
# No package can be found: what a machine without a network sees, at once.
OFFLINE = {
    "UV_OFFLINE": "1",
    "UV_NO_CACHE": "1",
    "PIP_NO_INDEX": "1",
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_FIND_LINKS": "",
}
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# The compiler that this repository and generated projects pin.
(COMPILER,) = (
    line.partition("==")[2]
    for line in PYPROJECT["dependency-groups"]["checks"]
    if isinstance(line, str) and line.startswith("grpcio-tools==")
)
PRINT_GENERATOR = """
from greeter_service.v1 import greeter_pb2_grpc
print(greeter_pb2_grpc.GRPC_GENERATED_VERSION)
"""


def without_uv(**extra: str) -> dict[str, str]:
    """The environment of these tests, with only the system's own tools on PATH."""
    return {**os.environ, "PATH": os.defpath, **extra}


def stub_names(project: Path) -> set[str]:
    return {Path(name).name for name in files(project) if is_build_product(name)}


def test_generation_leaves_stubs_and_descriptors(generated: Path) -> None:
    stubs = {*(f"greeter{stub}" for stub in STUBS), "descriptors.binpb"}
    assert stub_names(generated) == stubs | {"VERSION", *SWAGGER_FILES}
    version = subprocess.run(
        [sys.executable, "-c", PRINT_GENERATOR],
        env={**os.environ, "PYTHONPATH": str(generated / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert version.stdout.strip() == COMPILER


@pytest.fixture(scope="module")
def again(
    template: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """A second default project, and what its generation said."""
    output = tmp_path_factory.mktemp("again")
    done = bake_in_a_process(template, output)
    assert done.returncode == 0, done.stderr
    return output / "greeter-service", done


def test_generation_ends_with_steps_to_paste(
    again: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    _, done = again
    assert "\nInstalling the protobuf compiler with uv" in done.stdout
    assert "  cd greeter-service\n  uvx nox -s tests\n  uvx nox -s serve\n" in done.stdout
    body = r'"{\"name\":\"World\"}"' if os.name == "nt" else """'{"name":"World"}'"""
    assert done.stdout.splitlines()[-1] == (
        f"  curl --json {body} localhost:8000/grpc/greeterservice/sayhello"
    )


@pytest.mark.parametrize(
    ("windows", "expected"),
    [(False, """'{"a b"}'"""), (True, r'"{\"a b\"}"')],
)
def test_steps_are_quoted_for_the_shell_of_the_platform(
    windows: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "hooks"))
    hook = importlib.import_module("post_gen_project")
    monkeypatch.setattr(hook, "WINDOWS", windows)
    assert hook.quoted('{"a b"}') == expected


def test_two_generations_are_byte_identical(
    generated: Path, again: tuple[Path, subprocess.CompletedProcess[str]]
) -> None:
    ours, theirs = files(generated), files(again[0])
    assert theirs.keys() == ours.keys()
    assert theirs == ours


@pytest.mark.full
def test_an_environment_of_only_cookiecutter_is_enough(
    generated: Path, template: Path, tmp_path: Path
) -> None:
    environment = tmp_path / "environment"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, environment], check=True)
    python = environment / SCRIPTS / "python"
    subprocess.run(
        [UV, "pip", "install", "--quiet", "--python", python, "cookiecutter"], check=True
    )
    output = tmp_path / "output"
    done = bake_in_a_process(template, output, env=without_uv(), python=str(python))
    assert done.returncode == 0, done.stderr
    assert "\nInstalling the protobuf compiler with pip" in done.stdout
    assert ".venv" in done.stdout
    assert files(output / "greeter-service") == files(generated)


@pytest.mark.parametrize("tool", ["uv", pytest.param("pip", marks=pytest.mark.full)])
def test_without_a_network_the_last_line_compiles_the_stubs_later(
    tool: str, template: Path, tmp_path: Path
) -> None:
    env = {**os.environ, **OFFLINE} if tool == "uv" else without_uv(**OFFLINE)
    done = bake_in_a_process(template, tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    assert stub_names(tmp_path / "greeter-service") == set()
    last = done.stdout.splitlines()[-1]
    assert last.startswith("cd greeter-service && ")
    assert last.endswith("nox -s protos")
    assert ("uvx" in last) == (tool == "uv")
    assert ('pip install "nox[uv]"' in last) == (tool == "pip")


# What keeps a compiler from being where it is looked for, or from running there.
TROUBLE = {
    "another folder": {"PIP_TARGET": "elsewhere"},
    "another root": {"PIP_ROOT": "elsewhere"},
    "another prefix": {"PIP_PREFIX": "elsewhere"},
    "no dependencies": {"PIP_NO_DEPS": "1"},
    "the user's folder": {"PIP_USER": "1"},
    "nothing": {"PIP_DRY_RUN": "1"},
    "an unsafe folder": {"PYTHONSAFEPATH": "1"},
    "no folder for what is temporary": {"TMPDIR": "/dev/null", "TEMP": "/dev/null"},
}


@pytest.mark.full
@pytest.mark.skipif(os.name == "nt", reason="paths of POSIX")
@pytest.mark.parametrize("proto", ["", str(PROTOS / "shop/orders/v1/orders.proto")])
@pytest.mark.parametrize("variables", TROUBLE.values(), ids=TROUBLE)
def test_what_the_environment_spoils_leaves_the_project(
    variables: dict[str, str], proto: str, template: Path, tmp_path: Path
) -> None:
    elsewhere = {name: str(tmp_path / value) for name, value in variables.items()}
    given = elsewhere if "elsewhere" in variables.values() else variables
    output = tmp_path / "output"
    done = bake_in_a_process(
        template, output, {"proto_file": proto} if proto else {}, env=without_uv(**given)
    )
    assert done.returncode == 0, done.stderr
    project = output / "greeter-service"
    assert "Traceback" not in done.stdout + done.stderr
    last = done.stdout.splitlines()[-1]
    if stub_names(project):
        assert "/docs/swagger" in last if proto else "curl" in last
    else:
        assert last.startswith("cd greeter-service && ")
        assert last.endswith(f"nox -s add_service -- {proto}" if proto else "nox -s protos")
    check_project(project)


def test_a_stray_compiler_is_refused_with_the_right_command(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    pyproject = project / "pyproject.toml"
    text = pyproject.read_text(encoding="utf-8")
    pyproject.write_text(text.replace(f"grpcio-tools=={COMPILER}", "grpcio-tools==1.80.0"))
    done = compile_protos(project)
    assert done.returncode == 1
    assert done.stderr == (
        f"grpcio-tools is {COMPILER} here, pyproject.toml asks for grpcio-tools==1.80.0: "
        "run `nox -s protos`, which installs it.\n"
    )


def test_a_missing_compiler_is_one_line(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    venv.create(tmp_path / "empty", with_pip=False)
    python = tmp_path / "empty" / SCRIPTS / "python"
    done = compile_protos(project, python)
    assert done.returncode == 1
    assert done.stderr == (
        "hatchling is not installed here: run `nox -s protos`, which installs it.\n"
    )


@pytest.mark.full
def test_a_proto_that_does_not_compile_ends_generation_with_protocs_words(
    template: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(template, broken)
    (proto,) = (broken / TEMPLATE / "protos").rglob("*.proto*")
    proto.write_text(proto.read_text().replace("string message", "strin message", 1))
    done = bake_in_a_process(broken, tmp_path / "output")
    assert done.returncode == 1
    assert 'greeter.proto:35:3: "strin" is not defined.' in done.stderr
    assert list((tmp_path / "output").iterdir()) == []


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("missing.proto", "is not there (looked for "),
        ("shop", "is a folder"),
        ("test.txt", "is no .proto file"),
        ("two\nlines.proto", "has a line break"),
    ],
)
def test_a_proto_file_that_is_none_is_refused_and_leaves_nothing(
    answer: str, words: str, template: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "called-from"
    (folder / "shop").mkdir(parents=True)
    (folder / "test.txt").touch()
    output = tmp_path / "output"
    done = bake_in_a_process(
        template, output, {"proto_file": answer}, env={**os.environ, "PWD": str(folder)}
    )
    assert done.returncode == 1
    assert [line for line in done.stderr.splitlines() if words in line]
    assert list(output.iterdir()) == []


def test_a_proto_file_that_does_not_compile_is_refused_with_protocs_words(
    template: Path, tmp_path: Path
) -> None:
    proto = tmp_path / "bad.proto"
    proto.write_text('syntax = "proto3";\npackage a.b;\nmessag M {}\n')
    output = tmp_path / "output"
    done = bake_in_a_process(template, output, {"proto_file": str(proto)})
    assert done.returncode == 1
    assert "bad.proto:3:1: " in done.stderr
    assert list(output.iterdir()) == []


def test_a_project_is_made_of_a_proto_file_where_it_was_called(
    template: Path, tmp_path: Path
) -> None:
    answers = {"proto_file": "orders/v1/orders.proto"}
    env = {**os.environ, "PWD": str(PROTOS / "shop")}
    # As anywhere else: byte code comes to lie beside its source, and goes again.
    for variable in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX"):
        env.pop(variable, None)
    done = bake_in_a_process(template, tmp_path, answers, env=env)
    assert done.returncode == 0, done.stderr
    project = tmp_path / "greeter-service"
    names = set(files(project))
    assert {
        "protos/shop/orders/v1/orders.proto",
        "src/greeter_service/servicers/orders.py",
        "src/shop/orders/v1/orders_pb2_grpc.py",
        "tests/test_orders_service.py",
        "tests/test_service.py",
    } <= names
    assert [name for name in names if "__pycache__" in name] == []
    # Recipes are of an example, and say so.
    others = ("/greeter_service/", "docs/recipes/")
    told = {
        name: text
        for name, text in files(project).items()
        if not any(other in name for other in others)
    }
    for trace in (b"SayHello", b"GreeterService", b"greeter_pb2", b"World"):
        assert [name for name in told if trace in told[name]] == []
    check_project(project)


def test_without_a_network_the_last_line_adds_the_service_later(
    template: Path, tmp_path: Path
) -> None:
    proto = PROTOS / "shop/orders/v1/orders.proto"
    done = bake_in_a_process(
        template, tmp_path, {"proto_file": str(proto)}, env={**os.environ, **OFFLINE}
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"cd greeter-service && uvx nox -s add_service -- {shlex.quote(str(proto))}"
    )
    check_project(tmp_path / "greeter-service")


def test_a_failed_compilation_changes_nothing(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    assert compile_protos(project).returncode == 0
    before = files(project / "src")
    (proto,) = (project / "protos").rglob("*.proto")
    proto.write_text(proto.read_text() + "message {\n")
    done = compile_protos(project)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert files(project / "src") == before


def test_stubs_of_a_removed_proto_go(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    (proto,) = (project / "protos").rglob("*.proto")
    proto.with_name("extra.proto").write_text('syntax = "proto3";\npackage greeter_service.v1;\n')
    assert compile_protos(project).returncode == 0
    assert "extra_pb2.py" in stub_names(project)
    proto.with_name("extra.proto").unlink()
    assert compile_protos(project).returncode == 0
    assert {name for name in stub_names(project) if name.startswith("extra")} == set()


@pytest.mark.parametrize("framework", CHOICES["framework"])
def test_the_library_is_copied_as_it_stands(framework: str, template: Path, tmp_path: Path) -> None:
    vendor = files(template / TEMPLATE / "src" / "{{cookiecutter.package_name}}" / "_vendor")
    project = bake(template, tmp_path, {"framework": framework})
    assert files(project / "src/greeter_service/_vendor") == vendor


def test_a_project_that_has_the_library_installed_has_no_copy_and_all_the_rest(
    generated: Path, template: Path, tmp_path: Path
) -> None:
    done = bake_in_a_process(template, tmp_path, {"library": "dependency"})
    assert done.returncode == 0, done.stderr
    ours, theirs = files(generated), files(tmp_path / "greeter-service")
    copied = {name for name in ours if "/_vendor/" in name}
    assert copied
    assert ours.keys() - theirs.keys() == copied
    assert theirs.keys() <= ours.keys()
    differing = {name for name in theirs if theirs[name] != ours[name]}
    assert {name for name in differing if name.startswith("src/")} == {
        "src/greeter_service/gateway.py"
    }
    before, after = (
        tree["src/greeter_service/gateway.py"].decode().splitlines() for tree in (ours, theirs)
    )
    (changed,) = (pair for pair in zip(before, after, strict=True) if pair[0] != pair[1])
    assert changed == ("from ._vendor.polyrpc import (", "from polyrpc import (")


def compile_protos(
    project: Path, python: str | Path = sys.executable
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [python, "-m", "polyrpc.build"],
        cwd=project,
        env=with_the_library(project, PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        encoding="utf-8",
    )
