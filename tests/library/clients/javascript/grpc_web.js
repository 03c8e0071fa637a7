// RPCs by gRPC's own client for browsers, in its two modes: `grpcwebtext`, and `grpcweb`.

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";

/** A `call` as `cases.js` wants it. */
export function grpcWebCall(service, statusType, { url, metadata }, format) {
  const client = new GrpcWebClientBase({ format });
  return (name, messages, options = {}) => {
    const method = service.methods.find((one) => one.name === name) ?? {
      ...service.methods[0],
      name,
    };
    const path = `/${service.typeName}/${name}`;
    const isStream = method.methodKind === "server_streaming";
    const descriptor = new MethodDescriptor(
      path,
      isStream ? MethodType.SERVER_STREAMING : MethodType.UNARY,
      Object,
      Object,
      (message) => toBinary(method.input, create(method.input, message)),
      (bytes) => fromBinary(method.output, bytes),
    );
    const header = { ...metadata, ...options.header };
    // The client's way to ask for a deadline: as a point in time.
    if (options.timeoutMs) header.deadline = `${Date.now() + options.timeoutMs}`;
    return new Promise((resolve, reject) => {
      const seen = { messages: [], header: {}, trailer: {} };
      const fail = (error) =>
        reject({
          code: error.code,
          message: error.message,
          details: details(statusType, error.metadata ?? {}),
        });
      const take = (message) => {
        seen.messages.push(message);
        options.onMessage?.(message);
      };
      const call = isStream
        ? client.serverStreaming(url + path, messages[0], header, descriptor)
        : client.rpcCall(url + path, messages[0], header, descriptor, (error, message) => {
            if (error) fail(error);
            else take(message);
          });
      options.signal?.addEventListener("abort", () => {
        call.cancel();
        reject({ code: 1, message: "", details: [] }); // it says nothing itself
      });
      if (isStream) {
        call.on("data", take);
        call.on("error", fail);
      }
      call.on("metadata", (initial) => (seen.header = initial));
      call.on("status", (status) => (seen.trailer = status.metadata ?? {}));
      call.on("end", () => resolve(seen));
    });
  };
}

function details(statusType, trailer) {
  const binary = trailer["grpc-status-details-bin"];
  if (binary === undefined) return [];
  const bytes = Uint8Array.from(atob(binary), (letter) => letter.charCodeAt(0));
  return fromBinary(statusType, bytes).details.map((any) => [
    any.typeUrl.replace(/^.*\//, ""),
    btoa(String.fromCharCode(...any.value)),
  ]);
}
