"""Every task of this project by name. `nox --list` shows them, `nox -s NAME` runs one."""

import os
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests", "lint", "typecheck"]

PYPROJECT = nox.project.load_toml("pyproject.toml")
PACKAGE = Path(PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"][0])
COMPILER = PYPROJECT["build-system"]["requires"]
SERVICE = f".[{os.environ['EXTRAS'].replace(' ', ',')}]" if os.environ.get("EXTRAS") else "."
# What the library does: its module, what it is for, and the groups that it needs. `--` hands on.
COMMANDS = {
    "protos": ("build", "Compile protos/ into src/."),
    "add_service": ("scaffold", "Add a service: -- PROTO [--client].", "lint", "protolint"),
    "breaking": ("release.breaking", "Say whom new protos break: -- REVISION.", "protolint"),
    "stubs": ("release.stubs", "Build dist/*_stubs-*.whl, for those who call the service."),
    "lock": ("release.lock", "Write requirements.lock: [-- --check | --upgrade].", "lock"),
    "rename": ("scaffold.rename", "Give the project another name: -- NEW-NAME.", "lint"),
    "certs": ("certificates", "Write a development CA and certificates to certs/.", "certs"),
}


def install(session: nox.Session, *groups: str, service: bool = False) -> None:
    """Install groups and the service, at the versions of `nox -s lock` where uv installs."""
    what = [*nox.project.dependency_groups(PYPROJECT, *groups), *(["-e", SERVICE] * service)]
    # pip takes no hashes for a folder such as `.`.
    if Path("requirements.lock").is_file() and session.venv_backend == "uv":
        what += ["-c", "requirements.lock"]
    session.install(*what)


def polyrpc(session: nox.Session, module: str, *arguments: str) -> None:
    """Run a command of the library, beside the compiler of protos/."""
    session.install(*COMPILER)
    # Where `polyrpc` is; a project without a copy of it has it installed, with COMPILER.
    env = {"PYTHONPATH": str(PACKAGE / "_vendor"), "INVOKED_FROM": session.invoked_from}
    # Ctrl-C reaches what is run too: it gets the time to finish the calls in flight.
    session.run("python", "-m", f"polyrpc.{module}", *arguments, env=env, interrupt_timeout=60)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests; what follows `--` goes to pytest."""
    install(session, "test", service=True)
    session.run("pytest", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format of Python (ruff) and protos (buf); -- --fix mends what it can."""
    install(session, "lint")
    session.run("ruff", "check", *(word for word in session.posargs if word == "--fix"))
    session.run("ruff", "format", *([] if "--fix" in session.posargs else ["--check"]))
    protolint(session)


@nox.session
def protolint(session: nox.Session) -> None:
    """Check the protos alone (buf), compiled: so imports are resolved and nothing is fetched."""
    install(session, "protolint")
    polyrpc(session, "build")
    session.run("buf", "lint", str(PACKAGE / "descriptors.binpb"))


@nox.session
def typecheck(session: nox.Session) -> None:
    """Check the types (mypy --strict)."""
    install(session, "typecheck", "test", service=True)
    session.run("mypy")


@nox.session
def serve(session: nox.Session) -> None:
    """Run the service until Ctrl-C; it reads its settings from the environment."""
    install(session, service=True)
    session.run("python", "-m", PACKAGE.name, interrupt_timeout=60, terminate_timeout=5)


@nox.session
def dev(session: nox.Session) -> None:
    """Run it until Ctrl-C, and anew when code, protos or .env change."""
    install(session, "watch", service=True)
    polyrpc(session, "develop", PACKAGE.name)


for name, (module, about, *groups) in COMMANDS.items():

    @nox.session(name=name)
    def command(session: nox.Session, module: str = module, groups: list[str] = groups) -> None:
        if groups:
            install(session, *groups)
        polyrpc(session, module, *session.posargs)

    command.__doc__ = about
