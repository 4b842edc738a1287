// Paints a picture through a Vaporbrush server: node client.js HOME CONTENT WIDTH HEIGHT STYLE WIDTH HEIGHT OUT
// The pictures are files of raw RGB bytes. Written from protocol/SPEC.md alone; shares nothing with our Python.

import { createHash, randomUUID } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { decode, encode } from "@msgpack/msgpack";
import { Dealer } from "zeromq";

const PROTOCOL = "VPBR/1";
const ANSWER_MS = 40_000; // a watch waits 30 s at most
const [home, content, width, height, style, styleWidth, styleHeight, out] = process.argv.slice(2);

const daemon = JSON.parse(readFileSync(join(home, "connection.json"), "utf8"));
const socket = new Dealer({ plainUsername: "vaporbrush", plainPassword: daemon.token, linger: 0 });
socket.connect(daemon.endpoints[0]);

let lastId = 0;
const waiting = new Map();

async function listen() {
  for await (const [protocol, header, chunk] of socket) {
    if (protocol.toString() !== PROTOCOL) throw new Error(`the first frame is ${protocol}`);
    const reply = decode(header);
    const answer = waiting.get(reply.id);
    waiting.delete(reply.id);
    answer({ ...reply, chunk });
  }
}

async function ask(request, fields = {}, chunk = undefined) {
  const id = ++lastId;
  const answered = new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no answer to ${request}`)), ANSWER_MS);
    waiting.set(id, (reply) => (clearTimeout(late), resolve(reply)));
  });
  const frames = [PROTOCOL, encode({ id, request, ...fields })];
  await socket.send(chunk === undefined ? frames : [...frames, chunk]);
  const reply = await answered;
  if (!reply.ok) throw new Error(`${reply.error.code}: ${reply.error.message}`);
  return reply;
}

async function put(path, limits) {
  const bytes = readFileSync(path);
  const blob = createHash("sha256").update(bytes).digest("hex");
  const { have } = await ask("put", { blob, size: bytes.length });
  const chunks = [];
  for (let at = have; at < bytes.length; at += limits.max_chunk_bytes) {
    chunks.push([at, bytes.subarray(at, at + limits.max_chunk_bytes)]);
  }
  // as many at a time as the server allows
  while (chunks.length) {
    const window = chunks.splice(0, limits.max_outstanding);
    await Promise.all(window.map(([offset, chunk]) => ask("put", { blob, size: bytes.length, offset }, chunk)));
  }
  const { complete } = await ask("put", { blob, size: bytes.length });
  if (!complete) throw new Error(`${path} did not arrive`);
  return blob;
}

listen().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
const { limits, version } = await ask("hello", { client: "node", versions: [1] });
if (version !== 1) throw new Error(`the server speaks version ${version}`);
const image = async (path, w, h) => ({ blob: await put(path, limits), width: Number(w), height: Number(h), channels: "RGB" });
const recipe = {
  content: await image(content, width, height),
  styles: [{ image: await image(style, styleWidth, styleHeight) }],
  steps: 2,
};
const job = randomUUID();
let state = await ask("submit", { job, recipe, label: "node" });
while (["queued", "running"].includes(state.state)) state = await ask("watch", { job, seen: state.seq, wait_s: 10 });
if (state.state !== "done") throw new Error(`${state.state}: ${state.error.message}`);
const { blob, width: w, height: h } = state.result.image;
const pieces = [];
for (let at = 0; at < w * h * 3; at += limits.max_chunk_bytes) pieces.push((await ask("get", { blob, offset: at })).chunk);
const painting = Buffer.concat(pieces);
if (createHash("sha256").update(painting).digest("hex") !== blob) throw new Error("the painting is damaged");
writeFileSync(out, painting);
await ask("release", { job });
console.log(`${w}x${h}`);
process.exit(0);
