// Requests an import by queue message and prints the receipt. Node 18 or newer, nothing to install:
//   REDIS_URL=rediss://… PRODUCER=ID PRODUCER_SECRET=pqs_… \
//     node request_import.mjs '{"practice_id": "…", "request_id": "order-4711", …}'
import { createHmac, randomUUID } from "node:crypto";
import { connect } from "node:net";
import { connect as connectSafely } from "node:tls";

const NAMESPACE = process.env.REDIS_NAMESPACE ?? "portal";
const url = new URL(process.env.REDIS_URL ?? "redis://127.0.0.1:6379/0");
const request = JSON.parse(process.argv[2]);
const receiptKey = `${NAMESPACE}:receipts:${request.practice_id.toLowerCase()}:${request.request_id.trim()}`;
const messageId = randomUUID();

/** The first reply in the bytes, and where the next one begins; undefined while the reply is incomplete. */
function parse(bytes, start = 0) {
  const end = bytes.indexOf("\r\n", start);
  if (end < 0) return undefined;
  const line = bytes.toString("utf8", start + 1, end);
  const kind = String.fromCharCode(bytes[start]);
  let next = end + 2;
  if (kind === "+") return { value: line, next };
  if (kind === "-") return { value: new Error(line), next };
  if (kind === ":") return { value: Number(line), next };
  if (Number(line) < 0) return { value: null, next };
  if (kind === "$") {
    const after = next + Number(line);
    return bytes.length < after + 2 ? undefined : { value: bytes.toString("utf8", next, after), next: after + 2 };
  }
  const values = []; // "*", an array
  for (let count = Number(line); count > 0; count--) {
    const item = parse(bytes, next);
    if (item === undefined) return undefined;
    values.push(item.value);
    next = item.next;
  }
  return { value: values, next };
}

/** Sends commands together and returns their replies; throws if one of them is an error. */
function redis(socket, ...commands) {
  const wire = commands.map((words) =>
    [`*${words.length}\r\n`, ...words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`)].join(""),
  );
  return new Promise((resolve, reject) => {
    let bytes = Buffer.alloc(0);
    const done = (settle, value) => {
      socket.off("data", take).off("error", fail).off("close", fail);
      settle(value);
    };
    const fail = (error) => done(reject, error instanceof Error ? error : new Error("Redis closed the connection"));
    const take = (chunk) => {
      bytes = Buffer.concat([bytes, chunk]);
      const replies = [];
      for (let next = 0; replies.length < commands.length; ) {
        const reply = parse(bytes, next);
        if (reply === undefined) return;
        replies.push(reply.value);
        next = reply.next;
      }
      const wrong = replies.flat().find((reply) => reply instanceof Error);
      wrong ? done(reject, wrong) : done(resolve, replies);
    };
    socket.on("data", take).on("error", fail).on("close", fail);
    socket.write(wire.join(""));
  });
}

/** The request with its signature: HMAC-SHA256 of its JSON with sorted names and without spaces. */
function signed(fields, producer, secret) {
  const sorted = Object.fromEntries(Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1)));
  const signature = createHmac("sha256", secret).update(JSON.stringify(sorted)).digest("hex");
  return { ...fields, producer, signature };
}

/** Puts the request on the queue: two keys in one MULTI, so that no message id exists without its content. */
async function send(socket) {
  const id = randomUUID();
  const message = {
    queue_name: "import_requests",
    actor_name: "request_import",
    args: [],
    kwargs: signed(request, process.env.PRODUCER, process.env.PRODUCER_SECRET),
    options: { redis_message_id: id },
    message_id: messageId,
    message_timestamp: Date.now(),
  };
  await redis(
    socket,
    ["MULTI"],
    ["HSET", `${NAMESPACE}:import_requests.msgs`, id, JSON.stringify(message)],
    ["RPUSH", `${NAMESPACE}:import_requests`, id],
    ["EXEC"],
  );
}

/**
 * The receipt of our message. If none comes within the seconds, that of another message that was accepted under the same
 * request_id; otherwise undefined. A refusal of another message says nothing about ours.
 */
async function receipt(socket, seconds) {
  let found;
  for (const until = Date.now() + seconds * 1000; Date.now() < until; ) {
    const [text] = await redis(socket, ["GET", receiptKey]);
    found = text === null ? undefined : JSON.parse(text);
    if (found?.message_id === messageId) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return found?.status === "accepted" ? found : undefined;
}

const port = Number(url.port || 6379);
const socket = (
  url.protocol === "rediss:" ? connectSafely({ port, host: url.hostname, servername: url.hostname }) : connect(port, url.hostname)
).on("error", () => {});
if (url.password) await redis(socket, ["AUTH", url.username || "default", decodeURIComponent(url.password)]);
await redis(socket, ["SELECT", url.pathname.slice(1) || "0"]);
let found;
while (found === undefined) {
  await send(socket); // the same request_id never creates a second import
  found = await receipt(socket, 10);
}
console.log(JSON.stringify(found));
socket.destroy();
process.exitCode = found.status === "accepted" && !found.refused ? 0 : 1;
