// RPCs by a transport of Connect's: connect-node or connect-web.

import { create, toBinary } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";

/** A `call` as `cases.js` wants it. */
export function connectCall(service, transport, metadata) {
  return async (name, messages, options = {}) => {
    const method = service.methods.find((one) => one.name === name) ?? {
      ...service.methods[0],
      name,
    };
    const header = new Headers({ ...metadata, ...options.header });
    const seen = [];
    const take = (message) => {
      seen.push(message);
      options.onMessage?.(message);
    };
    try {
      const rest = [method, options.signal, options.timeoutMs, header];
      let answer;
      if (method.methodKind === "unary") {
        answer = await transport.unary(...rest, create(method.input, messages[0]));
        take(answer.message);
      } else {
        answer = await transport.stream(...rest, requests(method, messages));
        for await (const message of answer.message) take(message);
      }
      return { messages: seen, header: plain(answer.header), trailer: plain(answer.trailer) };
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      throw { code: error.code, message: error.rawMessage, details: error.details.map(detail) };
    }
  };
}

async function* requests(method, messages) {
  for await (const message of messages) yield create(method.input, message);
}

const plain = (headers) => Object.fromEntries(headers.entries());

/** Name and content of a detail: as it came, or as the client has it before it is sent. */
function detail(any) {
  const value = any.type === undefined ? toBinary(any.desc, create(any.desc, any.value)) : any.value;
  return [any.type ?? any.desc.typeName, btoa(String.fromCharCode(...value))];
}
