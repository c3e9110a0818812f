// The relay script in a page that is made of stubs: node --test test/interop
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import vm from "node:vm";

const script = readFileSync(new URL("../../pkg/providers/acqueon/bus/desktop/relay.js", import.meta.url), "utf8");
const DESK = "https://desk.example.com";
const CALL = { channel: "Webexcc", topic: "outbound", subtopic: "OutBoundCallStateChange", message: { call: { event: "acw" } } };

// A page with a hand-wound clock, sockets that are played by the test, and a
// storage that can be shared between two pages of one tab.
function page({ storage = new Map(), denied = false, ready = true } = {}) {
  const sockets = [], posted = [], timers = [], listeners = [];
  const time = { ticks: 0, wall: 1_000_000 };
  class Socket {
    constructor(url, protocols) {
      Object.assign(this, { url, protocols, sent: [], closedWith: null });
      sockets.push(this);
    }
    send(text) { this.sent.push(JSON.parse(text)); }
    close(code) { this.closedWith = code; }
    say(m) { this.onmessage({ data: typeof m === "string" ? m : JSON.stringify(m) }); }
    hello(at = 5_000_000) { this.say({ outdial: "hello", session: "s" + sockets.length, time: at }); }
    drop(code = 1006) { this.onclose({ code }); }
    events() { return this.sent.filter((m) => !m.outdial); }
    answers() { return this.sent.filter((m) => m.outdial === "ack" || m.outdial === "nak"); }
    presence() { return this.sent.filter((m) => m.outdial === "presence"); }
  }
  const target = { postMessage: (m, origin) => posted.push({ m, origin, answered: sockets.at(-1)?.answers().length }) };
  const window = {
    WebSocket: Socket, Math, JSON,
    Date: { now: () => time.wall }, performance: { now: () => time.ticks },
    sessionStorage: {
      getItem: (k) => { if (denied) throw new Error("denied"); return storage.get(k) ?? null; },
      setItem: (k, v) => { if (denied) throw new Error("denied"); storage.set(k, v); },
    },
    addEventListener: (kind, f) => { assert.equal(kind, "message"); listeners.push(f); },
    setTimeout: (f, ms) => { timers.push({ f, ms }); return timers.length - 1; },
    clearTimeout: (i) => { timers[i].f = () => {}; },
  };
  vm.runInNewContext(script, { window });
  const p = {
    outdial: window.outdial, sockets, posted, timers, storage, time, target,
    get socket() { return sockets.at(-1); },
    connect(o = {}) {
      p.outdial.connect({ url: "wss://bridge/v1/workspaces/webex-desk/agent4", token: "t0ken", workspaceOrigin: DESK, target, version: "3.21.2410", ...o });
    },
    bus(data, origin = DESK) { for (const f of listeners) f({ data, origin }); },
    later() { timers.at(-1).f(); },
    ask(attempt, extra = {}) {
      p.socket.say({ outdial: "request", attempt, notAfter: 5_060_000, message: { channel: "Webexcc", data: "1" }, ...extra });
    },
  };
  if (ready) { p.outdial.ready(); p.connect(); p.socket.hello(); }
  return p;
}

// What a vm makes has other prototypes; only the values matter.
const same = (got, want) => assert.equal(JSON.stringify(got), JSON.stringify(want));

test("it comes with its token and tells presence after the hello", () => {
  const p = page({ ready: false });
  p.connect();
  same(p.socket.protocols, ["outdial.v1", "bearer.t0ken"]);
  p.outdial.ready();
  same(p.socket.sent, []);
  p.socket.hello();
  same(p.socket.presence(), [{ outdial: "presence", status: "ready", version: "3.21.2410" }]);
  p.outdial.notReady("lunch");
  same(p.socket.presence().at(-1), { outdial: "presence", status: "not_ready", reason: "lunch", version: "3.21.2410" });
});

test("without a token it offers none", () => {
  const p = page({ ready: false });
  p.connect({ token: "" });
  same(p.socket.protocols, ["outdial.v1"]);
});

test("an origin must be named", () => {
  const p = page({ ready: false });
  assert.throws(() => p.connect({ workspaceOrigin: "*" }), /one origin/);
  assert.throws(() => p.connect({ workspaceOrigin: "" }), /one origin/);
  assert.throws(() => p.connect({ url: "" }), /url/);
});

