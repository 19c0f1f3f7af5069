import type { LiveEvent } from "./event_types.ts";

/** What a person has changed of an event and not saved, by the API's names with dots between levels. Pure. */

export type Draft = Readonly<Record<string, unknown>>;

/** A field of a document: `messages.waiting.title`. */
export function valueAt(of: unknown, path: string): unknown {
  return path.split(".").reduce<unknown>((at, name) => (at as Record<string, unknown> | null)?.[name], of);
}

/** The draft with one more change; a change back to what is saved is none. */
export function drafted(draft: Draft, event: LiveEvent, path: string, value: unknown): Draft {
  const { [path]: _, ...rest } = draft;
  return valueAt(event, path) === value ? rest : { ...rest, [path]: value };
}

/** The draft as the body of a change. */
export function bodyOf(draft: Draft): Record<string, unknown> {
  const body: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(draft)) {
    const names = path.split(".");
    const last = names.pop() as string;
    let at = body;
    for (const name of names) at = (at[name] ??= {}) as Record<string, unknown>;
    at[last] = value;
  }
  return body;
}

/** What takes an event back to how it is, after the draft is saved. */
export function undoOf(draft: Draft, event: LiveEvent): Draft {
  return Object.fromEntries(Object.keys(draft).map((path) => [path, valueAt(event, path)]));
}
