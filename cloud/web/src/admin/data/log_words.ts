/** Entries of the log as sentences. Pure. */

export interface Actor {
  kind: "user" | "deleted_user" | "box" | "server";
  id: string | null;
  name: string | null;
}

export interface Field {
  field: string;
  before: unknown;
  after: unknown;
  before_name?: string;
  after_name?: string;
}

export interface LogEntry {
  seq: number;
  at: string;
  by: Actor;
  change: "created" | "changed" | "deleted";
  kind: string;
  id: string;
  title: string | null;
  fields: Field[];
  login?: {
    user: Actor | null;
    good: boolean;
    how: "password" | "code" | "basic" | "again";
    at_least: number;
    count: number | null;
    address: string | null;
    browser: string | null;
  };
}

/** A sentence: who, what was done, to which thing, and further words. */
export interface Line {
  who: string;
  did: string;
  thing: string;
  /** The thing's own page, if it has one. */
  href: string | null;
  more: string;
  details: string[];
  bad: boolean;
}

const NOUNS: Record<string, string> = {
  account: "account", broadcast: "event", device: "box", device_event: "box", event: "event", hook: "the address for notifications",
  item: "item", job: "job", login: "login", presence: "box", recording: "recording", role: "role", second_factor: "second factor",
  token: "token", user: "user",
};
const PAGES: Record<string, string> = { broadcast: "events", device: "devices", device_event: "devices", event: "events", item: "items", presence: "devices" };
const VERBS = { created: "made", changed: "changed", deleted: "deleted" } as const;
const STATUS: Record<string, string> = { waiting: "closed", preview: "opened the preview of", started: "started", paused: "paused", ended: "ended" };
/** Fields that a sentence says in words, or that say nothing to people. */
const SILENT = new Set(["account", "number", "created_at", "id", "user", "kind", "subject", "asked_by", "attempts", "max_attempts", "run_at", "started_at"]);

/** Kinds that the log can be narrowed down to, with their names. */
export const KINDS: readonly [kind: string, name: string][] = [
  ["login", "Logins"], ["event", "Events"], ["broadcast", "Broadcasts"], ["item", "Items"], ["recording", "Recordings"], ["device", "Boxes"],
  ["presence", "Boxes coming and going"], ["user", "Users"], ["role", "Roles"], ["token", "Tokens"], ["second_factor", "Second factors"],
  ["hook", "Notifications"], ["job", "Jobs"], ["account", "Account"],
];

export function actorName(actor: Actor | null): string {
  if (!actor || actor.kind === "server") return "The server";
  if (actor.kind === "deleted_user") return "A deleted user";
  return actor.name ?? (actor.kind === "box" ? "A box" : "A user");
}

function value(raw: unknown, name?: string): string {
  if (name) return `“${name}”`;
  if (raw === null || raw === undefined || raw === "") return "nothing";
  if (raw === true) return "yes";
  if (raw === false) return "no";
  if (Array.isArray(raw)) return raw.length === 0 ? "nothing" : raw.map((one) => (typeof one === "object" ? JSON.stringify(one) : String(one))).join(", ");
  if (typeof raw === "object") return JSON.stringify(raw);
  return typeof raw === "string" && !/^\d{4}-\d\d-\d\dT/.test(raw) ? `“${raw}”` : String(raw);
}

const plain = (field: string): string => field.replace(/_id$/, "").replaceAll("_", " ");

function thingOf(entry: LogEntry): string {
  const noun = NOUNS[entry.kind] ?? entry.kind.replaceAll("_", " ");
  if (entry.title) return `${noun} “${entry.title}”`;
  if (entry.kind === "user" && entry.change !== "deleted") return "a deleted user";
  return noun.startsWith("the ") ? noun : `${/^[aeiou]/.test(noun) ? "an" : "a"} ${noun}`;
}

function details(entry: LogEntry, said: readonly string[]): string[] {
  if (entry.change !== "changed") return [];
  return entry.fields
    .filter(({ field }) => !SILENT.has(field) && !said.includes(field))
    .map((one) => `${plain(one.field)}: ${value(one.before, one.before_name)} → ${value(one.after, one.after_name)}`);
}

function loginLine(entry: LogEntry, line: Line): Line {
  const login = entry.login;
  if (!login) return line;
  const from = login.address ? ` from ${login.address}` : "";
  if (login.good) {
    const how = login.how === "basic" ? "used the API with a password" : "signed in";
    return { ...line, who: actorName(login.user), did: how, thing: "", more: `${login.how === "code" ? " with a code" : ""}${from}` };
  }
  const count = login.count ?? login.at_least;
  const times = count > 1 ? `, ${login.count === null ? "at least " : ""}${count} times` : "";
  const what = login.how === "code" ? "gave a wrong code for" : "gave a wrong password for";
  return { ...line, who: "Somebody", did: what, thing: actorName(login.user), more: `${times}${from}`, bad: true };
}

