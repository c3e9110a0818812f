// Lets AsyncAPI's own parser judge the document.
// Usage: node asyncapi.mjs FILE
import { readFileSync } from "node:fs";
import { Parser } from "@asyncapi/parser";

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((d) => d.severity === 0);
for (const d of diagnostics) {
  console[d.severity === 0 ? "error" : "log"](["error", "warning", "info", "hint"][d.severity], d.code, d.path.join("."), d.message);
}
if (!document || errors.length) process.exit(1);
const channels = document.channels().all();
const messages = document.messages().all();
console.log(`AsyncAPI ${document.version()}: ${channels.length} channels, ${document.operations().all().length} operations, ${messages.length} messages`);
if (channels.length < 8 || messages.length < 50) process.exit(1);
