import type { HealthMessage, SimulcastsMessage } from "./event_types.ts";

/** Passes on what the server's stream says, to whoever listens just now. */
export class Told<T> {
  readonly #listeners = new Set<(message: T) => void>();

  /** Gives the way to stop it. */
  listen(listener: (message: T) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(message: T): void {
    for (const listener of this.#listeners) listener(message);
  }
}

/** What is of one page only, and therefore kept in no collection. */
export const told = {
  health: new Told<HealthMessage>(),
  /** How they fare. */
  simulcasts: new Told<SimulcastsMessage>(),
  /** One was made, changed or deleted. */
  simulcast: new Told<{ id: string; deleted: boolean }>(),
  /** Something may have been missed: what is shown is to be read again. */
  anew: new Told<void>(),
};
