/** What a viewer's page knows of an event. */
export interface EventState {
  id: string;
  title: string;
  status: "waiting" | "preview" | "started" | "paused" | "ended";
  /** Grows with each change of the event, so that a late answer cannot undo a newer one. */
  version: number;
  /** Whether a broadcast reaches the server now. */
  receiving: boolean;
  /** Items made of the event, newest last; filled after the end. */
  items?: string[];
  /** When it begins, where viewers are to see how long that is. */
  starts_at?: string | null;
  /** The server's clock when it wrote this. */
  now?: string;
  /** Shown over the player while it is started; empty: none. */
  service_message?: string;
  /** What is said instead of the picture, and the addresses of pictures that are shown instead of that. */
  messages?: Record<"waiting" | "paused" | "ended", { title: string; text: string }>;
  images?: Record<"waiting" | "paused" | "ended", string | null>;
}

/** The stream says something at least this often; more silence means that it is lost. */
export const STREAM_SILENCE_MS = 12_000;
/** How often to ask when the stream is not there. */
export const POLL_EVERY_MS = 1_000;

/**
 * Decides which of two sources to believe: the server's stream as long as it speaks, else polling.
 * Pure: the clock is an argument.
 */
export class StatusFollower {
  #state: EventState;
  #heardAt: number;
  #streamUp = false;
  #polledAt = -Infinity;

  constructor(initial: EventState, now: number) {
    this.#state = initial;
    this.#heardAt = now;
  }

  get state(): EventState {
    return this.#state;
  }

  /** The stream is open or has said that it lives. */
  heard(now: number): void {
    this.#streamUp = true;
    this.#heardAt = now;
  }

  /** The stream broke; the browser tries again by itself. */
  lost(): void {
    this.#streamUp = false;
  }

  /** Takes a state from either source and says whether it is news. */
  take(next: EventState, now: number, from: "stream" | "poll"): boolean {
    if (from === "stream") this.heard(now);
    if (next.version < this.#state.version) return false;
    const changed = withoutClock(next) !== withoutClock(this.#state);
    this.#state = next;
    return changed;
  }

  /** Whether to ask the server now; asking is noted. */
  pollDue(now: number): boolean {
    const silent = !this.#streamUp || now - this.#heardAt > STREAM_SILENCE_MS;
    if (!silent || now - this.#polledAt < POLL_EVERY_MS) return false;
    this.#polledAt = now;
    return true;
  }
}

/** That the server's clock goes on is no news. */
function withoutClock(state: EventState): string {
  return JSON.stringify({ ...state, now: undefined });
}
