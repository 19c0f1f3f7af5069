// The account's settings and files in memory, for work on the pages without a server. Never part of the build.
import type { IncomingMessage } from "node:http";
import type { Account, IncludeFile, Setting, SettingValue } from "../src/admin/data/types.ts";

type Answer = [status: number, body?: unknown];

const account: Account = {
  number: 2, name: "Second stage", version: 1,
  limits: { storage_gib: 500, events_at_once: 3, broadcasts_at_once: 6, broadcast_kbps: 12_000, recording_days: 90, upload_gib: 20 },
  usage: { storage_bytes: 441 * 1024 ** 3, storage_level: "high", counted_at: new Date().toISOString() },
};

function setting(group: string, name: string, type: Setting["type"], value: SettingValue, description: string, more: Partial<Setting> = {}): Setting {
  return {
    group, name, type, value, description, default: value, is_set: false, unit: null, choices: null, min: null, max: null,
    max_length: typeof value === "string" ? 200 : null, ...more,
  };
}

const settings: Setting[] = [
  setting("Events", "event_title", "title", "", "The title of an event that is made without one: {date} and {time} are replaced. Empty: each event needs a title."),
  setting("Events", "time_zone", "time_zone", "", "In which time zone the pages show times, and titles have their date. Empty: pages use the browser's, titles UTC."),
  setting("Events", "record", "flag", true, "Whether what is broadcast while an event is started is recorded and becomes an item."),
  setting("Events", "lookback_s", "number", 86_400, "How far back viewers of a live event can go.", { unit: "s", min: 10, max: 86_400 }),
  setting("Player", "accent_colour", "colour", "", "The colour of the player's time bar and buttons, such as #c2410c. Empty: Stagebox's own.", { max_length: 7 }),
  setting("Player", "logo", "picture", "", "An include file that is shown above the messages of the event page, such as logo.svg.", { max_length: 100 }),
  setting("Player", "low_latency", "flag", true, "Whether live players stay as close to the stage as they can."),
  setting("Messages", "waiting_title", "text", "Starting soon", "The heading before an event is started."),
  setting("Messages", "waiting_text", "text", "The stream begins here by itself.", "The text below that heading."),
  setting("Messages", "paused_title", "text", "We will be right back", "The heading while an event is paused."),
  setting("Messages", "paused_text", "text", "The stream is paused. It goes on by itself.", "The text below that heading."),
  setting("Messages", "ended_title", "text", "This event has ended", "The heading after an event."),
  setting("Messages", "ended_text", "text", "Thank you for watching.", "The text below that heading."),
];
let version = 1;
Object.assign(settings[4] as Setting, { value: "#c2410c", is_set: true });

const kept = new Map<string, { file: IncludeFile; data: Buffer }>();

function keep(name: string, type: string, data: Buffer): IncludeFile {
  const url = `/include/acc_mock/${name}`;
  const now = new Date().toISOString();
  const file = {
    name, url: `http://localhost:5173${url}`, versioned_url: `http://localhost:5173${url}?v=${Date.now()}`, content_type: type,
    bytes: data.length, sha256: "0".repeat(64), created_at: now, updated_at: now,
  };
  kept.set(name, { file, data });
  return file;
}

const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 60"><rect width="60" height="60" rx="14" fill="#c2410c"/>
<path d="M22 16v28l24-14z" fill="#fff"/><text x="74" y="41" font-family="sans-serif" font-size="30" font-weight="700" fill="#334">Stage 2</text></svg>`;
const SLATE = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1600 900"><rect width="1600" height="900" fill="#1c3350"/>
<circle cx="1240" cy="260" r="420" fill="#2c5580"/><circle cx="1240" cy="260" r="240" fill="#e8a33d"/>
<text x="120" y="520" font-family="sans-serif" font-size="104" font-weight="700" fill="#fff">Chamber concert</text>
<text x="124" y="620" font-family="sans-serif" font-size="54" fill="#cfe0f2">Second evening, at half past seven</text></svg>`;
keep("logo.svg", "image/svg+xml", Buffer.from(LOGO));
keep("slate.svg", "image/svg+xml", Buffer.from(SLATE));
keep("a-rather-long-name-of-a-style-sheet-that-has-to-be-cut.css", "text/css", Buffer.from("a{}".repeat(900)));
keep("Inter.woff2", "font/woff2", Buffer.alloc(48_000));
keep("terms.html", "text/html", Buffer.from("<h1>Terms</h1>"));

export function servedFile(name: string): { type: string; data: Buffer } | undefined {
  const found = kept.get(name);
  return found && { type: found.file.content_type, data: found.data };
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces);
}

const refuse = (status: number, title: string, detail: string, errors?: unknown): Answer => [status, { title, status, detail, errors }];

function change(body: Record<string, SettingValue | null>): Answer {
  const zone = body["time_zone"];
  if (typeof zone === "string" && zone && !zone.includes("/") && zone !== "UTC") {
    return refuse(422, "Wrong fields", "", [{ field: "time_zone", detail: "must be a time zone such as Europe/Vienna or UTC, or empty" }]);
  }
  for (const [name, value] of Object.entries(body)) {
    const found = settings.find((one) => one.name === name);
    if (found) Object.assign(found, { value: value ?? found.default, is_set: value !== null });
  }
  version += 1;
  return [200, { data: settings, version }];
}

/** Answers what is of the account; nothing for all else. */
export async function answerOfAccount(request: IncomingMessage, path: string[]): Promise<Answer | undefined> {
  const [kind, name] = path;
  if (kind === "recordings") return [200, { id: name, name: null, ended_at: null, warning: "A part of the event is missing: it was not recorded then." }];
  if (kind === "account") {
    const body = request.method === "PATCH" ? (JSON.parse((await read(request)).toString()) as Record<string, SettingValue | null>) : {};
    if (name !== "settings") return [200, Object.assign(account, body)];
    if (request.method === "GET") return [200, { data: settings, version }];
    if (request.headers["if-match"] !== `"${version}"`) return refuse(412, "Changed meanwhile", "the settings have been changed meanwhile");
    return change(body);
  }
  if (kind !== "include-files") return undefined;
  if (!name) return [200, { data: [...kept.values()].map(({ file }) => file), next: null }];
  if (request.method === "DELETE") return kept.delete(name) ? [204] : refuse(404, "Not found", `there is no include file ${name}`);
  const data = await read(request);
  if (kept.has(name) && request.headers["if-none-match"] === "*") return refuse(412, "Changed meanwhile", "the file is there");
  return [kept.has(name) ? 200 : 201, keep(name, String(request.headers["content-type"]), data)];
}
