"""Compiles `protos/` once a session, before the tests of this folder import the stubs.

Property-based tests try 50 examples; 300 with `HYPOTHESIS_PROFILE=matrix`, as `nox -s matrix` and
`ravyn` do; 5,000 others each time with `thorough`, as `nox -s fuzz` does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from importlib import import_module
from importlib.resources import files
from pathlib import Path

from google import api
from grpc_tools import protoc
from hypothesis import HealthCheck, settings

PROTOS = Path(__file__).parent / "protos"
STUBS = tempfile.TemporaryDirectory(prefix="library-stubs-")
DESCRIPTOR_SET = Path(STUBS.name) / "descriptors.binpb"


def _compile() -> None:
    sources = [path.relative_to(PROTOS).as_posix() for path in sorted(PROTOS.rglob("*.proto"))]
    includes = [PROTOS, files("grpc_tools") / "_proto", Path(next(iter(api.__path__))).parents[1]]
    status = protoc.main(
        [
            "protoc",
            *(f"-I{include}" for include in includes),
            f"--python_out={STUBS.name}",
            f"--grpc_python_out={STUBS.name}",
            f"--descriptor_set_out={DESCRIPTOR_SET}",
            "--include_imports",
            "--include_source_info",
            *sources,
        ]
    )
    if status:
        raise RuntimeError(f"protoc failed with status {status}")


_compile()
sys.path.insert(0, STUBS.name)
# Processes that tests start find the library, the stubs and the service under test as well.
LIBRARY = Path(import_module("polyrpc").__path__[0]).parent
os.environ["PYTHONPATH"] = os.pathsep.join([str(LIBRARY), STUBS.name, str(Path(__file__).parent)])

# Machines that run tests are too uneven for deadlines and for hypothesis's opinion of slowness.
settings.register_profile(
    "quick",
    max_examples=50,
    deadline=None,
    # The same examples each time: what is new is for `nox -s fuzz` to find.
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
QUICK = settings.get_profile("quick")
settings.register_profile("matrix", QUICK, max_examples=300)
settings.register_profile("thorough", QUICK, max_examples=5000, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
