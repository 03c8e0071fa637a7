"""Runs Connect's conformance runner against the library, and counts by protocol and HTTP version.

    python tests/conformance/run_conformance.py [--listener=http|grpc] [ARGUMENTS OF THE RUNNER]

The runner is `connectconformance` on PATH, or where `go install` puts it:

    go install connectrpc.com/conformance/cmd/connectconformance@v1.0.7

Its exit status is this program's: 0 when every case passes but those in `*-known-failing.txt`, all
of which must fail. 3 says that the runner is missing. Cases in `*-skipped.txt` are not tried.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from google import api
from grpc_tools import protoc

HERE = Path(__file__).parent
PROTOS = HERE / "protos"
SOURCE = HERE.parents[1] / "{{cookiecutter.project_slug}}" / "src"
LIBRARY = SOURCE / "{{cookiecutter.package_name}}" / "_vendor"
MISSING = 3

_CONFIGURATION = re.compile(
    r"Running (\d+) tests .*\{HTTP_VERSION_(\d), PROTOCOL_(\w+), TLS:(.+)\}\.\.\."
)
_VERDICT = re.compile(r"(FAILED|INFO): (.+?)(?::$| was expected to fail| failed \(as expected\))")
_NAMES = {"CONNECT": "Connect", "GRPC": "gRPC", "GRPC_WEB": "gRPC-Web"}
_VERSIONS = {"1": "HTTP/1.1", "2": "HTTP/2"}


def find_program(name: str) -> str | None:
    """A program on PATH, or else in the folders of `go install`."""
    home = Path(os.environ.get("GOPATH") or Path.home() / "go")
    folders = [os.environ.get("PATH", ""), os.environ.get("GOBIN", ""), str(home / "bin")]
    return shutil.which(name, path=os.pathsep.join(filter(None, folders)))


def compile_protos(output: str) -> None:
    """Writes the stubs of the conformance service.

    Raises:
        RuntimeError: protoc fails.
    """
    includes = [PROTOS, files("grpc_tools") / "_proto", Path(next(iter(api.__path__))).parents[1]]
    sources = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
    arguments = [f"-I{include}" for include in includes]
    arguments += [f"--python_out={output}", f"--grpc_python_out={output}", *sources]
    status = protoc.main(["protoc", *arguments])
    if status:
        raise RuntimeError(f"protoc failed with status {status}")
    # The `connectrpc` of PyPI is a regular package and would win over one without this file.
    Path(output, "connectrpc", "__init__.py").touch()


def table(lines: Iterable[str]) -> list[str]:
    """Cases that passed, of how many, for each protocol and HTTP version."""
    cases: Counter[tuple[str, str]] = Counter()
    failed: Counter[tuple[str, str]] = Counter()
    for line in lines:
        if found := _CONFIGURATION.search(line):
            cases[_NAMES[found[3]], _VERSIONS[found[2]]] += int(found[1])
        elif (found := _VERDICT.match(line)) and " was expected to fail" not in line:
            failed[_protocol_of(found[2]), _version_of(found[2])] += 1
    rows = [
        f"| {protocol} | {version} | {count - failed[protocol, version]} of {count} |"
        for (protocol, version), count in sorted(cases.items())
    ]
    return ["| protocol | over | passed |", "| --- | --- | ---: |", *rows]


def _protocol_of(case: str) -> str:
    """Suites of one protocol do not have it in the names of their cases, but in their own."""
    if found := re.search(r"/Protocol:PROTOCOL_(\w+)/", case):
        return _NAMES[found[1]]
    return next(
        name for name in sorted(_NAMES.values(), key=len, reverse=True) if case.startswith(name)
    )


def _version_of(case: str) -> str:
    found = re.search(r"/HTTPVersion:(\d)/", case)
    return _VERSIONS[found[1]] if found else "HTTP/2"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--listener", choices=("http", "grpc"), default="http")
    options, of_the_runner = parser.parse_known_args()
    runner = find_program("connectconformance")
    if runner is None:
        print(
            "The judge is missing: there is no `connectconformance`. With Go it comes by\n"
            "    go install connectrpc.com/conformance/cmd/connectconformance@v1.0.7",
            file=sys.stderr,
        )
        return MISSING
    with tempfile.TemporaryDirectory(prefix="conformance-stubs-") as stubs:
        compile_protos(stubs)
        path = [stubs, str(HERE), str(LIBRARY), os.environ.get("PYTHONPATH", "")]
        name = options.listener
        command = [runner, "-v", "--mode=server", f"--conf={HERE / f'{name}.yaml'}"]
        command += [f"--known-failing=@{HERE / f'{name}-known-failing.txt'}"]
        skipped = HERE / f"{name}-skipped.txt"
        command += [f"--skip=@{skipped}"] if skipped.exists() else []
        # Several servers at once take longer to start than the runner waits on a busy machine.
        command += ["--max-servers=1", *of_the_runner]
        server = [sys.executable, "-m", "under_test", f"--listener={name}"]
        process = subprocess.Popen(
            [*command, "--", *server],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path))},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            print(line, end="", flush=True)
            lines.append(line.rstrip())
        status = process.wait()
    print("", *table(lines), sep="\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
