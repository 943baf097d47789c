// The design that Cofferdam replaces: one event through a Node gateway, step by step, with the
// libraries that such gateways use. It is meant to be a fair opponent: everything that can be made
// ready once is (schema, keys, subscriptions), nothing is copied without need, and an event that
// nobody subscribed to ends right after the lookup.
//
//   node pipeline.mjs EVENTS.ndjson --match 1|100 [--seconds 10] [--warmup 3] [--policy FILE]
//
// Prints one line of JSON. CPU seconds are those of the whole process, so the collector's and the
// compiler's threads count.
//
// `--match` decides which events of the file are subscribed to: of every hundred, that many spread
// evenly. The others have the `v2.` of their topic overwritten by `v0.`, which nobody subscribes to,
// before the clock starts; so both modes read events of the same size and shape.

import { createHmac, createSecretKey, randomBytes } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import Ajv from "ajv";
import { JSONPath } from "jsonpath-plus";

const QUEUE_CAPACITY = 4_096;
const BATCH = 256; // Events between two looks at the clock.

// ---- Made ready once -----------------------------------------------------------------------------

const text = { type: "string", maxLength: 4_096 };
const SCHEMA = {
  type: "object",
  required: ["topicName", "version", "eventBody"],
  properties: {
    topicName: { type: "string", minLength: 3, maxLength: 200 },
    version: { enum: ["2"] },
    metadata: { type: "object", properties: { CorrelationId: { type: "string", maxLength: 64 } } },
    eventBody: {
      type: "object",
      properties: {
        id: text,
        direction: text,
        state: text,
        queueId: text,
        mediaType: text,
        caller: { type: "object", properties: { phoneNumber: text, name: text } },
        interaction: { type: "object", properties: { contactId: text } },
        telephony: {
          type: "object",
          properties: { call: { type: "object", properties: { recordingUrl: text } } },
        },
        participants: {
          type: "array",
          items: { type: "object", properties: { id: text, purpose: text, name: text } },
        },
      },
    },
  },
};

/** Topic -> rules. A rule asks for one of some values at each of a few places. */
function subscribe(topics) {
  const rules = [
    { filters: [["version", new Set(["2"])], ["eventBody.direction", new Set(["inbound", "outbound"])]] },
    { filters: [["version", new Set(["2"])]] },
  ];
  for (const rule of rules) rule.filters = rule.filters.map(([path, values]) => [path.split("."), values]);
  return new Map([...topics].map((topic) => [topic, rules]));
}

function at(value, path) {
  for (const name of path) {
    if (value === null || typeof value !== "object") return undefined;
    value = value[name];
  }
  return value;
}

const passes = (event, rule) => rule.filters.every(([path, values]) => values.has(at(event, path)));

/** `X` keeps the character that stands as far from the end; all else stands as in the format. */
function mask(value, format) {
  const source = String(value);
  return Array.from(format, (sign, index) => (sign === "X" ? source.at(index - format.length) ?? "*" : sign)).join("");
}

/** One function per rule of a policy document, from the value to what replaces it. */
function compileRedaction(policy, key) {
  const strategies = {
    mask: ({ format }) => (value) => mask(value, format),
    hash: () => (value) => createHmac("sha256", key).update(String(value)).digest("base64url"),
    omit: () => () => undefined,
  };
  return policy.redactionRules.map((rule) => ({ path: rule.path, replace: strategies[rule.strategy](rule) }));
}

function redact(event, rules) {
  for (const { path, replace } of rules) {
    for (const hit of JSONPath({ path, json: event, resultType: "all", eval: false })) {
      const next = replace(hit.value);
      if (next === undefined) delete hit.parent[hit.parentProperty];
      else hit.parent[hit.parentProperty] = next;
    }
  }
}

// ---- The way of an event -------------------------------------------------------------------------

