"""The generated service with many servicers: MANY of those below `stubs/many`, in one process."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from bench.gateway import Service, run
from bench.settings import Settings
from esmerald import Esmerald


def servicer(number: int) -> type[Any]:
    pb = import_module(f"many.bench{number}_pb2")
    pb_grpc = import_module(f"many.bench{number}_pb2_grpc")

    class Servicer(pb_grpc.BenchServicer):  # type: ignore[misc, name-defined]  # made at run time
        @classmethod
        def __add_to_server__(cls, instance: Any, server: Any) -> None:
            pb_grpc.add_BenchServicer_to_server(instance, server)

        async def Greet(self, request: Any, context: Any) -> Any:
            return pb.GreetResponse(message=f"Hello, {request.name}!")

    # The gateway names routes after the servicer's class.
    Servicer.__name__ = f"Bench{number}"
    return Servicer


def create_app(settings: Settings | None = None) -> Esmerald:
    servicers = [servicer(number) for number in range(int(os.environ["MANY"]))]
    app: Esmerald = Service(settings or Settings(), package="bench", servicers=servicers).app
    return app


if __name__ == "__main__":
    run(create_app, Settings)
