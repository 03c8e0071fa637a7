"""Every task of this project by name. `nox --list` shows them, `nox -s NAME` runs one."""

from __future__ import annotations

from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "typecheck"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PACKAGE = Path(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0])
COMPILER = PYPROJECT["build-system"]["requires"]
# Where `polyrpc` is; a project without a copy of it has it installed, with COMPILER.
LIBRARY = {"PYTHONPATH": str(PACKAGE / "_vendor")}


def install_group(session: nox.Session, name: str) -> None:
    """Install a dependency group of pyproject.toml."""
    session.install(*nox.project.dependency_groups(PYPROJECT, name))


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows `--` goes to pytest."""
    install_group(session, "test")
    session.install("-e", ".")
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format of the Python files (ruff) and of the protos (buf)."""
    install_group(session, "lint")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    lint_protos(session)


@nox.session
def protolint(session: nox.Session) -> None:
    """Check the protos alone (buf)."""
    lint_protos(session)


def lint_protos(session: nox.Session) -> None:
    """Give buf the descriptor set: imports are resolved in it, so nothing is fetched."""
    session.install(*COMPILER)
    install_group(session, "protolint")
    session.run("python", "-m", "polyrpc.build", env=LIBRARY)
    session.run("buf", "lint", str(PACKAGE / "descriptors.binpb"))


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types (mypy --strict)."""
    install_group(session, "typecheck")
    install_group(session, "test")
    session.install("-e", ".")
    session.run("mypy")


@nox.session
def protos(session: nox.Session) -> None:
    """Compile protos/ into src/."""
    session.install(*COMPILER)
    session.run("python", "-m", "polyrpc.build", env=LIBRARY)


@nox.session
def add_service(session: nox.Session) -> None:
    """Add the services of a proto (`-- PROTO [--dry-run]`), or what they lack."""
    session.install(*COMPILER)
    install_group(session, "lint")
    install_group(session, "protolint")
    # A path is meant from where nox was called.
    arguments = [
        argument if argument.startswith("-") else str(Path(session.invoked_from, argument))
        for argument in session.posargs
    ]
    session.run("python", "-m", "polyrpc.scaffold", *arguments, env=LIBRARY)


@nox.session
def serve(session: nox.Session) -> None:
    """Run the service until Ctrl-C; it reads its settings from the environment."""
    session.install("-e", ".")
    # Ctrl-C reaches the service too: it gets the time to finish the calls in flight.
    session.run("python", "-m", PACKAGE.name, interrupt_timeout=60, terminate_timeout=5)


@nox.session
def certs(session: nox.Session) -> None:
    """Write a development CA, a server and a client certificate to certs/."""
    install_group(session, "certs")
    session.run("python", "-m", "polyrpc.certificates", "certs", env=LIBRARY)
