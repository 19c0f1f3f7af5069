import assert from "node:assert/strict";
import { test } from "node:test";
import { browserName } from "../src/admin/data/browser_name.ts";
import { logLine, type LogEntry } from "../src/admin/data/log_words.ts";

const anna = { kind: "user", id: "usr_1", name: "Anna" } as const;
const entry = (more: Partial<LogEntry>): LogEntry => ({
  seq: 1, at: "2026-03-01T10:00:00Z", by: anna, change: "changed", kind: "event", id: "evt_1", title: "Rehearsal", fields: [], ...more,
});
const said = (one: LogEntry): string => {
  const { who, did, thing, more } = logLine(one);
  return `${who} ${did} ${thing}${more}`.replace(/\s+/g, " ").trim();
};

test("what people did is a sentence", () => {
  const title = { field: "title", before: "Rehearsal", after: "Dress rehearsal" };
  assert.equal(said(entry({ fields: [title] })), "Anna changed the title of event from “Rehearsal” to “Dress rehearsal”");
  assert.equal(said(entry({ fields: [{ field: "status", before: "waiting", after: "started" }] })), "Anna started event “Rehearsal”");
  assert.equal(said(entry({ change: "created" })), "Anna made event “Rehearsal”");
  assert.equal(said(entry({ change: "deleted", kind: "item" })), "Anna deleted item “Rehearsal”");
  assert.equal(logLine(entry({})).href, "/events/evt_1");
  assert.equal(logLine(entry({ change: "deleted" })).href, null);
  const gone = { kind: "deleted_user", id: "usr_2", name: null } as const;
  assert.equal(said(entry({ by: gone, change: "created" })), "A deleted user made event “Rehearsal”");
  const role = { field: "role", before: "rol_1", after: "rol_2", before_name: "Crew", after_name: "Producer" };
  const user = entry({ kind: "user", id: "usr_3", title: "Bert", fields: [role] });
  assert.equal(said(user), "Anna changed user “Bert”");
  assert.deepEqual(logLine(user).details, ["role: “Crew” → “Producer”"]);
  const own = entry({ kind: "user", id: "usr_1", title: "Anna", fields: [{ field: "password_changed_at", before: null, after: "x" }] });
  assert.equal(said(own), "Anna set a new password for their own login");
});

test("a second factor is told in words, each time once", () => {
  const of = (more: Partial<LogEntry>): string => said(entry({ kind: "second_factor", id: "usr_1", title: "Anna", ...more }));
  const codes = (before: number, after: number) => ({ field: "recovery_codes_left", before, after });
  assert.equal(of({ change: "created" }), "Anna began to set up a second factor");
  assert.equal(of({ fields: [{ field: "confirmed_at", before: null, after: "x" }, codes(0, 10)] }), "Anna confirmed a second factor");
  assert.equal(of({ fields: [codes(10, 9)] }), "Anna used a recovery code (9 are left)");
  assert.equal(of({ fields: [codes(3, 10)] }), "Anna drew new recovery codes (10 are left)");
  assert.equal(of({ change: "deleted" }), "Anna took off their second factor");
  const bert = { kind: "user", id: "usr_2", name: "Bert" } as const;
  assert.equal(of({ change: "deleted", by: bert }), "Bert took off the second factor of “Anna”");
});

test("logins say from where, and failures how often", () => {
  const login = { user: anna, good: true, how: "code", at_least: 1, count: 1, address: "192.0.2.7", browser: null } as const;
  assert.equal(said(entry({ kind: "login", login })), "Anna signed in with a code from 192.0.2.7");
  const failed = { ...login, good: false, how: "password", count: 17, at_least: 10 } as const;
  const server = { kind: "server", id: null, name: null } as const;
  assert.equal(said(entry({ kind: "login", by: server, login: failed })), "Somebody gave a wrong password for Anna, 17 times from 192.0.2.7");
  const old = { ...failed, count: null, address: null };
  assert.equal(said(entry({ kind: "login", by: server, login: old })), "Somebody gave a wrong password for Anna, at least 10 times");
});

test("browsers have the names that people know", () => {
  const chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
  assert.equal(browserName(chrome), "Chrome on Linux");
  assert.equal(browserName("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1"), "Safari on iPhone");
  assert.equal(browserName("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:133.0) Gecko/20100101 Firefox/133.0"), "Firefox on Windows");
  assert.equal(browserName("curl/8.5.0"), "curl");
  assert.equal(browserName(""), "Unknown browser");
});
