// The clients of Node.js: connect-node by three protocols, and grpc-js.
//
//     node node.js '{"descriptors": FILE, "url": URL, "metadata": {...}, "clients": [...]}'
//
// prints what each has seen, as JSON.

import { readFileSync } from "node:fs";
import {
  compressionGzip as gzip,
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { judge } from "./cases.js";
import { connectCall } from "./connect.js";
import { described } from "./greeter.js";
import { grpcCall } from "./grpc_js.js";

const STREAMS = ["cancel", "clientStream", "halfDuplex"];
const options = JSON.parse(process.argv[2]);
const { service, status } = described(readFileSync(options.descriptors));
const transports = {
  connect: createConnectTransport,
  "grpc-web": createGrpcWebTransport,
  grpc: createGrpcTransport,
};

/** A client by its name, such as `connect 2 json`: protocol, HTTP version, and how it writes. */
function client(name) {
  const [protocol, version, format] = name.split(" ");
  const abilities = version === "2" ? [...STREAMS, "fullDuplex"] : STREAMS;
  if (protocol === "grpc-js") return [grpcCall(service, status, options), abilities];
  const settings = { baseUrl: options.url, httpVersion: version === "2" ? "2" : "1.1" };
  if (format === "json") settings.useBinaryFormat = false;
  if (format === "gzip") {
    settings.sendCompression = gzip;
    settings.acceptCompression = [gzip];
    settings.compressMinBytes = 0;
  }
  return [connectCall(service, transports[protocol](settings), options.metadata), abilities];
}

const seen = {};
for (const name of options.clients) seen[name] = await judge(...client(name));
process.stdout.write(JSON.stringify(seen), () => process.exit());
