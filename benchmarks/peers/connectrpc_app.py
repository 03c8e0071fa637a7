"""connectrpc (Buf), on the protobuf-py messages of its own generator.

uvicorn serves it for JSON over HTTP/1.1, pyvoy for gRPC: the server that its documentation names
for HTTP/2.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from connect_bench.bench.v1.bench_connect import BenchASGIApplication
from connect_bench.bench.v1.bench_pb import GreetResponse, WatchResponse


class Service:
    async def greet(self, request: Any, _context: Any) -> Any:
        return GreetResponse(message=f"Hello, {request.name}!")

    async def echo(self, request: Any, _context: Any) -> Any:
        return request

    async def watch(self, request: Any, _context: Any) -> AsyncIterator[Any]:
        for number in range(request.count):
            yield WatchResponse(message=f"Hello, {request.name}! ({number})")


# Its Protocol also asks for a class method that the generated code provides to subclasses alone.
app = BenchASGIApplication(Service())  # type: ignore[arg-type]  # see above

if __name__ == "__main__":
    from serve import serve  # Here: pyvoy has no uvicorn.

    serve(app)
