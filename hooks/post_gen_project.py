"""Ties the new project to the template, compiles its stubs, then says what to do next.

Standard library only. Cookiecutter renders this file and runs it in the new project's folder.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LINE_LENGTH = 100
LIBRARY = "polyrpc"
WINDOWS = os.name == "nt"
SCRIPTS = "Scripts" if WINDOWS else "bin"
PROBE = """syntax = "proto3";
package probe.v1;
service Probes {
  rpc Get(Probe) returns (Probe);
}
message Probe {}
"""
# Set where git itself runs cookiecutter: they would speak of another repository.
GIT_VARIABLES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


def main() -> None:
    """Leave a project with stubs or, where none can be compiled, the command for them."""
    answers: dict[str, Any] = json.loads(r"""{{ cookiecutter | tojson }}""")
    try:
        generate(answers)
    finally:
        if answers["library"] == "dependency":
            shutil.rmtree(vendor_folder(answers))


def generate(answers: dict[str, Any]) -> None:
    """Do all but removing the copy of the library, which compiles the stubs first."""
    remove_empty_folders(Path())
    if under_cruft(answers):
        # Standard output is cruft's: `cruft diff` prints a patch there.
        sys.stdout = sys.stderr
    tie_to_template(answers)
    project = Path.cwd().name
    proto = located(answers["proto_file"], answers) if answers["proto_file"] else None
    if proto and under_cruft(answers) and (is_update() or not proto.exists()):
        say(f"Left for `nox -s add_service`: {proto}")
        return
    uv = shutil.which("uv")
    say(f"Installing the protobuf compiler with {'uv' if uv else 'pip'}, for this once ...")
    try:
        with tempfile.TemporaryDirectory(prefix="protoc-", ignore_cleanup_errors=True) as folder:
            failure = compile_protos(Path(folder), uv, proto, vendor_folder(answers))
    except OSError as error:
        failure = str(error)
    if failure:
        say(f"That failed: {failure}")
        say(f"All is there but the {'service' if proto else 'stubs'}. When packages can be")
        say(f"installed, this {'adds it' if proto else 'compiles them'}:")
        later = f"add_service -- {shlex.quote(str(proto))}" if proto else "protos"
        say(f"cd {project} && {nox(uv, later)}")
        return
    say(f"\n{project} is ready. Its tests, and the service itself until Ctrl-C:\n")
    say(f"  cd {project}")
    say(f"  {nox(uv, 'tests')}")
    say(f"  {nox(uv, 'serve', installed=True)}\n")
    if proto:
        say("Every RPC, to try out while it runs: http://localhost:8000/docs/swagger")
        return
    say("A call, from another terminal:\n")
    say("  curl --json " + quoted('{"name":"World"}') + f" {answers['__sayhello_url']}")


def vendor_folder(answers: dict[str, Any]) -> Path:
    """Where the copy of the library is; it can do without being installed."""
    return Path("src", answers["package_name"], "_vendor")


def compile_protos(
    environment: Path, uv: str | None, proto: Path | None, vendor: Path
) -> str | None:
    """Compile, and add the services of `proto`, with tools that are installed in `environment`.

    A proto that is no good ends generation: cookiecutter then removes the project. Nothing else
    does, for all is there but the stubs.

    Returns:
        Why nothing can be compiled here, if nothing can.
    """
    wide = has_wide_lines(Path())
    groups = ["lint", "protolint"] if proto else ["lint"] if wide else []
    if failure := install_tools(environment, uv, groups):
        return failure
    python = str(environment / SCRIPTS / "python")
    say(f"Adding the services of {proto} ..." if proto else "Compiling protos/ ...")
    task = [f"{LIBRARY}.scaffold", str(proto)] if proto else [f"{LIBRARY}.build"]
    compiled = run([python, "-m", *task], library=vendor)
    if compiled.returncode and (failure := trouble(python, proto, vendor)):
        remove_byte_code(Path())
        return failure
    print(compiled.stdout, end="", flush=True)
    print(compiled.stderr, end="", file=sys.stderr, flush=True)
    if compiled.returncode:
        sys.exit(compiled.returncode)
    if wide:
        # Names so long that lines of the template do not hold them.
        for lint in (["check", "--select=I", "--fix"], ["format"]):
            run([python, "-m", "ruff", *lint, "--quiet", "--no-cache"])
    remove_byte_code(Path())
    return None


def trouble(python: str, proto: Path | None, vendor: Path) -> str | None:
    """Why not even a proto compiles that is right; None if one does."""
    with tempfile.TemporaryDirectory(prefix="probe-", dir=".") as folder:
        # A project of its own, in the place of this one: the same disk, the same rights.
        probe = Path(folder, "protos", "probe", "v1", "probe.proto")
        probe.parent.mkdir(parents=True)
        probe.write_text(PROBE, encoding="utf-8")
        shutil.copy("pyproject.toml", folder)
        tasks = [(folder, [f"{LIBRARY}.build"])]
        if proto:
            tasks.append((".", [f"{LIBRARY}.scaffold", str(probe), "--dry-run"]))
        for where, task in tasks:
            done = run([python, "-m", *task], library=vendor, folder=where)
            if done.returncode:
                return reason(done.stderr) or f"exit status {done.returncode}"
    return None


def located(proto: str, answers: dict[str, Any]) -> Path:
    """Find the proto where the other hook, which has checked it, found it."""
    path = Path(proto).expanduser()
    folders = (os.environ.get("PWD"), answers.get("_output_dir"))
    candidates = [Path(folder, path) for folder in folders if folder] or [path]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])


def under_cruft(answers: dict[str, Any]) -> bool:
    """Cruft generates as well, and says less about it."""
    return "_repo_dir" not in answers


def is_update() -> bool:
    """Whether the call came from within a project: its services are there already."""
    here = Path(os.environ.get("PWD", "."))
    return any((folder / ".cruft.json").exists() for folder in (here, *here.parents))


def has_wide_lines(project: Path) -> bool:
    """Whether a Python file has lines that the project's own check would refuse."""
    return any(
        len(line) > LINE_LENGTH
        for path in project.rglob("*.py")
        if "_vendor" not in path.parts
        for line in path.read_text(encoding="utf-8").splitlines()
    )


