"""How a service scales: with its workers, and with the services in one process."""

from __future__ import annotations

import subprocess
import time
from dataclasses import replace
from pathlib import Path

from .environments import BENCHMARKS, Environments
from .load import peak, trial
from .peers import ServerSpec
from .results import add
from .rounds import Run, check_answer
from .servers import Cores, Server, running, wait_until_listening
from .targets import GRPC, HTTP, Target

SERVICES = (1, 10, 100)
WORKERS = (1, 2)
_MIB = 1024 * 1024
_START_SECONDS = 60.0
_SHAPE = (32, 1)
"""Connections, and calls at a time on each: enough of them for all workers to get their share."""


def measure_workers(run: Run, spec: ServerSpec) -> None:
    """Measures one worker and two, with all cores for the service and the load generator alike."""
    everywhere = f"{run.cores.server},{run.cores.client}"
    shared = Cores(everywhere, everywhere)
    targets = [_target(HTTP, "service", spec), _target(GRPC, "service-http2", spec)]
    for number in range(run.plan.scale_rounds):
        run.report(f"workers, round {number + 1} of {run.plan.scale_rounds}")
        for workers in WORKERS:
            variables = {"BENCH_WORKERS": str(workers)}
            with running(spec, run.environments, shared.server, variables) as server:
                _wait_until_all_serve(server)
                for target in targets:
                    rate = trial(target, server, run.small, shared)
                    count = round(rate * run.plan.peak_seconds)
                    found = peak(target, server, run.small, shared, count, shape=_SHAPE)
                    figures = run.results.workers.setdefault(target.protocol, {})
                    add(
                        figures.setdefault(str(workers), {}),
                        requests_per_second=found.requests_per_second,
                        cpu_us=found.cpu_us,
                        load_us=found.load_us,
                    )


def measure_services(run: Run, spec: ServerSpec) -> None:
    """Measures processes with more and more services: start, memory, and a call of the last one."""
    compile_services(run.environments, max(SERVICES))
    many = replace(spec, name="many", command=["many_services.py"])
    # The first start of each writes byte code and fills the page cache.
    for number in range(run.plan.scale_rounds + 1):
        run.report(f"services, round {number} of {run.plan.scale_rounds}")
        for count in SERVICES:
            last = count - 1
            http = replace(_target(HTTP, "service", many), path=f"/grpc/bench{last}/{{lower}}")
            grpc = replace(_target(GRPC, "service-http2", many), path=_path_of(last))
            begin = time.perf_counter()
            with running(many, run.environments, run.cores.server, {"MANY": str(count)}) as server:
                wait_until_listening(server, "port")
                check_answer(http, server, run.small)
                seconds, memory = time.perf_counter() - begin, server.memory_bytes() / _MIB
                figures = {"seconds": seconds, "memory_mib": memory}
                for target in (http, grpc):
                    requests = round(
                        trial(target, server, run.small, run.cores) * run.plan.peak_seconds
                    )
                    found = peak(target, server, run.small, run.cores, requests)
                    figures[f"{target.protocol}_us"] = found.cpu_us
            if number:
                add(run.results.services.setdefault(str(count), {}), **figures)


def compile_services(environments: Environments, count: int) -> None:
    """Compiles copies of bench.proto, each in a package of its own, into `stubs/many`."""
    protos = environments.cache / "many"
    (protos / "many").mkdir(parents=True, exist_ok=True)
    text = (BENCHMARKS / "protos" / "bench" / "v1" / "bench.proto").read_text(encoding="utf-8")
    for number in range(count):
        copy = text.replace("package bench.v1;", f"package many.bench{number};")
        (protos / "many" / f"bench{number}.proto").write_text(copy, encoding="utf-8")
    stubs: Path = environments.cache / "stubs"
    subprocess.run(
        [
            *(environments.python("plain"), "-m", "grpc_tools.protoc", f"-I{protos}"),
            *(f"--python_out={stubs}", f"--grpc_python_out={stubs}"),
            *(f"many/bench{number}.proto" for number in range(count)),
        ],
        check=True,
    )


def _wait_until_all_serve(server: Server) -> None:
    """Waits for the line that the service writes when each of its workers serves.

    Raises:
        RuntimeError: It does not come within a minute.
    """
    give_up_at = time.monotonic() + _START_SECONDS
    while b"serving HTTP on" not in server.log.read_bytes():
        if time.monotonic() > give_up_at:
            raise RuntimeError(f"the workers do not start: see {server.log}")
        time.sleep(0.01)  # between two looks


def _path_of(number: int) -> str:
    return f"/many.bench{number}.Bench/{{method}}"


def _target(targets: tuple[Target, ...], name: str, spec: ServerSpec) -> Target:
    found = next(target for target in targets if target.name == name)
    return replace(found, server=spec.name)