function pipeline({ subscriptions, policy }) {
  const validate = new Ajv({ allErrors: false }).compile(SCHEMA);
  const redaction = compileRedaction(policy, createSecretKey(randomBytes(32)));
  const signing = createSecretKey(randomBytes(32));
  const queue = new Array(QUEUE_CAPACITY).fill(null);
  let queued = 0;

  /** Takes one frame as it came from the socket; whether it was queued. */
  return function handle(frame) {
    const event = JSON.parse(frame.toString("utf8"));
    const rules = subscriptions.get(event.topicName);
    if (rules === undefined || !rules.some((rule) => passes(event, rule))) return false;
    if (!validate(event)) throw new Error("an event of the file does not fit the schema");
    redact(event, redaction);
    const body = JSON.stringify(event);
    const signature = createHmac("sha256", signing).update(body).digest("hex");
    queue[queued % QUEUE_CAPACITY] = { body, signature };
    queued += 1;
    return true;
  };
}

// ---- The measurement -----------------------------------------------------------------------------

/** The file's events as buffers, `share` of a hundred under a topic that is subscribed to. */
function load(file, share) {
  const topics = new Set();
  const frames = [];
  for (const line of readFileSync(file, "utf8").split("\n")) {
    if (line === "") continue;
    const { topicName } = JSON.parse(line);
    if (typeof topicName !== "string" || !topicName.startsWith("v2.")) throw new Error("every line must be an event with a v2 topic");
    const wanted = Math.floor(((frames.length + 1) * share) / 100) > Math.floor((frames.length * share) / 100);
    topics.add(topicName);
    frames.push(Buffer.from(wanted ? line : line.replace(`"${topicName}"`, `"v0${topicName.slice(2)}"`)));
  }
  if (frames.length < 100) throw new Error("want at least a hundred events");
  return { topics, frames };
}

/** Goes round the frames for `seconds`; how many events that were and what they cost. */
function run(handle, frames, seconds) {
  const until = performance.now() + seconds * 1_000;
  const started = process.cpuUsage();
  let [events, matched, next] = [0, 0, 0];
  do {
    for (let left = BATCH; left > 0; left -= 1) {
      if (handle(frames[next])) matched += 1;
      next = next + 1 === frames.length ? 0 : next + 1;
    }
    events += BATCH;
  } while (performance.now() < until);
  const { user, system } = process.cpuUsage(started);
  return { events, matched, cpu: (user + system) / 1e6 };
}

function readPolicy(given) {
  const shared = process.env.COFFERDAM_SHARED ?? fileURLToPath(new URL("../../../shared", import.meta.url));
  const file = given ?? join(shared, "api", "redaction-policy.json");
  if (!existsSync(file)) throw new Error("no redaction policy: pass --policy FILE or set COFFERDAM_SHARED");
  return JSON.parse(readFileSync(file, "utf8"));
}

function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      match: { type: "string", default: "1" },
      seconds: { type: "string", default: "10" },
      warmup: { type: "string", default: "3" },
      policy: { type: "string" },
    },
  });
  const share = Number(values.match);
  if (positionals.length !== 1 || ![1, 100].includes(share)) {
    throw new Error("usage: node pipeline.mjs EVENTS.ndjson --match 1|100 [--seconds N] [--warmup N] [--policy FILE]");
  }
  const { topics, frames } = load(positionals[0], share);
  const handle = pipeline({ subscriptions: subscribe(topics), policy: readPolicy(values.policy) });

  run(handle, frames, Number(values.warmup));
  const { events, matched, cpu } = run(handle, frames, Number(values.seconds));

  // A run that did other work than it says must not be read as a figure.
  const seen = (100 * matched) / events;
  if (Math.abs(seen - share) > 0.1) throw new Error(`${seen.toFixed(2)} % matched, not ${share} %`);
  const bytes = frames.reduce((sum, frame) => sum + frame.length, 0) / frames.length;
  console.log(JSON.stringify({
    mode: `match-${share}`,
    events,
    cpu_seconds: Number(cpu.toFixed(3)),
    events_per_cpu_second: Math.round(events / cpu),
    matched,
    mean_bytes: Math.round(bytes),
    node: process.version,
  }));
}

try {
  main();
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
