// Writes messages with the npm package cloudevents, as other people's systems
// would put them on NATS. Go reads them in pkg/events/codec_interop_test.go.
// Usage: node write.mjs FILE
import { writeFileSync } from "node:fs";
import { CloudEvent, HTTP } from "cloudevents";
import { plain } from "./events.mjs";

const fixtures = [];

function add(name, headers, body, event) {
  fixtures.push({ name, headers, body, event: plain(event) });
}

// The NATS binding asks for this; the npm package, made for HTTP, does not do it.
function percentEncode(value) {
  return [...Buffer.from(value, "utf8")]
    .map((b) => (b > 0x20 && b < 0x7f && b !== 0x22 && b !== 0x25 ? String.fromCharCode(b) : "%" + b.toString(16).toUpperCase().padStart(2, "0")))
    .join("");
}

const canonical = (name) => name.replace(/(^|-)[a-z]/g, (c) => c.toUpperCase());
const rename = (headers, f) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [f(k), v]));
const text = (headers) => Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), String(v)]));

const samples = {
  "a dial request": {
    id: "order-4711",
    source: "/crm",
    type: "io.outdial.dial.requested.v1",
    time: "2026-11-20T17:00:00.000Z",
    datacontenttype: "application/json",
    expirytime: "2026-11-20T17:30:00Z",
    data: { to: "+12025550123", huntGroup: "1045678", metadata: [{ key: "Name", value: "Zoë €" }] },
  },
  "words that need encoding": {
    id: "100% of it",
    source: "urn:crm:orders",
    type: "com.example.sold",
    subject: 'Euro € "100%"',
    time: "2026-11-20T17:00:00.123Z",
    datacontenttype: "application/json",
    comexampletext: "漢字 and spaces",
    data: ["a", 1, null, true, { b: "ü" }],
  },
  "only what is required, and data": {
    id: "1",
    source: "https://crm.example/orders?a=b#c",
    type: "t",
    time: "2026-11-20T17:00:00.000Z",
    data: { a: 1 },
  },
};

for (const [name, sample] of Object.entries(samples)) {
  const event = new CloudEvent(sample);
  const binary = HTTP.binary(event);
  const headers = text(binary.headers);
  add(`${name}: HTTP binary headers, copied one to one`, headers, binary.body, event);
  add(`${name}: the same, as HTTP spells them`, rename(headers, canonical), binary.body, event);

  const spec = {};
  for (const [k, v] of Object.entries(headers)) spec[k === "content-type" ? "ce-datacontenttype" : k] = percentEncode(v);
  add(`${name}: binary as the NATS binding says`, spec, binary.body, event);

  const structured = HTTP.structured(event);
  add(`${name}: structured`, text(structured.headers), structured.body, event);
  add(`${name}: structured, without charset`, { "Content-Type": "application/cloudevents+json" }, structured.body, event);
  add(`${name}: structured, without any header`, {}, structured.body, event);
}

writeFileSync(process.argv[2], JSON.stringify(fixtures, null, 2) + "\n");
console.log(`wrote ${fixtures.length} messages`);
