// The clients of browsers: connect-web by two protocols, and grpc-web in its two modes.
//
// A page calls `judges({descriptors: BASE64, url, metadata, clients: [...]})`.

import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { judge } from "./cases.js";
import { connectCall } from "./connect.js";
import { described } from "./greeter.js";
import { grpcWebCall } from "./grpc_web.js";

function client(name, options) {
  const bytes = Uint8Array.from(atob(options.descriptors), (letter) => letter.charCodeAt(0));
  const { service, status } = described(bytes);
  const [library, protocol, format] = name.split(" ");
  if (library === "grpc-web") return grpcWebCall(service, status, options, protocol);
  const useBinaryFormat = format !== "json";
  const transport =
    protocol === "connect"
      ? createConnectTransport({ baseUrl: options.url, useBinaryFormat })
      : createGrpcWebTransport({ baseUrl: options.url, useBinaryFormat });
  return connectCall(service, transport, options.metadata);
}

globalThis.judges = async (options) => {
  const seen = {};
  for (const name of options.clients) {
    // This one shows a stream when it has ended: nothing of an endless one, to be cancelled then.
    const abilities = name === "grpc-web binary" ? [] : ["cancel"];
    seen[name] = await judge(client(name, options), abilities);
  }
  return seen;
};
