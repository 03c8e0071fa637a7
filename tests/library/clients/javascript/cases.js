// What every client is asked to do, and what it saw: the same, whichever protocol it speaks.
//
// `call(method, messages, options)` is one RPC: `messages` are the requests, an array or an
// asynchronous iterable; of `options`, `header` is metadata, `timeoutMs` the deadline, `signal`
// cancels, and `onMessage(message)` is told of each response. It gives `{messages, header,
// trailer}`, or throws `{code, message, details}`, with gRPC's number for the code.

export const DESCRIPTORS = "descriptors";

const names = (...all) => all.map((name) => ({ name }));

/** One message after the other, each when `next` is called. */
class Turns {
  #waiting = [];
  #wake = () => {};
  next(message) {
    this.#waiting.push(message);
    this.#wake();
  }
  async *[Symbol.asyncIterator]() {
    for (;;) {
      while (this.#waiting.length === 0) await new Promise((resolve) => (this.#wake = resolve));
      const message = this.#waiting.shift();
      if (message === null) return;
      yield message;
    }
  }
}

async function failure(promise) {
  try {
    return { succeeded: await promise };
  } catch (error) {
    if (typeof error.code !== "number") throw error;
    return { code: error.code, message: error.message, details: error.details };
  }
}

/** The cases of a client, by name; `abilities` says what it can do besides. */
export function cases(call, abilities) {
  const texts = async (...args) => (await call(...args)).messages.map((message) => message.message);
  const all = {
    unary: () => texts("SayHello", names("World")),
    unicode: () => texts("SayHello", names("Zoë 🌍")),
    empty: () => texts("SayHello", [{}]),
    large: async () => (await texts("SayHello", names("x".repeat(3_000_000))))[0].length,
    many: async () => {
      const calls = Array.from({ length: 50 }, (_, n) => texts("SayHello", names(`${n}`)));
      const answers = (await Promise.all(calls)).flat();
      return answers.every((text, n) => text === `Hello, ${n}!`) ? answers.length : answers;
    },
    metadata: async () => {
      const header = { "x-judge": "seen" };
      const answer = await call("SayHello", names("metadata"), { header });
      const { "x-initial": initial, "x-initial-bin": binary } = answer.header;
      return { initial, binary, trailing: answer.trailer["x-trailing"] };
    },
    error: () => failure(call("SayHello", names("error"))),
    details: () => failure(call("SayHello", names("details"))),
    unexpected: () => failure(call("SayHello", names("unexpected"))),
    tooLarge: async () => (await failure(call("SayHello", names("x".repeat(5_000_000))))).code,
    unimplemented: async () => (await failure(call("Unimplemented", [{}]))).code,
    deadline: async () => (await failure(call("SayHello", names("slow"), { timeoutMs: 300 }))).code,
    withoutToken: async () =>
      (await failure(call("SayHello", names("World"), { header: { authorization: "" } }))).code,
    serverStream: () => texts("WatchGreetings", [{ name: "World", count: 3 }]),
    serverStreamEmpty: () => texts("WatchGreetings", [{ name: "World" }]),
    serverStreamError: async () => {
      const seen = [];
      const onMessage = (message) => seen.push(message.message);
      const requests = [{ name: "failing", count: 2 }];
      return { error: await failure(call("WatchGreetings", requests, { onMessage })), seen };
    },
  };
  if (abilities.includes("cancel")) {
    all.cancel = async () => {
      const controller = new AbortController();
      const onMessage = () => controller.abort();
      const options = { signal: controller.signal, onMessage };
      return (await failure(call("WatchGreetings", [{ name: "endless" }], options))).code;
    };
  }
  if (abilities.includes("clientStream")) {
    all.clientStream = () => texts("CollectNames", names("Ada", "Grace"));
    all.clientStreamEmpty = () => texts("CollectNames", []);
  }
  if (abilities.includes("halfDuplex")) {
    all.halfDuplex = () => texts("Chat", names("Ada", "Grace"));
  }
  if (abilities.includes("fullDuplex")) {
    all.fullDuplex = async () => {
      const turns = new Turns();
      const seen = [];
      const onMessage = (message) => {
        seen.push(message.message);
        turns.next(seen.length < 3 ? { name: `${seen.length}` } : null);
      };
      turns.next({ name: "0" });
      await call("Chat", turns, { onMessage });
      return seen;
    };
  }
  return all;
}

/** Runs the cases one after the other; what was seen, or the fault, by the name of the case. */
export async function judge(call, abilities) {
  const seen = {};
  for (const [name, run] of Object.entries(cases(call, abilities))) {
    let timer;
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error("no answer in 20 seconds")), 20_000);
    });
    try {
      seen[name] = await Promise.race([run(), late]);
    } catch (error) {
      seen[name] = { fault: error instanceof Error ? `${error}` : JSON.stringify(error) };
    } finally {
      clearTimeout(timer);
    }
  }
  return seen;
}