def install_tools(environment: Path, uv: str | None, groups: list[str]) -> str | None:
    """Make `environment` hold what the build and `groups` require; return why not, if it can't.

    Without a network this ends soon: no interpreter is downloaded, and pip gives up early.
    """
    pyproject = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))
    requires = pyproject["build-system"]["requires"]
    requires = [line for line in requires if not line.startswith(LIBRARY)]
    for group in groups:
        requires = requires + pyproject["dependency-groups"][group]
    python = str(environment / SCRIPTS / "python")
    if uv:
        create = [uv, "venv", "--clear", "--no-python-downloads", "--python", sys.executable]
        install = [uv, "pip", "install", "--python", python]
    else:
        create = [sys.executable, "-m", "venv"]
        install = [python, "-m", "pip", "install", "--quiet", "--retries=1", "--timeout=10"]
    for command in ([*create, str(environment)], [*install, *requires]):
        done = run(command)
        if done.returncode:
            return reason(done.stderr + done.stdout) or f"exit status {done.returncode}"
    return None


def run(
    command: list[str], *, library: Path | None = None, folder: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command, which may import from `library`, in a folder, and keep what it says."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(library.resolve())} if library else None,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )


def reason(output: str) -> str:
    """The line of an installer's output that says most."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or [""])[-1]


def nox(uv: str | None, session: str, installed: bool = False) -> str:
    """A shell command that runs a nox session with nothing but uv, or nothing but Python."""
    if uv:
        return f"uvx nox -s {session}"
    run = f"{Path('.venv', SCRIPTS, 'nox')} -s {session}"
    if installed:
        return run
    name = f"python3.{sys.version_info.minor}"
    python = name if shutil.which(name) else quoted(sys.executable)
    # In double quotes, which cmd.exe knows too.
    install = f'{Path(".venv", SCRIPTS, "pip")} install "nox[uv]"'
    return f"{python} -m venv .venv && {install} && {run}"


def quoted(word: str) -> str:
    """Write a word for a shell; those of Windows know no single quotes."""
    return '"{}"'.format(word.replace('"', '\\"')) if WINDOWS else shlex.quote(word)


def tie_to_template(answers: dict[str, Any]) -> None:
    """Write `.cruft.json` as `cruft create` would, so that `cruft update` works later.

    cruft runs this hook too, and writes the file itself: it alone tells no `_repo_dir`. Nothing is
    written for a template that no commit stands for: an archive, a folder without git, changes.
    """
    if "_repo_dir" not in answers:
        return
    folder = template_folder(answers)
    tracked = folder and git(folder, "ls-files", "--error-unmatch", "cookiecutter.json")
    if not folder or not tracked or git(folder, "status", "--porcelain", "--", "."):
        say("The template is no clean git clone: `cruft link` can tie the project to one later.")
        return
    commit = git(folder, "rev-parse", "HEAD")
    location = template_location(folder, answers)
    settings = json.loads((folder / "cookiecutter.json").read_text(encoding="utf-8"))
    context = {
        # JSON in Jinja is sorted; what is no answer stands here in the order of the file.
        name: value if isinstance(value, dict) else answers[name]
        for name, value in settings.items()
        if name != "__prompts__"
    }
    state = {
        "template": location,
        "commit": commit,
        "checkout": answers["_checkout"],
        "context": {"cookiecutter": context | {"_template": location, "_commit": commit}},
        "directory": (git(folder, "rev-parse", "--show-prefix") or "").rstrip("/") or None,
    }
    text = json.dumps(state, ensure_ascii=False, indent=2, separators=(",", ": ")) + "\n"
    Path(".cruft.json").write_text(text, encoding="utf-8", newline="\n")


def template_folder(answers: dict[str, Any]) -> Path | None:
    """Find the template's folder, which is told as it was typed: relative to who knows where."""
    for base in (os.environ.get("PWD", ""), answers["_output_dir"]):
        folder = Path(base, answers["_repo_dir"])
        try:
            settings = json.loads((folder / "cookiecutter.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(settings, dict) and settings.keys() - {"__prompts__"} <= answers.keys():
            return Path(os.path.abspath(folder))
    return None


def template_location(folder: Path, answers: dict[str, Any]) -> str:
    """Where cruft can clone the template from: its folder, or what it was cloned from."""
    origin = git(folder, "config", "--get", "remote.origin.url")
    if answers["_repo_dir"].startswith(answers["_template"]) or not origin:
        return os.path.abspath(folder / (git(folder, "rev-parse", "--show-cdup") or "."))
    return without_secrets(origin)


def without_secrets(origin: str) -> str:
    """An address without passwords and tokens, which are not for the project's history."""
    url = urlsplit(origin)
    if not url.scheme or not url.netloc:
        # A path for git: `git@host:path` carries a user at most, whom ssh needs.
        return url.path if url.scheme == "file" else origin
    if url.scheme == "file":
        return url.netloc + url.path
    user, _, host = url.netloc.rpartition("@")
    # Over HTTP a user is a token, whatever it is called; over ssh it is part of the address.
    kept = f"{user.partition(':')[0]}@" if user and "ssh" in url.scheme else ""
    return url._replace(netloc=kept + host, query="", fragment="").geturl()


def git(folder: Path, *arguments: str) -> str | None:
    """What a git command prints in `folder`; None if it fails or there is no git."""
    environment = {name: value for name, value in os.environ.items() if name not in GIT_VARIABLES}
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
        )
    except OSError:
        return None
    return None if done.returncode else done.stdout.strip()


def remove_byte_code(root: Path) -> None:
    """What Python keeps of the modules it ran belongs to no project."""
    for folder in list(root.rglob("__pycache__")):
        shutil.rmtree(folder)


def remove_empty_folders(root: Path) -> None:
    """Optional files have conditional names; git keeps no folder that they leave empty either."""
    for folder, _, _ in os.walk(root, topdown=False):
        if not os.listdir(folder):
            os.rmdir(folder)


def say(line: str) -> None:
    """Print at once: what follows may take a while."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
