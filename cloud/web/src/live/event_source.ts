/** Names of server-sent events that are passed on, and what hears them. */
export interface StreamListener {
  events: readonly string[];
  message(event: string, data: unknown): void;
  /** The stream is open (or its holder says so). */
  up(): void;
  /** The stream broke. */
  down(): void;
}

/** What the one who holds a stream tells the others. */
export type Relay = { kind: "message"; event: string; data: unknown } | { kind: "up" } | { kind: "down" };

/** Remembers what somebody who comes later has to be told. */
export class Told {
  readonly #last = new Map<string, unknown>();
  #up = false;

  heard(relay: Relay): void {
    if (relay.kind === "message") this.#last.set(relay.event, relay.data);
    else this.#up = relay.kind === "up";
  }

  again(): Relay[] {
    const messages = [...this.#last].map(([event, data]) => ({ kind: "message" as const, event, data }));
    return [{ kind: this.#up ? "up" : "down" }, ...messages];
  }
}

export function relayTo(listener: StreamListener, relay: Relay): void {
  if (relay.kind === "message") listener.message(relay.event, relay.data);
  else if (relay.kind === "up") listener.up();
  else listener.down();
}

/** Follows a stream until `closed`, and opens it again whenever it ends. */
export function openSource(url: string, events: readonly string[], closed: AbortSignal, tell: (relay: Relay) => void): void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  const pass = (relay: Relay): void => {
    if (!closed.aborted) tell(relay);
  };
  const open = (): void => {
    source = new EventSource(url);
    source.onopen = () => pass({ kind: "up" });
    source.onerror = () => {
      pass({ kind: "down" });
      // The browser retries a broken stream, but gives up for good after an answer that is none.
      if (source?.readyState === EventSource.CLOSED && !closed.aborted) again = setTimeout(open, 2000);
    };
    for (const event of events) {
      source.addEventListener(event, (message: MessageEvent<string>) => {
        const data = parse(message.data);
        if (data !== undefined) pass({ kind: "message", event, data });
      });
    }
  };
  open();
  closed.addEventListener("abort", () => {
    clearTimeout(again);
    source?.close();
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
