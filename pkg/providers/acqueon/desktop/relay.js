// outdial's relay for the page of an agent's desktop.
//
// It carries the provider's own messages between the page's message events
// (window.postMessage) and the events-bridge, and tells the bridge whether the
// agent is ready. It needs nothing but a browser.
//
//   <script src="https://bridge.example.com/v1/workspaces/relay.js"></script>
//   <script>
//     outdial.connect({
//       url: "wss://bridge.example.com/v1/workspaces/webex-desk/agent4",
//       token: "…",                                   // of this connection
//       workspaceOrigin: "https://desk.example.com",  // who is listened and spoken to
//       target: window.parent,                        // where requests are posted
//       version: "3.21.2410"                          // of the Workspace
//     });
//     outdial.ready();             // whenever the agent becomes ready, after each call too
//     outdial.notReady("lunch");   // and whenever not
//   </script>
//
// An event is kept until the bridge has stored it, and sent again after a
// reconnect. A request is posted once or not at all: one that was seen before,
// or comes after its time, or finds the agent not ready, is refused.
(function (window) {
  "use strict";

  var CHANNELS = ["webexcc", "five9"];
  var MAX_BYTES = 64 * 1024; // of one message
  var MAX_EVENTS = 500; // kept while the bridge is away
  var MAX_ON_SOCKET = 100; // sent and not stored yet
  var MAX_ATTEMPTS = 200; // remembered against repeats
  var MEMORY = "outdial.attempts";
  var FIRST_WAIT = 500, LONGEST_WAIT = 30000; // between connects, milliseconds
  var REPLACED = 4001, REFUSED = 4003;

  var options = null;
  var socket = null;
  var open = false; // the bridge has said hello
  var clock = null; // the bridge's time at hello, and ours
  var presence = null; // the last word, told anew on every socket
  var untold = false; // it has not been sent on this socket
  var stale = false; // a call came after it
  var queue = []; // what was heard and is not stored yet: {text, ticks, wall}
  var onSocket = []; // what was sent on this socket, in order; null: not an event
  var wait = FIRST_WAIT;
  var timer = null;
  var listening = false;
  var attempts = []; // beside sessionStorage, which a page may be denied
  var state = { connected: false, session: "", dropped: 0, stopped: "" };

  function fold(text) { return String(text).toLowerCase().replace(/[_\- ]/g, ""); }

  function field(object, name) {
    if (Object.prototype.hasOwnProperty.call(object, name)) { return object[name]; }
    var keys = Object.keys(object);
    for (var i = 0; i < keys.length; i++) {
      if (fold(keys[i]) === fold(name)) { return object[keys[i]]; }
    }
    return undefined;
  }

  // bytes is the length in UTF-8, which is what the bridge counts.
  function bytes(text) {
    var n = 0;
    for (var i = 0; i < text.length; i++) {
      var c = text.charCodeAt(i);
      if (c < 0x80) { n += 1; } else if (c < 0x800) { n += 2; } else if (c >= 0xd800 && c < 0xdc00) { n += 4; i++; } else { n += 3; }
    }
    return n;
  }

  // An event of the bus has channel, topic, subtopic and a message. What we
  // post ourselves has none, so it is not sent back when it comes by.
  function isEvent(m) {
    return m !== null && typeof m === "object" && !Array.isArray(m) &&
      !Object.prototype.hasOwnProperty.call(m, "outdial") &&
      CHANNELS.indexOf(fold(field(m, "channel"))) >= 0 &&
      typeof field(m, "topic") === "string" && typeof field(m, "subtopic") === "string" &&
      field(m, "message") !== null && typeof field(m, "message") === "object";
  }

  function heard(e) {
    if (!options || e.origin !== options.workspaceOrigin) { return; }
    var text = typeof e.data === "string" ? e.data : null, parsed = e.data;
    try {
      if (text !== null) { parsed = JSON.parse(text); } else { text = JSON.stringify(parsed); }
    } catch (err) { return; }
    if (!isEvent(parsed) || bytes(text) > MAX_BYTES) { return; }
    stale = true;
    queue.push({ text: text, ticks: window.performance.now(), wall: window.Date.now() });
    if (queue.length > MAX_EVENTS) { queue.shift(); state.dropped++; }
    flush();
  }

  function put(text, event) {
    onSocket.push(event);
    socket.send(text);
  }

  // gone is how many milliseconds have passed since. Of the two clocks here the
  // one that went further counts: one stands still while the machine sleeps,
  // the other can be set.
  function gone(since) {
    return Math.max(window.performance.now() - since.ticks, window.Date.now() - since.wall);
  }

  // dated says in an event how long it waited here for the bridge, which would
  // otherwise take it for news of the moment at which it comes.
  function dated(event) {
    var ms = Math.round(gone(event));
    if (ms < 1000 || bytes(event.text) > MAX_BYTES - 64) { return event.text; }
    return '{"outdialWaited":' + ms + "," + event.text.replace(/^\s*\{/, "");
  }

  // current is what a new socket is told. A "ready" from before a call is not
  // repeated in its midst: the bridge would take it for the call's end. Until
  // the page says ready anew, the agent is taken to be on the call.
  function current() {
    if (!stale || presence.status !== "ready") { return presence; }
    var m = { outdial: "presence", status: "not_ready", reason: "on_call" };
    if (presence.version) { m.version = presence.version; }
    return m;
  }

  // flush sends what happened in its order; ready or not comes after it.
  function flush() {
    if (!open) { return; }
    while (queue.length > 0 && onSocket.length < MAX_ON_SOCKET) { put(dated(queue[0]), queue.shift()); }
    if (queue.length === 0 && untold && presence) {
      untold = false;
      put(JSON.stringify(current()), null);
    }
  }

  function setPresence(status, reason) {
    presence = { outdial: "presence", status: status };
    if (reason) { presence.reason = String(reason); }
    if (options && options.version) { presence.version = String(options.version); }
    untold = true;
    stale = false;
    flush();
  }

  // settled forgets what the bridge has: receipts come in order.
  function settled(seq) {
    while (onSocket.length > 0 && state.settled < seq) { onSocket.shift(); state.settled++; }
    flush();
  }

  // serverNow is the bridge's time.
  function serverNow() { return clock.server + gone(clock); }

  function remembered() {
    try {
      var kept = JSON.parse(window.sessionStorage.getItem(MEMORY) || "[]");
      return Array.isArray(kept) ? kept.concat(attempts) : attempts;
    } catch (err) { return attempts; }
  }

  function remember(attempt) {
    var all = remembered().filter(function (a) { return a !== attempt; });
    all.push(attempt);
    all = all.slice(-MAX_ATTEMPTS);
    attempts = all;
    try { window.sessionStorage.setItem(MEMORY, JSON.stringify(all)); } catch (err) { /* memory is all we have */ }
  }

  function answer(attempt, reason) {
    var m = reason ? { outdial: "nak", attempt: attempt, reason: reason } : { outdial: "ack", attempt: attempt };
    if (socket) { socket.send(JSON.stringify(m)); }
  }

  function requested(m) {
    if (typeof m.attempt !== "string" || m.attempt === "") { return; }
    if (remembered().indexOf(m.attempt) >= 0) { answer(m.attempt, "repeat"); return; }
    if (!clock || !(serverNow() < m.notAfter)) { answer(m.attempt, "late"); return; }
    if (!presence || presence.status !== "ready") { answer(m.attempt, "not_ready"); return; }
    if (m.message === null || typeof m.message !== "object") { answer(m.attempt, "bad_request"); return; }
    // Remembered first: a page that dies in between must not post it twice.
    remember(m.attempt);
    stale = true;
    options.target.postMessage(m.message, options.workspaceOrigin);
    answer(m.attempt);
  }

  function received(e) {
    var m;
    try { m = JSON.parse(e.data); } catch (err) { return; }
    switch (m.outdial) {
      case "hello":
        clock = { server: m.time, ticks: window.performance.now(), wall: window.Date.now() };
        open = true;
        wait = FIRST_WAIT;
        state.connected = true;
        state.session = m.session;
        untold = true;
        flush();
        break;
      case "stored":
      case "refused": // it will never be stored; keeping it would help nobody
        settled(m.seq);
        break;
      case "request":
        requested(m);
        break;
      case "tell": // the bridge is not sure of us any more
        untold = true;
        flush();
        break;
    }
  }

  function ended(e) {
    socket = null;
    open = false;
    clock = null;
    state.connected = false;
    state.session = "";
    var again = onSocket.filter(function (event) { return event; });
    onSocket = [];
    state.settled = 0;
    queue = again.concat(queue);
    while (queue.length > MAX_EVENTS) { queue.shift(); state.dropped++; }
    if (!options) { return; }
    if (e && (e.code === REPLACED || e.code === REFUSED)) {
      // Another page has this agent, or the bridge does not know it: coming
      // back would only take the seat from the other again.
      state.stopped = e.code === REPLACED ? "replaced" : "refused";
      return;
    }
    timer = window.setTimeout(dial, wait / 2 + window.Math.random() * wait / 2);
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }

  function dial() {
    timer = null;
    var protocols = ["outdial.v1"];
    if (options.token) { protocols.push("bearer." + options.token); }
    var mine = new window.WebSocket(options.url, protocols);
    socket = mine;
    onSocket = [];
    state.settled = 0;
    mine.onmessage = function (e) { if (socket === mine) { received(e); } };
    mine.onclose = function (e) { if (socket === mine) { ended(e); } };
    mine.onerror = function () { /* onclose follows */ };
  }

  function connect(o) {
    if (!o || !o.url) { throw new Error("outdial: url is missing"); }
    if (!o.workspaceOrigin || o.workspaceOrigin === "*") { throw new Error("outdial: workspaceOrigin must name one origin"); }
    close();
    options = {
      url: o.url, token: o.token || "", workspaceOrigin: o.workspaceOrigin,
      target: o.target || window, version: o.version || ""
    };
    state.stopped = "";
    if (presence && options.version) { presence.version = String(options.version); }
    if (!listening) { window.addEventListener("message", heard); listening = true; }
    dial();
  }

  function close() {
    var old = socket;
    options = null;
    if (timer !== null) { window.clearTimeout(timer); timer = null; }
    if (old) {
      ended(null);
      old.close(1000, "bye");
    }
  }

  window.outdial = {
    connect: connect,
    close: close,
    ready: function () { setPresence("ready", ""); },
    notReady: function (reason) { setPresence("not_ready", reason); },
    status: function () {
      return {
        connected: state.connected, session: state.session, stopped: state.stopped,
        unstored: queue.length + onSocket.length, dropped: state.dropped
      };
    }
  };
})(window);
