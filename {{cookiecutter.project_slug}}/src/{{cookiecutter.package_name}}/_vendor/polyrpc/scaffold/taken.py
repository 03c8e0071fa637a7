"""Names of modules that the service or its tests import: no stubs may have them."""

from __future__ import annotations

import sys

# What the dependencies of pyproject.toml, the extras and the group `test` depend on; what is
# named there itself is read from there. The compiler's environment, where add_service runs, has few
# of them. `google` is missing: it is no package but a folder, which stubs may share.
DEPENDENCIES = {
    *("annotated_types", "anyio", "benchmarks", "bracex", "certifi", "cffi"),
    *("charset_normalizer", "click", "colorama", "cryptography", "dotenv"),
    *("exceptiongroup", "grpc", "grpc_health", "grpc_reflection"),
    *("grpc_status", "grpc_tools", "h11", "httpcore", "httptools", "httpx", "idna", "iniconfig"),
    *("itsdangerous", "jinja2", "lilya", "markdown_it", "markupsafe", "mdurl", "monkay"),
    *("msgspec", "multidict", "opentelemetry", "orjson", "packaging", "palfrey", "pluggy"),
    *("polyrpc", "prometheus_client", "protobuf", "protobuf_ext", "protovalidate", "py"),
    *("pycparser", "pydantic"),
    *("pydantic_core", "pydantic_settings", "pygments", "pytest", "pytest_asyncio"),
    *("requests", "rich", "rich_toolkit", "sayer", "structlog", "trustme", "typing_extensions"),
    *("typing_inspection", "urllib3", "uvicorn", "uvloop", "watchfiles", "wcmatch", "websockets"),
    *("yaml", "zttp"),
}
# Of Python's own, those of releases newer than the one that this may run on too.
PYTHON = sys.stdlib_module_names | {"annotationlib", "compression"}
# Packages of protos whose stubs come with these: a copy elsewhere would define all a second time.
REGISTERED = ("grpc/channelz/", "grpc/health/", "grpc/reflection/", "opentelemetry/proto/")


def must_move(target: str) -> bool:
    """Whether stubs of a proto would hide such a module, or be hidden, and another place may do.

    Args:
        target: Its path below protos/.
    """
    first = target.partition("/")[0].replace("-", "_")
    return first in PYTHON | DEPENDENCIES and not target.startswith(REGISTERED)
