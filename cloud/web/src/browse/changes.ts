import { same, type Json } from "./json.ts";

type Fields = { [key: string]: Json };

/** What of `now` is not as it was before. */
export function changed(before: Fields, now: Fields): Fields {
  return Object.fromEntries(Object.entries(now).filter(([key, value]) => !same(before[key], value)));
}

/** What has to be sent so that `before` becomes `now`: what was emptied becomes null. */
export function changes(before: Fields, now: Fields): Fields {
  const changes = changed(before, now);
  for (const key of Object.keys(before)) if (!(key in now)) changes[key] = null;
  return changes;
}

/** A field of which two versions say different things. */
export interface Difference {
  field: string;
  before: Json | undefined;
  theirs: Json | undefined;
  /** What this page would make of it; `undefined` if it leaves it alone. */
  mine: Json | undefined;
}

/** Fields that each change brings with it. */
const ALWAYS = ["version", "updated_at"];

/** Where the version that was edited, the one that is there now, and the changes differ: one's own fields first. */
export function differences(before: Fields, theirs: Fields, mine: Fields): Difference[] {
  const fields = [...new Set([...Object.keys(mine), ...Object.keys(before), ...Object.keys(theirs)])];
  const told = fields.filter((field) => field in mine || (!ALWAYS.includes(field) && !same(before[field], theirs[field])));
  return told.map((field) => ({ field, before: before[field], theirs: theirs[field], mine: mine[field] }));
}

/** Whether a value is an object. */
export function isFields(value: Json | undefined): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
