// JSON in the page, as the server shows it: coloured, with links.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** Reads JSON; `undefined` if it is none. */
export function parseJson(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}

/** Whether two values say the same, whatever the order of their fields. */
export function same(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const [left, right] = [a as Record<string, Json>, b as Record<string, Json>];
  const keys = Object.keys(left);
  return keys.length === Object.keys(right).length && keys.every((key) => key in right && same(left[key], right[key]));
}

/** Where a text leads: by the beginnings of ids, or as a path of the API. */
export function targetOf(text: string, links: ReadonlyMap<string, string>): string | undefined {
  if (/^\/api\/v1(?:[/?][^\s]*)?$/.test(text)) return text;
  const id = /^([a-z]+_)[0-9a-z]{20}$/.exec(text);
  const collection = id && links.get(id[1] ?? "");
  return collection ? `${collection}/${text}` : undefined;
}

/** The beginnings of ids with their collections, as the page has them. */
export function linksOf(words: string | undefined): Map<string, string> {
  const pairs = (words ?? "").split(" ").filter((pair) => pair.includes("="));
  return new Map(pairs.map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]));
}

/** Writes a value into the page. */
export function showJson(value: Json, links: ReadonlyMap<string, string>): HTMLElement {
  const block = document.createElement("pre");
  block.className = "json";
  block.dataset["json"] = "";
  block.tabIndex = 0;
  const code = block.appendChild(document.createElement("code"));
  write(code, value, links, 0);
  return block;
}

function write(into: HTMLElement, value: Json, links: ReadonlyMap<string, string>, depth: number): void {
  if (typeof value !== "object" || value === null) {
    into.append(leaf(value, links));
    return;
  }
  const isList = Array.isArray(value);
  const entries = isList ? value.map((one) => [undefined, one] as const) : Object.entries(value);
  const [open, close] = isList ? ["[", "]"] : ["{", "}"];
  if (entries.length === 0) {
    into.append(open + close);
    return;
  }
  into.append(`${open}\n`);
  entries.forEach(([key, one], place) => {
    into.append("  ".repeat(depth + 1));
    if (key !== undefined) into.append(span("k", JSON.stringify(key)), ": ");
    write(into, one, links, depth + 1);
    into.append(place + 1 < entries.length ? ",\n" : "\n");
  });
  into.append("  ".repeat(depth) + close);
}

function leaf(value: null | boolean | number | string, links: ReadonlyMap<string, string>): HTMLElement {
  const text = JSON.stringify(value);
  if (typeof value === "number") return span("n", text);
  if (typeof value !== "string") return span("b", text);
  const target = targetOf(value, links);
  if (!target && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value)) {
    const time = document.createElement("time");
    time.className = "s";
    time.dateTime = value;
    time.textContent = text;
    return time;
  }
  if (!target) return span("s", text);
  const link = document.createElement("a");
  link.className = "s";
  link.href = target;
  link.textContent = text;
  return link;
}

function span(name: string, text: string): HTMLElement {
  const element = document.createElement("span");
  element.className = name;
  element.textContent = text;
  return element;
}
