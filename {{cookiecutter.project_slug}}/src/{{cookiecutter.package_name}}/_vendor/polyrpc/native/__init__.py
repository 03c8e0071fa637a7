"""RPCs over gRPC, by the server of `grpc.aio`."""
