"""What the services of recipes talk to: a receiver, an issuer of tokens, another service."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa


@dataclass
class Web:
    """An HTTP server.

    Attributes:
        url: Where it is.
        status: What it answers with.
        document: What a GET is answered with.
        posts: The JSON that was posted to it, and answered with a status below 400.
        refused: How many other posts there were.
        on_post: Called with each, before it is answered.
    """

    url: str = ""
    status: int = 200
    document: Any = None
    posts: list[Any] = field(default_factory=list)
    refused: int = 0
    on_post: Callable[[Any], None] = lambda _: None


@contextmanager
def web() -> Iterator[Web]:
    """Runs an HTTP server in a thread."""
    state = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if state.status < 400:
                state.posts.append(json.loads(body))
                state.on_post(state.posts[-1])
            else:
                state.refused += 1
            self._answer()

        def _answer(self) -> None:
            body = json.dumps(state.document).encode()
            self.send_response(state.status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """It says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


class SigningKey:
    """A key of an issuer: signs JWTs (RFC 7519, RS256), and is published as JWK (RFC 7517)."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def published(self) -> dict[str, str]:
        numbers = self._key.public_key().public_numbers()
        return {
            **{"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self._name},
            "n": _base64(numbers.n.to_bytes(256, "big")),
            "e": _base64(numbers.e.to_bytes(3, "big")),
        }

    def token(self, **claims: Any) -> str:
        """A token that is good for a minute, unless the claims say otherwise."""
        header = {"alg": "RS256", "typ": "JWT", "kid": self._name}
        claims = {"sub": "ada", "exp": int(time.time()) + 60, **claims}
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        signature = self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{_base64(signature)}"


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Stock:
    """The service that another team runs.

    Attributes:
        target: Where it is.
        metadata: What came with each call.
        remaining: The seconds that each call had.
        hangs: Whether it answers.
    """

    target: str = ""
    metadata: list[dict[str, Any]] = field(default_factory=list)
    remaining: list[float] = field(default_factory=list)
    hangs: bool = False


@asynccontextmanager
async def stock_service() -> AsyncIterator[Stock]:
    """Runs `stock.v1.Stock`, with 3 of everything."""
    stock = Stock()

    async def get_left(_request: bytes, context: Any) -> bytes:
        stock.metadata.append(dict(context.invocation_metadata()))
        stock.remaining.append(context.time_remaining())
        if stock.hangs:
            await asyncio.Event().wait()
        return bytes([8, 3])

    # The constructor's type knows plain functions only, where grpc.aio takes coroutine functions.
    function: Any = get_left
    handlers: dict[str, Any] = {"GetLeft": grpc.unary_unary_rpc_method_handler(function)}
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("stock.v1.Stock", handlers)]
    )
    stock.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield stock
    finally:
        await server.stop(None)
