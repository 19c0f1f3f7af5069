import { ApiProblem, ask, wordsOf } from "./api.ts";
import { bodyOf, drafted, undoOf, valueAt, type Draft } from "./event_draft.ts";
import { events } from "./store.svelte.ts";
import { toasts } from "./toasts.svelte.ts";
import type { LiveEvent } from "./types.ts";

/** Fields of an event that are saved together. */
export class EventForm {
  draft: Draft = $state.raw({});
  /** What the server said is wrong, by field. */
  faults: Readonly<Record<string, string>> = $state.raw({});
  busy = $state(false);
  readonly #event: () => LiveEvent;

  constructor(event: () => LiveEvent) {
    this.#event = event;
  }

  get dirty(): boolean {
    return Object.keys(this.draft).length > 0;
  }

  value<T>(path: string): T {
    return (path in this.draft ? this.draft[path] : valueAt(this.#event(), path)) as T;
  }

  set(path: string, value: unknown): void {
    this.draft = drafted(this.draft, this.#event(), path, value);
    const { [path]: _, ...rest } = this.faults;
    this.faults = rest;
  }

  discard(): void {
    [this.draft, this.faults] = [{}, {}];
  }

  /** Saves; what is wrong is told at the fields that `has` knows, all else in a toast. */
  async save(said: string, has: (field: string) => boolean): Promise<void> {
    if (this.busy || !this.dirty) return;
    const event = this.#event();
    const undo = undoOf(this.draft, event);
    this.busy = true;
    try {
      events.put(await ask<LiveEvent>("PATCH", `/events/${event.id}`, bodyOf(this.draft)));
      this.discard();
      toasts.done(said, () => void changeEvent(event.id, bodyOf(undo), "Changed back"));
    } catch (error) {
      const fields = error instanceof ApiProblem ? error.fields : {};
      this.faults = fields;
      const elsewhere = Object.keys(fields).length === 0 || Object.keys(fields).some((field) => !has(field));
      if (elsewhere) toasts.fault(wordsOf(error));
    } finally {
      this.busy = false;
    }
  }
}

/** Changes fields of an event at once, and says so. */
export async function changeEvent(id: string, fields: object, said: string, undo?: object): Promise<boolean> {
  try {
    events.put(await ask<LiveEvent>("PATCH", `/events/${id}`, fields));
    toasts.done(said, undo ? () => void changeEvent(id, undo, "Changed back") : undefined);
    return true;
  } catch (error) {
    toasts.fault(wordsOf(error));
    return false;
  }
}
