"""Checks every answer before a file is written, and reports all problems at once.

Standard library only. Cookiecutter renders this file and runs it in the new, empty folder.
"""

from __future__ import annotations

import json
import keyword
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from email.errors import MessageError
from email.headerregistry import Address
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036 - cookiecutter may run under an older Python
    sys.exit(f"This template needs Python 3.11 or newer; here runs {sys.version.split()[0]}.")

EXAMPLES = {
    "project_name": "Order Service",
    "project_slug": "order-service",
    "package_name": "order_service",
    "service_name": "Order",
    "description": "Takes orders",
    "author_name": "Ada Lovelace",
    "author_email": "ada@example.com",
}
NAMES = {
    "project_slug": (r"[a-z][a-z0-9]*(-[a-z0-9]+)*", "kebab-case"),
    "package_name": (r"[a-z][a-z0-9]*(_[a-z0-9]+)*", "snake_case"),
    "service_name": (r"[A-Z][A-Za-z0-9]*", "PascalCase"),
}
NAME_LENGTH = 60  # A DNS label has 63 characters, and Kubernetes names are DNS labels.
TEXT_LENGTH = 200

# What pyproject.toml names, with all that it depends on: modules, which a package of the same name
# would hide; distributions, one of which would be among its own requirements; and commands.
NEEDED = {
    *("activate", "activate_global_python_argcomplete", "annotated_types", "anyio", "argcomplete"),
    *("ast_serialize", "attr", "attrs", "benchmarks", "blinker", "bracex", "buf", "buf_bin"),
    *("certifi", "cffi", "cffi_gen_src", "cfgv", "charset_normalizer", "click", "colorama"),
    *("colorlog", "cryptography", "deactivate", "dependency_groups", "distlib", "dmypy", "dotenv"),
    *("esmerald", "exceptiongroup", "filelock", "flask", "flask_swagger_ui", "google"),
    *("googleapis_common_protos", "grpc", "grpc_health", "grpc_reflection", "grpc_status"),
    *("grpc_tools", "grpcio", "grpcio_health_checking", "grpcio_reflection", "grpcio_status"),
    *("grpcio_tools", "h11", "hatchling", "httpcore", "httptools", "httpx"),
    *("humanize", "identify", "identify_cli", "idna", "iniconfig", "itsdangerous", "jinja2"),
    *("librt", "lilya", "lint_dependency_groups", "markdown_it", "markdown_it_py"),
    *("markupsafe", "mdurl", "monkay", "msgspec", "multidict", "mypy", "mypy_extensions"),
    *("mypy_protobuf", "mypyc", "nodeenv", "normalizer", "nox", "noxfile", "opentelemetry"),
    *("opentelemetry_api", "opentelemetry_exporter_http_transport"),
    *("opentelemetry_exporter_otlp_common", "opentelemetry_exporter_otlp_proto_common"),
    *("opentelemetry_exporter_otlp_proto_grpc", "opentelemetry_exporter_otlp_proto_http"),
    *("opentelemetry_proto", "opentelemetry_sdk", "opentelemetry_semantic_conventions", "orjson"),
    *("packaging", "palfrey", "palfrey_benchmark", "pathspec", "pip", "pip3"),
    *("pip_install_dependency_groups", "platformdirs", "pluggy", "pre_commit"),
    *("polyrpc", "prometheus_client", "protobuf", "protobuf_ext", "protobuf_py"),
    *("protobuf_py_ext", "protovalidate"),
    *("protobuf_py_pure", "protos", "py", "pycparser", "pydantic", "pydantic_core"),
    *("pydantic_settings", "pygmentize", "pygments", "pytest", "pytest_asyncio", "python"),
    *("python3", "python_discovery", "python_dotenv", "pyyaml", "ravyn"),
    *("register_python_argcomplete", "requests", "rich", "rich_toolkit", "ruff", "sayer"),
    *("scripts", "setuptools", "src", "structlog", "stubgen", "stubtest", "test", "tests"),
    *("tomlkit", "tox_to_nox", "trove_classifiers", "trustme", "types_grpcio"),
    *("types_grpcio_health_checking", "types_grpcio_reflection", "types_grpcio_status"),
    *("types_protobuf", "typing_extensions", "typing_inspection", "tzdata", "urllib3", "uvicorn"),
    *("uvloop", "virtualenv", "watchfiles", "wcmatch", "websockets", "werkzeug", "wheel", "yaml"),
    "zttp",
}
# A package of such a name would hide Python's own module; the last are those of newer releases.
PYTHON = sys.stdlib_module_names | {"annotationlib", "compression"}
# Windows has no file of such a name, whatever its ending.
DEVICES = {
    *("con", "prn", "aux", "nul"),
    *(f"{device}{number}" for device in ("com", "lpt") for number in range(10)),
}
# The example's messages share the service's scope in the .proto.
MESSAGES = {
    f"{rpc}{kind}"
    for rpc in ("SayHello", "WatchGreetings", "CollectNames", "Chat")
    for kind in ("Request", "Response")
}


