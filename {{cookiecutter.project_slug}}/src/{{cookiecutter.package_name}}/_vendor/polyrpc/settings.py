"""The settings: read from the environment once, validated at start."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_type_hints

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    Secret,
    SecretBytes,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_core import to_jsonable_python
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

_FIELD = re.compile(r'field "(\w+)"')
_DIGITS_AND_DOTS = re.compile(r"[0-9.]+")
_HOST_NAME = re.compile(r"[^\s/?#@\[\]%]+")
# As browsers write it (RFC 6454): lower case, no path, no port that the scheme implies.
_ORIGIN = re.compile(
    r"[a-z][a-z0-9+.-]*://[a-z0-9._~-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?"
)
# What clusters set for whoever is to find a service of this name.
_OF_A_CLUSTER = re.compile(r"SERVICE_(HOST|PORT(_\w+)?)|PORT(_\d+_(TCP|UDP|SCTP)\w*)")


class SettingsError(ValueError):
    """A setting is wrong; the text is one line that names the environment variables."""


def _readable(path: Path) -> Path:
    try:
        # Opening anything else, such as a FIFO, may take as long as somebody else likes.
        if not stat.S_ISREG(path.stat().st_mode):
            raise ValueError(f"{str(path)!r} is no regular file")
        with path.open("rb"):
            return path
    except OSError as error:
        raise ValueError(f"{str(path)!r} cannot be read: {error.strerror}") from None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _with_a_token(tokens: SecretStr) -> SecretStr:
    if not any(token.strip() for token in tokens.get_secret_value().split(",")):
        raise ValueError("there is no token in it; unset it to let everyone call")
    return tokens


def origins_of(text: str) -> list[str]:
    """Reads a list of origins, such as `https://example.com, http://localhost:5173`, or `*`.

    Raises:
        ValueError: One is no origin as browsers send it, or `*` is not alone.
    """
    origins = [origin.strip() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin) and not (origin == "*" and len(origins) == 1):
            raise ValueError(f"{origin!r} is no origin such as https://example.com, nor * alone")
    if not origins:
        raise ValueError("there is no origin in it; unset it to let no other site's pages call")
    return origins


def _of_origins(text: str) -> str:
    origins_of(text)
    return text


def _host(host: str) -> str:
    """Takes off the brackets, and refuses what no resolver needs to be asked about."""
    if host.startswith("[") and host.endswith("]") and ":" in host:
        host = host[1:-1]
    if ":" in host or _DIGITS_AND_DOTS.fullmatch(host):
        try:
            # For text, even for digits, Python imports the codec of international names.
            socket.getaddrinfo(host.encode("ascii"), None, flags=socket.AI_NUMERICHOST)
        except (OSError, UnicodeError):
            raise ValueError("it is no IP address (the port has a variable of its own)") from None
    elif not _HOST_NAME.fullmatch(host):
        raise ValueError("it is neither an IP address nor a host name")
    return host


def _ports_can_be_shared(workers: int) -> int:
    if workers > 1 and not hasattr(socket, "SO_REUSEPORT"):
        raise ValueError("processes cannot share ports on this platform: it must be 1")
    return workers


Host = Annotated[str, Field(min_length=1), AfterValidator(_host)]
Port = Annotated[int, Field(ge=0, le=65535)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
ReadableFile = Annotated[Path, AfterValidator(_readable)]


class ServiceSettings(BaseSettings):
    """What every service can be told; a service adds fields of its own in a subclass.

        class Settings(ServiceSettings, prefix="GREETER_SERVICE_"):
            database_url: SecretStr

    Each field is an environment variable: `http_port` is `GREETER_SERVICE_HTTP_PORT`. Keyword
    arguments win over the environment.

    Args:
        prefix: Of the subclass: what the names of its variables begin with.

    Attributes:
        http_host: The address that the HTTP listener binds. `0.0.0.0` and `::` are all addresses
            of both families, for every listener; a name is its first IPv4 address, if it has one.
        http_port: Its port; 0 takes a free one.
        grpc_host: The address that the gRPC listener binds.
        grpc_port: Its port; 0 takes a free one.
        grpc_server: `aio`: gRPC is served at its own port, by grpc.aio. `none`: there is no such
            listener, gRPC is on the HTTP one alone, which then must have HTTP/2.
        http2: Whether the HTTP listener speaks HTTP/2 beside HTTP/1.1, and gRPC on it: by ALPN
            under TLS, by prior knowledge in clear. It needs the extra `http2`.
        admin_port: Where `/healthz`, `/readyz` and `/metrics` are served over plain HTTP too, at
            the HTTP listener's address, for probes that cannot do TLS; 0 takes a free one.
        workers: How many processes serve; more than one share the ports.
        tls_cert_file: The server's certificate chain, PEM. With it both listeners use TLS.
        tls_key_file: Its private key, PEM.
        tls_client_ca_file: Clients must show a certificate of this CA, PEM.
        drain_seconds: How long to go on serving after a stop was asked for, so that load
            balancers take notice.
        shutdown_grace_seconds: How long calls in flight may take to finish after that.
        read_timeout_seconds: How long a client may take for its handshakes and for the headers
            of an HTTP request, and to send each 10 KB of its body (or the rest) and to take each
            10 KB of its answer (20 seconds of 500 bytes a second). Only the body of a request
            stream that comes in chunks may pause.
        http_keepalive_seconds: How long an HTTP connection may be idle. Longer than load
            balancers keep theirs, or else they send requests to connections just closed.
        grpc_keepalive_seconds: How long a gRPC connection may be silent before it is pinged.
        max_connection_age_seconds: How old a connection may get, so that clients spread over
            new replicas; calls in flight are finished on it. 0: no limit.
        max_connection_age_grace_seconds: How long gRPC calls may last after that; 0: no limit.
        default_timeout_seconds: The deadline of calls that come without one; None: no deadline.
        max_message_bytes: The limit for each message that is received, in bytes, those of
            WebSockets included; and for the body of a request to a route of the team's own, but
            for multipart forms.
        max_header_bytes: The limit for a request's headers or metadata, in bytes; over HTTP/2
            at most 64 KiB, as it counts.
        max_concurrent_rpcs: How many calls each process serves at a time; None: any number.
        auth_tokens: The bearer tokens of which callers must show one, separated by commas; None:
            everyone may call.
        cors_allow_origins: The origins, separated by commas, whose pages browsers let call, by
            every protocol of the HTTP listener; `*` for any, without credentials; None: no others
            than its own.
        reflection: Whether the gRPC server describes its services to clients.
        log_level: The least severe messages that are logged.
        log_format: `json`, `console`, or None: `console` on a terminal and `json` elsewhere.
    """

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    http_host: Host = "127.0.0.1"
    http_port: Port = 8000
    grpc_host: Host = "127.0.0.1"
    grpc_port: Port = 50051
    grpc_server: Annotated[Literal["aio", "none"], BeforeValidator(_lower)] = "aio"
    http2: bool = False
    admin_port: Port | None = None
    workers: Annotated[int, Field(ge=1, le=1024), AfterValidator(_ports_can_be_shared)] = 1
    tls_cert_file: ReadableFile | None = None
    tls_key_file: ReadableFile | None = None
    tls_client_ca_file: ReadableFile | None = None
    drain_seconds: Seconds = 0.0
    shutdown_grace_seconds: Seconds = 10.0
    read_timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0
    http_keepalive_seconds: Seconds = 75.0
    grpc_keepalive_seconds: Annotated[float, Field(ge=1, le=86400)] = 60.0
    max_connection_age_seconds: Seconds = 300.0
    max_connection_age_grace_seconds: Seconds = 0.0
    default_timeout_seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    max_message_bytes: Annotated[int, Field(ge=1, le=2**31 - 1)] = 4 * 1024 * 1024
    max_header_bytes: Annotated[int, Field(ge=1024, le=1024 * 1024)] = 16 * 1024
    max_concurrent_rpcs: Annotated[int, Field(ge=1)] | None = None
    auth_tokens: Annotated[SecretStr, AfterValidator(_with_a_token)] | None = None
    cors_allow_origins: Annotated[str, AfterValidator(_of_origins)] | None = None
    reflection: bool = True
    log_level: Annotated[
        Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(_lower)
    ] = "info"
    log_format: Annotated[Literal["json", "console"], BeforeValidator(_lower)] | None = None

    def __init__(self, **values: Any) -> None:
        """Reads and validates all settings.

        Raises:
            SettingsError: At least one is wrong; all that are wrong are named.
        """
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise SettingsError("; ".join(map(self._one_line, error.errors()))) from None
        except UnreadableSetting as error:  # what should be JSON and is not
            name = _FIELD.search(str(error))
            variable = self._variable(name[1]) if name else "a setting"
            raise SettingsError(f"{variable}: it is no JSON of what it should be") from None

    def __init_subclass__(cls, *, prefix: str | None = None, **config: Any) -> None:
        super().__init_subclass__(**config)

    @classmethod
    def __pydantic_init_subclass__(cls, *, prefix: str | None = None, **config: Any) -> None:
        super().__pydantic_init_subclass__(**config)
        if prefix is not None:
            cls.model_config["env_prefix"] = prefix

    @classmethod
    def prefix(cls) -> str:
        """What the names of all environment variables begin with."""
        return cls.model_config.get("env_prefix", "")

    def environment(self) -> dict[str, str]:
        """The variables that make these settings, secrets included: for a process that is started.

        What is as it is by default is left out.
        """
        variables = {}
        for name in self.model_fields_set:
            value = getattr(self, name)
            if value is not None:
                plain = _plain(value)
                text = plain if isinstance(plain, str) else json.dumps(plain)
                variables[self._variable(name)] = text
        return variables

    @classmethod
    def unknown_variables(cls, environment: Iterable[str] = os.environ) -> list[str]:
        """Finds variables that are named like settings and are none, as misspelt ones are.

        Args:
            environment: The names of all variables.

        Returns:
            A line about each.
        """
        known = {cls._variable(name) for name in cls.model_fields}
        delimiter = cls.model_config.get("env_nested_delimiter")
        nested = tuple(f"{name}{delimiter.upper()}" for name in known) if delimiter else ()
        prefix = cls.prefix()
        lines = []
        for name in sorted(environment) if prefix else ():
            variable = name.upper()
            if not variable.startswith(prefix) or variable in known or variable.startswith(nested):
                continue
            if _OF_A_CLUSTER.fullmatch(variable.removeprefix(prefix)):
                continue
            from difflib import get_close_matches  # Here: hardly any start needs it.

            near = get_close_matches(variable, known, n=1, cutoff=0.0)[0]
            lines.append(f"{name} is no setting and changes nothing: is {near} meant?")
        return lines

    @classmethod
    def _variable(cls, name: str) -> str:
        """The variable that a field is read from; one with an alias is reported under that."""
        field = cls.model_fields.get(name)
        alias = name if field is None else field.validation_alias
        return alias.upper() if isinstance(alias, str) else f"{cls.prefix()}{name.upper()}"

    @classmethod
    def _one_line(cls, error: Any) -> str:
        message = error["msg"].removeprefix("Value error, ").replace("\n", " ")
        if not error["loc"]:
            return str(message)
        name, *inside = map(str, error["loc"])
        value = error["input"]
        where = cls._variable(name)
        if error["type"] == "extra_forbidden":  # Whatever was written there may be a secret.
            inside.pop()
        delimiter = cls.model_config.get("env_nested_delimiter")
        if inside and delimiter:
            where = delimiter.join([where, *inside]).upper()
        elif inside:
            where += f": {'.'.join(inside)}"
        field = cls.model_fields.get(name)
        # What is missing has all other settings for its value.
        if isinstance(value, str) and field and not _holds_secret(field.annotation):
            message += f" (it is {value!r})"
        elif isinstance(value, str) and value:  # such as int() quotes it
            message = message.replace(value, "**********")
        return f"{where}: {message}"

    @model_validator(mode="after")
    def _http2_can_be_spoken(self) -> Self:
        prefix = self.prefix()
        if self.grpc_server == "none" and not self.http2:
            raise ValueError(
                f"{prefix}GRPC_SERVER=none leaves gRPC to the HTTP listener: set {prefix}HTTP2=true"
            )
        if self.http2 and find_spec("zttp") is None:
            raise ValueError(
                f"{prefix}HTTP2 needs the package zttp, which the extra 'http2' of this package "
                "brings: EXTRAS=http2 for nox, --build-arg EXTRAS=http2 for an image"
            )
        return self

    @model_validator(mode="after")
    def _tls_files_go_together(self) -> Self:
        prefix = self.prefix()
        if (self.tls_cert_file is None) != (self.tls_key_file is None):
            raise ValueError(f"set both {prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE, or neither")
        if self.tls_client_ca_file is not None and self.tls_cert_file is None:
            raise ValueError(
                f"{prefix}TLS_CLIENT_CA_FILE needs {prefix}TLS_CERT_FILE and {prefix}TLS_KEY_FILE"
            )
        return self


def _plain(value: Any) -> Any:
    """The same as what JSON has, secrets as what they are."""
    if isinstance(value, Secret | SecretStr | SecretBytes):
        return _plain(value.get_secret_value())
    if isinstance(value, BaseModel | Mapping):
        return {str(name): _plain(part) for name, part in dict(value).items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    return to_jsonable_python(value)


def _holds_secret(annotation: Any, seen: tuple[Any, ...] = ()) -> bool:
    """Whether a value of this type has secrets in it, at whatever depth."""
    if annotation in seen:
        return False
    parts = [*get_args(annotation), getattr(annotation, "__value__", None)]
    if isinstance(annotation, type):
        if issubclass(annotation, Secret | SecretStr | SecretBytes):
            return True
        if not annotation.__module__.startswith(("builtins", "pathlib")):
            parts += get_type_hints(annotation).values()
    return any(_holds_secret(part, (*seen, annotation)) for part in parts if part is not None)
