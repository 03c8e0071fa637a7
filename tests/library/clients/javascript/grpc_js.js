// RPCs by gRPC's own client for Node.js.

import * as grpc from "@grpc/grpc-js";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";

/** A `call` as `cases.js` wants it. */
export function grpcCall(service, statusType, { url, metadata }) {
  const client = new grpc.Client(url.replace(/^http:\/\//, ""), grpc.credentials.createInsecure());
  return (name, messages, options = {}) => {
    const method = service.methods.find((one) => one.name === name) ?? {
      ...service.methods[0],
      name,
    };
    const header = new grpc.Metadata();
    for (const [key, value] of Object.entries({ ...metadata, ...options.header })) {
      header.set(key, value);
    }
    return new Promise((resolve, reject) => {
      const call = client.makeBidiStreamRequest(
        `/${service.typeName}/${name}`,
        (message) => Buffer.from(toBinary(method.input, create(method.input, message))),
        (bytes) => fromBinary(method.output, bytes),
        header,
        options.timeoutMs ? { deadline: Date.now() + options.timeoutMs } : {},
      );
      options.signal?.addEventListener("abort", () => call.cancel());
      const seen = { messages: [], header: {}, trailer: {} };
      call.on("metadata", (initial) => (seen.header = plain(initial)));
      call.on("data", (message) => {
        seen.messages.push(message);
        options.onMessage?.(message);
      });
      call.on("error", () => {});
      call.on("status", (status) => {
        seen.trailer = plain(status.metadata);
        if (status.code === grpc.status.OK) resolve(seen);
        else reject({ code: status.code, message: status.details, details: details(statusType, status.metadata) });
      });
      write(call, messages);
    });
  };
}

async function write(call, messages) {
  for await (const message of messages) call.write(message);
  call.end();
}

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

function plain(metadata) {
  return Object.fromEntries(
    Object.entries(metadata.getMap()).map(([name, value]) => [
      name,
      Buffer.isBuffer(value) ? base64(value) : value,
    ]),
  );
}

function details(statusType, trailer) {
  const [binary] = trailer.get("grpc-status-details-bin");
  if (binary === undefined) return [];
  return fromBinary(statusType, binary).details.map((any) => [
    any.typeUrl.replace(/^.*\//, ""),
    base64(any.value),
  ]);
}
