// Reads what our encoder wrote with the npm package cloudevents, and fails
// when it understands anything else than we meant.
// Usage: node read.mjs FILE
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { HTTP } from "cloudevents";
import { comparable, plain } from "./events.mjs";

const fixtures = JSON.parse(readFileSync(process.argv[2], "utf8"));
if (fixtures.length < 50) throw new Error(`only ${fixtures.length} messages to read`);
let wrong = 0;
for (const { name, headers, body, event } of fixtures) {
  const lower = Object.fromEntries(Object.entries(headers).map(([k, v]) => [k.toLowerCase(), v]));
  let got;
  try {
    const read = HTTP.toEvent({ headers: lower, body });
    read.validate();
    got = comparable(plain(read));
  } catch (error) {
    got = String(error);
  }
  const want = comparable(event);
  if (!isDeepStrictEqual(got, want)) {
    wrong++;
    console.error(name, "\n got ", JSON.stringify(got), "\n want", JSON.stringify(want));
  }
}
console.log(`read ${fixtures.length} messages, ${wrong} wrong`);
process.exit(wrong ? 1 : 0);
