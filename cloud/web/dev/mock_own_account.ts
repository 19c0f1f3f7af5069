// One's own account and the log in memory, for work on the pages without a server. Never part of the build.
import type { LogEntry } from "../src/admin/data/log_words.ts";

const at = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();
const anna = { kind: "user", id: "usr_mock1", name: "Anna Admin" } as const;
const server = { kind: "server", id: null, name: null } as const;

let seq = 900;
const entry = (minutes: number, more: Partial<LogEntry>): LogEntry => ({
  seq: (seq -= 1), at: at(minutes), by: anna, change: "changed", kind: "event", id: "evt_mock4", title: "Chamber concert", fields: [], ...more,
});
const login = { user: anna, good: true, how: "code", at_least: 1, count: 1, address: "192.0.2.7", browser: "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36" } as const;

const log: LogEntry[] = [
  entry(2, { fields: [{ field: "title", before: "Chamber concert", after: "Chamber concert, second evening with a rather long title that has to be cut" }] }),
  entry(3, { fields: [{ field: "status", before: "waiting", after: "started" }], id: "evt_mock5", title: "Annual general meeting" }),
  entry(5, { kind: "login", id: "lgn_2", by: server, change: "created", title: null, login: { ...login, good: false, how: "password", count: 117, at_least: 100, address: "203.0.113.99", browser: "python-requests/2.32" } }),
  entry(9, { kind: "login", id: "lgn_1", change: "created", title: null, login }),
  entry(40, { kind: "presence", id: "box_mock2", by: { kind: "box", id: "box_mock2", name: "Rack 2, lecture room" }, title: "Rack 2, lecture room", fields: [{ field: "online", before: false, after: true }] }),
  entry(70, { kind: "user", id: "usr_mock2", title: "Bert Crew", fields: [{ field: "role", before: "rol_1", after: "rol_2", before_name: "Crew", after_name: "Producer" }] }),
  entry(1500, { kind: "token", id: "tok_1", title: null, change: "created" }),
  entry(1530, { kind: "item", id: "itm_mock1", title: "Rehearsal", change: "deleted", by: { kind: "deleted_user", id: "usr_mock9", name: null } }),
];

const session = (n: number, browser: string, current: boolean) => ({
  id: `ses_mock${n}`, address: `192.0.2.${n}`, browser, created_at: at(n * 700), last_seen_at: at(n * 9), ends_at: at(-600), current,
});
const sessions = [
  session(1, "Mozilla/5.0 (X11; Linux x86_64) Chrome/131.0.0.0 Safari/537.36", true),
  session(2, "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1", false),
];
const tokens = [
  { id: "tok_mock1", name: "Rundown", permissions: ["events:read", "events:run"], created_at: at(9000), expires_at: at(-90_000), last_used_at: at(33) },
  { id: "tok_mock2", name: "Old script", permissions: null, created_at: at(900_000), expires_at: at(500), last_used_at: null },
];

/** What the API says at a path of one's own account, if it is one. */
export function accountAnswer(path: string): [status: number, body?: unknown] | undefined {
  const lists: Record<string, unknown[]> = { log, sessions, tokens };
  if (path === "second-factor") return [200, { enabled: false, confirmed_at: null, recovery_codes_left: 0 }];
  if (path === "password-resets") return [200, { available: true }];
  const list = lists[path];
  return list ? [200, { data: list, next: null }] : undefined;
}