def problems(answers: dict[str, str]) -> Iterator[str]:
    """A line for each unusable answer: variable, value, what is wrong, and a valid example."""
    for variable, example in EXAMPLES.items():
        value = answers[variable]
        reason = name_problem(variable, value) if variable in NAMES else text_problem(value)
        if variable == "author_email":
            reason = reason or email_problem(value)
        if reason:
            # ascii(): control characters and lone surrogates can be printed nowhere as they are.
            yield f"{variable}: {value!a} {reason}. Valid: {example}"
    # cruft updates with the answers of then, wherever that file is now.
    if (proto := answers.get("proto_file")) and "_repo_dir" in answers:
        reason = text_problem(proto) or proto_problem(located(proto, answers["_output_dir"]))
        if reason:
            yield f"proto_file: {proto!a} {reason}. Valid: ../apis/orders.proto, or nothing"


def overridden(answers: dict[str, str]) -> Iterator[str]:
    """A line for each private variable that was given: they go into code and names of files."""
    for variable, value in derived(answers).items():
        if answers[variable] != value:
            yield f"{variable}: {answers[variable]!a} is no question's answer. Valid: leave it out"


def derived(answers: dict[str, str]) -> dict[str, str]:
    """What cookiecutter.json makes of the answers."""
    service, package = answers["service_name"], answers["package_name"]
    licence = answers["license"]
    http_url = f"localhost:8000/grpc/{service.lower()}service"
    return {
        "__proto_name": re.sub(
            r"(?<=[^A-Z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", service
        ).lower(),
        "__env_prefix": f"{package.upper()}_",
        "__license_spdx": "LicenseRef-Proprietary" if licence == "Proprietary" else licence,
        "__description_toml": toml(answers["description"]),
        "__author_name_toml": toml(answers["author_name"]),
        "__author_email_toml": toml(answers["author_email"]),
        "__http_url": http_url,
        "__sayhello_url": f"{http_url}/sayhello",
        "__rpc_url": f"localhost:8000/{package}.v1.{service}",
    }


def toml(value: str) -> str:
    """A text as it stands between the quotes of TOML."""
    return value.replace("\\", "\\\\").replace('"', '\\"')


def located(proto: str, output: str) -> Path:
    """A relative path is meant from where cookiecutter was called, which only the shell still says.

    Hooks run elsewhere. Where no shell says it, the folder that the project comes to is tried.
    """
    path = Path(proto).expanduser()
    candidates = [Path(folder, path) for folder in (os.environ.get("PWD"), output) if folder]
    return next((candidate for candidate in candidates if candidate.exists()), candidates[0])


def proto_problem(path: Path) -> str | None:
    """Whether it can be read; whether it compiles is found out when there is a compiler."""
    if not path.exists():
        return f"is not there (looked for {path})"
    if path.is_dir():
        return "is a folder"
    if path.suffix != ".proto":
        return "is no .proto file"
    try:
        path.read_bytes()
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None


def text_problem(value: str) -> str | None:
    """Free text is data: whatever fits on a line will do."""
    if not value.strip():
        return "is empty"
    if len(value) > TEXT_LENGTH:
        return f"is longer than {TEXT_LENGTH} characters"
    if any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in value):
        return "has a line break or another control character"
    return None


def email_problem(value: str) -> str | None:
    """Package metadata carries addresses as RFC 5322 has them."""
    try:
        Address(addr_spec=value)
    except (MessageError, ValueError, IndexError):
        return "is not an e-mail address"
    return None if "@" in value else "is not an e-mail address"


def name_problem(variable: str, value: str) -> str | None:
    """A name must suit Python, protoc, buf, PyPI and Kubernetes, wherever it ends up."""
    pattern, case = NAMES[variable]
    if not value:
        return "is empty"
    if len(value) > NAME_LENGTH:
        return f"is longer than {NAME_LENGTH} characters"
    if variable != "project_slug" and keyword.iskeyword(value):
        return "is a Python keyword"
    if not re.fullmatch(pattern, value, re.ASCII):
        return f"is not {case} of ASCII letters and digits, a letter first"
    if variable != "service_name" and value.replace("-", "_") in NEEDED:
        return "is the name of something that the project needs"
    if variable == "package_name" and (value in PYTHON or keyword.issoftkeyword(value)):
        return "is the name of something that Python needs"
    if value.lower() in DEVICES:
        return "cannot be the name of a file on Windows"
    if variable == "service_name" and keyword.iskeyword(value.lower()):
        return "is a Python keyword as a module name"
    if variable == "service_name" and value.endswith("Service"):
        return 'ends in "Service", which the servicer class adds by itself'
    if variable == "service_name" and value in MESSAGES:
        return "is the name of one of the example's messages"
    return None


def main() -> None:
    """Report what is wrong with the answers; cookiecutter then removes the folder it made."""
    answers = json.loads(r"""{{ cookiecutter | tojson }}""")
    # Of unusable answers nothing can be derived.
    if found := list(problems(answers)) or list(overridden(answers)):
        sys.exit("\n".join(["These answers cannot be used:", *(f"  {line}" for line in found)]))


if __name__ == "__main__":
    main()