test("events of the bus are relayed, as text or as objects, and nothing else", () => {
  const p = page();
  p.bus(CALL);
  p.bus(JSON.stringify({ ...CALL, channel: "Five9" }));
  const { subtopic, ...rest } = CALL;
  p.bus({ ...rest, channel: "Webex CC", Subtopic: subtopic });
  assert.equal(p.socket.events().length, 3);
  p.bus(CALL, "https://evil.example.com");
  p.bus({ ...CALL, channel: "Teams" });
  p.bus({ ...CALL, outdial: "ack", attempt: "a" });
  p.bus({ channel: "Webexcc", topic: "OutboundCall", subtopic: "MakeCall", data: "917702779401" });
  p.bus("not json"); p.bus(null); p.bus(7); p.bus([CALL]); p.bus({ ...CALL, topic: 1 }); p.bus({ ...CALL, message: "x" });
  p.bus({ ...CALL, message: { text: "ü".repeat(40_000) } }); // 80 kB in UTF-8
  assert.equal(p.socket.events().length, 3);
});

test("the text of a message is sent as it came", () => {
  const p = page();
  const text = '{ "channel":"Webexcc", "topic":"outbound", "subtopic":"x", "message":{"id":300000000115271999} }';
  const raw = [];
  p.socket.send = (t) => raw.push(t);
  p.bus(text);
  same(raw, [text]);
});

test("a request is posted to one origin, then acknowledged", () => {
  const p = page();
  p.ask("a1");
  same(p.posted, [{ m: { channel: "Webexcc", data: "1" }, origin: DESK, answered: 0 }]);
  same(p.socket.answers(), [{ outdial: "ack", attempt: "a1" }]);
});

test("a repeat is refused, on the same socket, a new one, and after a reload", () => {
  const p = page();
  p.ask("a1"); p.ask("a1");
  p.socket.drop(); p.later(); p.socket.hello();
  p.ask("a1");
  same(p.socket.answers(), [{ outdial: "nak", attempt: "a1", reason: "repeat" }]);
  assert.equal(p.posted.length, 1);
  const reloaded = page({ storage: p.storage });
  reloaded.ask("a1");
  same(reloaded.socket.answers(), [{ outdial: "nak", attempt: "a1", reason: "repeat" }]);
  assert.equal(reloaded.posted.length, 0);
});

test("a page that is denied storage still drops repeats", () => {
  const p = page({ denied: true });
  p.ask("a1"); p.ask("a1");
  assert.equal(p.posted.length, 1);
});

test("only so many attempts are remembered", () => {
  const p = page();
  for (let i = 0; i < 250; i++) p.ask("a" + i);
  assert.equal(JSON.parse(p.storage.get("outdial.attempts")).length, 200);
  assert.equal(p.posted.length, 250);
});

test("what comes late is refused by the bridge's clock, not the machine's", () => {
  const p = page(); // hello at 5,000,000; a request lives until 5,060,000
  p.time.wall = 1_000_000 - 3_600_000; // the machine's clock is set back an hour
  p.time.ticks = 59_000;
  p.ask("in time");
  p.time.ticks = 60_000;
  p.ask("late");
  same(p.socket.answers().map((a) => a.reason ?? a.outdial), ["ack", "late"]);
});

test("a machine that slept is late although its ticks stood still", () => {
  const p = page();
  p.time.wall += 61_000;
  p.ask("a1");
  same(p.socket.answers(), [{ outdial: "nak", attempt: "a1", reason: "late" }]);
  p.ask("a2", { notAfter: undefined });
  assert.equal(p.socket.answers().at(-1).reason, "late");
  assert.equal(p.posted.length, 0);
});

test("an agent who is not ready is not dialed", () => {
  const p = page();
  p.outdial.notReady("lunch");
  p.ask("a1");
  same(p.socket.answers(), [{ outdial: "nak", attempt: "a1", reason: "not_ready" }]);
  assert.equal(p.posted.length, 0);
});

test("a reconnect amid a call does not say ready", () => {
  for (const begin of [(p) => p.ask("a1"), (p) => p.bus(CALL)]) {
    const p = page();
    begin(p);
    p.socket.drop(); p.later(); p.socket.hello();
    same(p.socket.presence(), [{ outdial: "presence", status: "not_ready", reason: "on_call", version: "3.21.2410" }]);
    p.outdial.ready();
    assert.equal(p.socket.presence().at(-1).status, "ready");
    p.socket.drop(); p.later(); p.socket.hello();
    same(p.socket.presence().map((m) => m.status), ["ready"]);
  }
});

