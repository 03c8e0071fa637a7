"""connectrpc (Buf): a unary RPC in JSON, on the protobuf-py messages of its own generator."""

from __future__ import annotations

from typing import Any

from connect_bench.bench.v1.bench_connect import BenchASGIApplication
from connect_bench.bench.v1.bench_pb import GreetResponse
from serve import serve


class Service:
    async def greet(self, request: Any, _context: Any) -> Any:
        return GreetResponse(message=f"Hello, {request.name}!")

    async def echo(self, request: Any, _context: Any) -> Any:
        return request

    async def watch(self, _request: Any, _context: Any) -> Any:
        raise NotImplementedError  # Unary calls alone are measured here.


# Its Protocol also asks for a class method that the generated code provides to subclasses alone.
app = BenchASGIApplication(Service())  # type: ignore[arg-type]  # see above

if __name__ == "__main__":
    serve(app)
