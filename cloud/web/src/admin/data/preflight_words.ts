/** The test before going live, as people read it. Pure. */
import type { Preflight, PreflightCheck } from "./types.ts";

const NAMES: Record<string, string> = {
  source: "Source",
  sound: "Sound",
  encoder: "Encoder",
  room: "Room for recordings",
  disk: "Disk speed",
  clock: "Clock",
  main: "Main server",
  backup: "Backup server",
  third: "Third server",
  fourth: "Fourth server",
  upload: "Upload",
};

/** A check's name; one of a later box is shown as it calls it. */
export function checkName(check: PreflightCheck): string {
  return NAMES[check.name] ?? check.name.replaceAll("_", " ");
}

const VERDICTS: Record<PreflightCheck["verdict"], [tone: string, label: string]> = {
  waiting: ["chip-end", "Waiting"],
  running: ["", "Running"],
  pass: ["chip-ready", "Good"],
  warn: ["chip-warn", "Look"],
  fail: ["chip-fault", "Failed"],
  skipped: ["chip-end", "Skipped"],
  unknown: ["chip-end", "Unknown"],
};

export function verdictLook(check: PreflightCheck): [tone: string, label: string] {
  return VERDICTS[check.verdict] ?? VERDICTS.unknown;
}

const STATES: Record<Preflight["state"], [tone: string, label: string]> = {
  running: ["", "Running"],
  passed: ["chip-ready", "Passed"],
  warned: ["chip-warn", "Passed, with warnings"],
  failed: ["chip-fault", "Failed"],
  cancelled: ["chip-end", "Cancelled"],
  unknown: ["chip-end", "Unknown"],
};

export function stateLook(test: Preflight): [tone: string, label: string] {
  return STATES[test.state] ?? STATES.unknown;
}

/** What stands against a test now; empty if nothing does. */
export function whyNoTest(online: boolean, live: boolean): string {
  if (!online) return "The box is offline.";
  if (live) return "The box is live: a test would take the stream's line.";
  return "";
}
