// Publishes dial requests as the npm packages write them, in both modes, to a
// running outdial, and waits for what becomes of the calls.
// usage: node live.mjs nats://host:port
import { connect, headers } from "@nats-io/transport-node";
import { CloudEvent, HTTP } from "cloudevents";

const nc = await connect({ servers: process.argv[2] });
const ends = new Map(); // call ─▶ outcome
const sub = nc.subscribe("calls.acme.*.orchestrator.closed");
const listening = (async () => {
  for await (const m of sub) ends.set(m.subject.split(".")[2], m.json().outcome);
})();
await nc.flush();

const calls = [];
for (const mode of ["binary", "structured"]) {
  const event = new CloudEvent({
    type: "io.outdial.dial.requested.v1", source: "/npm", id: mode,
    data: { to: "+14355551234", agent: "2098765", reference: mode,
      metadata: [{ key: "Account", value: "ABC1234" }, { key: "Zip Code", value: "84770" }] },
  });
  const message = HTTP[mode](event);
  const h = headers();
  for (const [name, value] of Object.entries(message.headers)) h.set(name, String(value));
  const body = typeof message.body === "string" ? message.body : JSON.stringify(message.body);
  const ack = await nc.request("dial.requests.acme", body, { headers: h, timeout: 5000 });
  if (ack.json().error) throw new Error(mode + ": " + JSON.stringify(ack.json()));
  const answer = await ask("call.get", { source: "/npm", id: mode });
  calls.push({ mode, call: answer.call });
}

// A call is on record a moment after its request is.
async function ask(verb, body) {
  for (let tries = 0; ; tries++) {
    const m = await nc.request("outdial.acme." + verb, JSON.stringify(body), { timeout: 5000 });
    const code = m.headers?.get("Nats-Service-Error-Code");
    if (!code) return m.json();
    if (code !== "404" || tries > 50) throw new Error(verb + ": " + code);
    await new Promise((r) => setTimeout(r, 100));
  }
}

const deadline = Date.now() + 60000;
while (calls.some((c) => !ends.has(c.call)) && Date.now() < deadline) await new Promise((r) => setTimeout(r, 100));
let wrong = 0;
for (const c of calls) {
  const outcome = ends.get(c.call) ?? "still open";
  console.log(`${c.mode}: ${outcome}`);
  if (outcome !== "completed") wrong++;
}
sub.unsubscribe();
await listening;
await nc.close();
process.exit(wrong ? 1 : 0);
