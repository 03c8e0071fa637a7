"""Every command of the guides is run, as a reader would who has Python, git and curl alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import updating
from baking import ROOT, TEMPLATE
from programs import needs

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "docs/user-guide.md", "docs/upgrading.md")


def commands(document: str) -> str:
    """The commands of a document, one after the other."""
    return "".join(BLOCK.findall((ROOT / document).read_text(encoding="utf-8")))


def follow(script: str, folder: Path) -> None:
    """Run commands in one shell, up to the first that fails."""
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env={
            **os.environ,
            **updating.IDENTITY,
            "PWD": str(folder),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout[-6000:]


@pytest.mark.full
@needs(shutil.which("curl"), "curl, with which the guides call the service,")
@pytest.mark.xdist_group("guides")
def test_the_user_guide_and_then_the_upgrade_guide(template: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(template, source)
    updating.repository(source, "The template")
    guide = commands("docs/user-guide.md")
    assert "gh:org/esmerald-grpc-template" in guide
    folder = tmp_path / "somewhere"
    folder.mkdir()
    follow(guide.replace("gh:org/esmerald-grpc-template", str(source)), folder)

    editorconfig = source / TEMPLATE / ".editorconfig"
    editorconfig.write_text("# The next version.\n" + editorconfig.read_text(encoding="utf-8"))
    updating.commit(source, "The next version")
    service = folder / "order-service"
    follow(commands("docs/upgrading.md"), service)
    assert (service / ".editorconfig").read_text(encoding="utf-8").startswith("# The next version.")
    assert "from ravyn" in (service / "src/order_service/app.py").read_text(encoding="utf-8")
    log = updating.git(service, "log", "--format=%s")
    assert log.splitlines() == [
        *("Move to Ravyn", "Update to the newest template", "Place orders"),
        "Begin with esmerald-grpc-template",
    ]


@pytest.mark.full
def test_the_commands_of_the_maintainers_guide(template: Path, tmp_path: Path) -> None:
    by_hand = [
        line
        for line in commands("CONTRIBUTING.md").splitlines()
        if not line.startswith(".venv/bin/nox")
    ]
    assert any("cookiecutter ." in line for line in by_hand)
    folder = tmp_path / "clone"
    shutil.copytree(template, folder)
    output = tmp_path / "baked"
    follow("\n".join(by_hand).replace("/tmp/baked", str(output)), folder)
    assert (output / "greeter-service" / "pyproject.toml").exists()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_sessions_that_documents_name_are_there(document: str, generated: Path) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    named = {
        session for found in re.findall(r"nox -s((?: [a-z_]+)+)", text) for session in found.split()
    }
    sessions = {
        name
        for noxfile in (ROOT / "noxfile.py", generated / "noxfile.py")
        for name in re.findall(
            r'^(?:def (?=\w+\(session)|    "(?=\w+": \("))(\w+)', noxfile.read_text("utf-8"), re.M
        )
    }
    assert named
    assert named <= sessions


def test_the_readme_shows_the_results_of_the_last_benchmarks() -> None:
    results = ROOT / "benchmarks" / "results"
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = readme.partition("<!-- results -->\n")[2].partition("<!-- end of results -->")[0]
    assert shown.strip() == (results / "summary.md").read_text(encoding="utf-8").strip()
    assert (results / "results.svg").stat().st_size > 1000
