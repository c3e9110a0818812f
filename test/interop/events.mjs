// What both directions share: an event as plain data, so that two
// implementations can be compared field by field.

export function plain(event) {
  const out = {};
  for (const [name, value] of Object.entries(event.toJSON())) {
    // The media type is the mode's business: HTTP has it in another header.
    if (value !== undefined && name !== "datacontenttype") out[name] = value;
  }
  out.time = event.time;
  out.data = typeof event.data === "string" ? JSON.parse(event.data) : event.data;
  return out;
}

// The npm package keeps milliseconds, we keep nanoseconds.
export function comparable(event) {
  return sorted({ ...event, time: new Date(event.time).toISOString() });
}

export function sorted(value) {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.keys(value).sort().map((k) => [k, sorted(value[k])]));
}