test("events wait while the bridge is away, and presence comes last", () => {
  const p = page();
  p.socket.drop();
  p.bus(CALL); p.bus({ ...CALL, n: 2 });
  p.outdial.notReady("after call");
  assert.equal(p.outdial.status().unstored, 2);
  p.later();
  same(p.socket.sent, []);
  p.socket.hello();
  same(p.socket.sent.map((m) => m.n ?? m.status ?? 1), [1, 2, "not_ready"]);
});

test("what has no receipt is sent again, what has one is not", () => {
  const p = page(); // its presence is message 1 on this socket
  for (let n = 1; n <= 4; n++) p.bus({ ...CALL, n });
  p.socket.say({ outdial: "stored", seq: 1 });
  p.socket.say({ outdial: "stored", seq: 2 });
  p.socket.say({ outdial: "refused", seq: 3, reason: "too_big" });
  p.socket.drop(1013); p.later(); p.socket.hello();
  same(p.socket.events().map((m) => m.n), [3, 4]);
  p.socket.say({ outdial: "stored", seq: 3 }); // two events and presence
  assert.equal(p.outdial.status().unstored, 0);
});

test("memory is bounded, and what was dropped is counted", () => {
  const p = page();
  p.socket.drop();
  for (let n = 0; n < 510; n++) p.bus({ ...CALL, n });
  assert.equal(p.outdial.status().unstored, 500);
  assert.equal(p.outdial.status().dropped, 10);
});

test("only so much is under way without a receipt", () => {
  const p = page();
  for (let n = 0; n < 150; n++) p.bus({ ...CALL, n });
  assert.equal(p.socket.sent.length, 100);
  p.socket.say({ outdial: "stored", seq: 60 });
  assert.equal(p.socket.sent.length, 151);
  assert.equal(p.socket.events().at(-1).n, 149);
});

test("it comes back, slower each time, and at once after a good visit", () => {
  const p = page({ ready: false });
  p.connect();
  for (let i = 0; i < 10; i++) { p.socket.drop(); p.later(); }
  const waits = p.timers.map((t) => t.ms);
  assert.ok(waits[0] <= 500 && waits.at(-1) > 10_000 && waits.at(-1) <= 30_000, String(waits));
  p.socket.hello();
  p.socket.drop();
  assert.ok(p.timers.at(-1).ms <= 500);
});

for (const [code, why] of [[4001, "replaced"], [4003, "refused"]]) {
  test("it does not come back when it was " + why, () => {
    const p = page();
    p.socket.drop(code);
    assert.equal(p.timers.length, 0);
    assert.equal(p.outdial.status().stopped, why);
  });
}

test("a request never waits for a socket: nothing is posted after a drop", () => {
  const p = page();
  const old = p.socket;
  old.drop();
  old.say({ outdial: "request", attempt: "a1", notAfter: 9e15, message: {} });
  p.later();
  p.socket.say({ outdial: "request", attempt: "a2", notAfter: 9e15, message: {} }); // before its hello
  assert.equal(p.posted.length, 0);
  same(p.socket.answers(), [{ outdial: "nak", attempt: "a2", reason: "late" }]);
});

test("closing is for good, connecting anew replaces", () => {
  const p = page();
  const first = p.socket;
  p.connect({ token: "other" });
  assert.equal(first.closedWith, 1000);
  assert.equal(p.sockets.length, 2);
  p.socket.hello();
  p.bus(CALL);
  assert.equal(p.socket.events().length, 1);
  p.outdial.close();
  assert.equal(p.socket.closedWith, 1000);
  assert.equal(p.timers.length, 0);
  p.bus(CALL);
  assert.equal(p.outdial.status().connected, false);
});

test("asked again, it says again whether the agent is ready, and not amid a call", () => {
  const p = page();
  p.socket.say({ outdial: "tell" });
  same(p.socket.presence().map((m) => m.status), ["ready", "ready"]);
  p.ask("a1"); // posted: the agent is taken to be on the call now
  p.socket.say({ outdial: "tell" });
  assert.equal(p.socket.presence().at(-1).reason, "on_call");
  p.outdial.ready();
  p.socket.say({ outdial: "tell" });
  assert.equal(p.socket.presence().at(-1).status, "ready");
});
