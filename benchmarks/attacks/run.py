"""Attacks the default service in bounded ways, and tells what that costs it and honest callers.

    python benchmarks/attacks/run.py [--quick] [--only WORD] [--template DIR]

It needs Linux. It bakes the service, installs it in `benchmarks/.cache/`, and runs `program.py`
with the interpreter of that environment. The exit status is 1 when a bound is broken.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness.environments import (
    BENCHMARKS,
    ROOT,
    bake_default_service,
    install_default_service,
)

FOLDER = Path(__file__).parent
FIELDS = "  google.protobuf.Struct attributes = 2;\n  bytes picture = 3;\n"
WAITING = '        if request.name == "wait":\n            await asyncio.sleep(3600)\n'


def main() -> int:
    """Prepares the service, and attacks it.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="the short form, which CI runs")
    parser.add_argument("--only", default="", metavar="WORD", help="attacks with it in the name")
    parser.add_argument(
        "--template", type=Path, default=ROOT, metavar="DIR", help="another one to bake from"
    )
    arguments = parser.parse_args()
    if sys.platform != "linux":
        print("it measures by /proc, which only Linux has", file=sys.stderr)
        return 2
    template = arguments.template.resolve()
    name = "attacks"
    if template != ROOT:
        name += f"-{hashlib.sha256(str(template).encode()).hexdigest()[:8]}"
    cache = BENCHMARKS / ".cache" / name
    project = bake_default_service(cache, template)
    make_vulnerable(project)
    python = install_default_service(cache, project)
    options = ["--quick"] if arguments.quick else []
    program = [python, str(FOLDER / "program.py"), *options, "--only", arguments.only]
    try:
        return subprocess.run(program, env=os.environ | {"PYTHONUTF8": "1"}).returncode
    except KeyboardInterrupt:  # It has got the signal too, and stops what it started.
        return 130


def make_vulnerable(project: Path) -> None:
    """Adds what services have and this one has not: types that take more to read, calls that wait.

    Raises:
        ValueError: The template writes other files than it did.
    """
    proto = project / "protos" / "greeter_service" / "v1" / "greeter.proto"
    insert(proto, "package greeter_service.v1;\n", '\nimport "google/protobuf/struct.proto";\n')
    insert(
        proto, "message SayHelloRequest {\n  // The person's name.\n  string name = 1;\n", FIELDS
    )
    servicer = project / "src" / "greeter_service" / "servicers" / "greeter.py"
    insert(servicer, "from __future__ import annotations\n", "\nimport asyncio\n")
    insert(servicer, "context: Context) -> pb.SayHelloResponse:\n", WAITING)


def insert(file: Path, after: str, text: str) -> None:
    """Inserts a text into a file."""
    content = file.read_text(encoding="utf-8")
    if content.count(after) != 1:
        raise ValueError(f"{file}: {after!r} should be there once")
    file.write_text(content.replace(after, after + text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
