"""The `google.api.http` paths of a proto, checked as the service would when it starts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from ..transcoding.http_rule import check
from .sources import RefusedError, is_installed, pool_of

# What every service answers itself.
TAKEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs/swagger")


def check_paths(main: str, described: FileDescriptorSet, routes: Iterable[tuple[str, str]]) -> None:
    """Refuse REST paths of the proto `main` that would not be served.

    Args:
        main: Its path below protos/.
        described: What protos/ is going to hold, compiled.
        routes: The HTTP methods and paths of the project's RPCs themselves.

    Raises:
        RefusedError: The first that would not, with the reason.
    """
    pool = pool_of(described)
    names = [file.name for file in described.file if not is_installed(file.name)]
    older = [rpc for name in names if name != main for rpc in rpcs_of(pool, name)]
    taken = [*(("GET", path) for path in TAKEN), *routes]
    # What the project lived with before is not the new proto's fault.
    known = set(check(older, taken))
    for problem in check([*older, *rpcs_of(pool, main)], taken):
        if problem not in known:
            reason = problem.removesuffix("; change one path")
            raise RefusedError(f"{reason}: change the annotation, or take it out.")


def rpcs_of(pool: DescriptorPool, proto: str) -> Iterator[MethodDescriptor]:
    """Yield the RPCs of a file."""
    for service in pool.FindFileByName(proto).services_by_name.values():
        yield from service.methods