function userLine(entry: LogEntry, line: Line): Line {
  if (entry.change !== "changed") return line;
  const own = entry.by.kind === "user" && entry.by.id === entry.id;
  const whose = own ? "their own login" : `user “${entry.title ?? "who is deleted"}”`;
  const said: string[] = [];
  const words: string[] = [];
  for (const { field, after } of entry.fields) {
    if (field === "password_changed_at") words.push("set a new password for");
    else if (field === "profile_changed_at") words.push("changed name or address of");
    else if (field === "second_factor") words.push(after === true ? "turned the second factor on for" : "took the second factor off");
    else if (field === "active") words.push(after === true ? "switched on" : "switched off");
    else continue;
    said.push(field);
  }
  if (words.length === 0) return { ...line, thing: whose };
  return { ...line, did: words.join(" and "), thing: whose, details: details(entry, said) };
}

function secondFactorLine(entry: LogEntry, line: Line): Line {
  const whose = entry.by.id === entry.id ? "their own" : `the second factor of “${entry.title ?? "a deleted user"}”`;
  const own = whose === "their own";
  const thing = own ? "a second factor" : whose;
  if (entry.change === "created") return { ...line, did: "began to set up", thing, details: [] };
  if (entry.change === "deleted") return { ...line, did: "took off", thing: own ? "their second factor" : whose, details: [] };
  const left = entry.fields.find(({ field }) => field === "recovery_codes_left");
  const confirmed = entry.fields.some(({ field, after }) => field === "confirmed_at" && after !== null);
  if (confirmed) return { ...line, did: "confirmed", thing, details: [] };
  if (!left) return { ...line, did: "changed", thing };
  const fewer = Number(left.after) < Number(left.before);
  return { ...line, did: fewer ? "used a recovery code" : "drew new recovery codes", thing: "", more: `(${left.after} are left)`, details: [] };
}

/** Says an entry in words. */
export function logLine(entry: LogEntry): Line {
  const page = PAGES[entry.kind];
  const line: Line = {
    who: actorName(entry.by), did: VERBS[entry.change], thing: thingOf(entry), more: "", bad: false,
    href: page && entry.change !== "deleted" ? `/${page}/${entry.id}` : null, details: details(entry, []),
  };
  const of = (name: string): Field | undefined => (entry.change === "changed" ? entry.fields.find(({ field }) => field === name) : undefined);
  const status = entry.kind === "event" ? of("status") : undefined;
  const title = of("title") ?? of("name");
  if (entry.kind === "login") return loginLine(entry, line);
  if (entry.kind === "user") return userLine(entry, line);
  if (status) return { ...line, did: STATUS[String(status.after)] ?? "changed", details: details(entry, ["status"]) };
  if (title) {
    const noun = NOUNS[entry.kind] ?? entry.kind;
    const words = { did: `changed the ${plain(title.field)} of ${noun} from ${value(title.before)} to`, thing: value(title.after) };
    return { ...line, ...words, details: details(entry, [title.field]) };
  }
  if (entry.kind === "job" && of("state")) {
    const state = String(of("state")?.after);
    return { ...line, did: "", thing: thingOf(entry), more: ` is ${state}`, who: entry.by.kind === "server" ? "The" : `${line.who}:`, bad: state === "failed", details: [] };
  }
  if (entry.kind === "presence") {
    const online = entry.fields.find(({ field }) => field === "online")?.after === true;
    return { ...line, did: online ? "came online" : "went offline", thing: "", details: [], href: `/devices/${entry.id}` };
  }
  if (entry.kind === "device_event") return { ...line, did: "told of", thing: "what happened there", details: [] };
  if (entry.kind === "broadcast") {
    const input = of("main") ?? of("backup");
    if (!input) return { ...line, did: "noted a change of the broadcasts of", thing: "an event", details: [] };
    return { ...line, who: `The ${input.field} broadcast`, did: input.after === true ? "came in for" : "stopped for", thing: "an event", details: [] };
  }
  if (entry.kind === "second_factor") return secondFactorLine(entry, line);
  if (entry.kind === "account" && entry.change === "changed") return { ...line, thing: "the account's settings" };
  if (entry.kind === "account") return { ...line, thing: "the account" };
  if (entry.kind === "job" && entry.change === "created") return { ...line, did: "asked for", thing: thingOf(entry) };
  return line;
}
