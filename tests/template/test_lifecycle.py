"""Generated projects pass their own checks, build, and carry their stubs wherever they go."""

from __future__ import annotations

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from baking import STUBS, bake, bake_in_a_process, nox

UNLIKE = {
    "compose-gitlab": {
        "project_name": "Order Book",
        "service_name": "HTTPProxy",
        "license": "Apache-2.0",
        "deployment": "compose",
        "ci": "gitlab",
    },
    "ravyn": {"framework": "ravyn"},
    "bare": {
        "project_slug": "a",
        "service_name": "B",
        "license": "Proprietary",
        "deployment": "none",
        "ci": "none",
    },
}


@pytest.mark.xdist_group("tested")
def test_the_default_project_passes_its_own_tests(tested: Path) -> None:
    # The fixture has run them; a stub that is there shows that they ran on the compiled protos.
    assert (tested / "src" / "greeter_service" / "v1" / "greeter_pb2.py").is_file()


@pytest.mark.full
def test_the_default_project_passes_its_own_checks(template: Path, tmp_path: Path) -> None:
    done = nox(bake(template, tmp_path), "lint", "typecheck")
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.lower()


@pytest.mark.full
@pytest.mark.parametrize("answers", UNLIKE.values(), ids=UNLIKE)
def test_unlike_projects_pass_their_own_tests_and_checks(
    answers: dict[str, str], template: Path, tmp_path: Path
) -> None:
    done = nox(bake(template, tmp_path, answers), "tests", "lint", "typecheck")
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.lower()


@pytest.mark.full
def test_a_project_made_of_a_proto_file_passes_its_own_tests_and_checks(
    template: Path, tmp_path: Path
) -> None:
    proto = Path(__file__).parent / "protos/shop/orders/v1/orders.proto"
    done = bake_in_a_process(template, tmp_path, {"proto_file": str(proto), "ci": "gitlab"})
    assert done.returncode == 0, done.stderr
    done = nox(tmp_path / "greeter-service", "tests", "lint", "typecheck")
    assert done.returncode == 0, done.stdout
    assert "warning" not in done.stdout.lower()


@pytest.mark.full
def test_lint_mends_what_it_is_asked_to(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    settings = project / "src/greeter_service/settings.py"
    before = settings.read_text(encoding="utf-8")
    settings.write_text(f"import os\n{before}\n\nX = [1,2]\n", encoding="utf-8")
    assert nox(project, "lint").returncode != 0
    done = nox(project, "lint", "--", "--fix")
    assert done.returncode == 0, done.stdout
    assert settings.read_text(encoding="utf-8") == f"{before}\n\nX = [1, 2]\n"


@pytest.mark.full
def test_development_certificates_are_for_their_owner_alone(template: Path, tmp_path: Path) -> None:
    project = bake(template, tmp_path)
    done = nox(project, "certs")
    assert done.returncode == 0, done.stdout
    certificates = {
        path.name: path.stat().st_mode & 0o077 for path in (project / "certs").iterdir()
    }
    assert certificates.keys() == {
        *("ca.pem", "server.pem", "server.key", "client.pem", "client.key"),
    }
    assert os.name == "nt" or not any(certificates.values())


@pytest.mark.full
def test_the_wheel_of_the_source_distribution_carries_the_stubs(
    template: Path, tmp_path: Path
) -> None:
    project = bake(template, tmp_path)
    subprocess.run(["uv", "build", "--quiet"], cwd=project, check=True)
    (wheel,) = (project / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"greeter_service/v1/greeter{stub}" for stub in STUBS} <= names
    assert {"greeter_service/descriptors.binpb", "greeter_service/py.typed"} <= names
