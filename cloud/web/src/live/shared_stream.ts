/** Names of server-sent events that are passed on, and what hears them. */
export interface StreamListener {
  events: readonly string[];
  message(event: string, data: unknown): void;
  /** The stream is open (or its holder says so). */
  up(): void;
  /** The stream broke. */
  down(): void;
}

type Relay =
  | { kind: "message"; event: string; data: unknown }
  | { kind: "up" }
  | { kind: "down" }
  | { kind: "hello" };

/**
 * Follows a server-sent event stream, sharing one connection among all pages of this origin.
 *
 * Over HTTP/1.1 a browser opens six connections to a server, and a stream holds one for ever. One page holds
 * the stream (whoever has the lock) and relays it; when that page goes, the next takes over. Where a browser
 * has no locks (plain HTTP from another machine), each page has a stream of its own.
 */
export function followStream(url: string, listener: StreamListener): () => void {
  const closed = new AbortController();
  if (!("locks" in navigator) || typeof BroadcastChannel === "undefined") {
    openSource(url, listener, closed.signal, () => {});
    return () => closed.abort();
  }
  const name = `stagebox:${url}`;
  const channel = new BroadcastChannel(name);
  const say = (relay: Relay): void => channel.postMessage(relay);
  const last = new Map<string, unknown>();
  let holding = false;

  channel.onmessage = ({ data }: MessageEvent<Relay>) => {
    if (data.kind === "hello") {
      if (!holding) return;
      say({ kind: "up" });
      for (const [event, value] of last) say({ kind: "message", event, data: value });
    } else if (!holding) {
      relayTo(listener, data);
    }
  };
  say({ kind: "hello" });

  navigator.locks
    .request(name, { signal: closed.signal }, () => {
      holding = true;
      return new Promise<void>((release) => {
        closed.signal.addEventListener("abort", () => release());
        openSource(url, listener, closed.signal, (relay) => {
          if (relay.kind === "message") last.set(relay.event, relay.data);
          say(relay);
        });
      });
    })
    .catch(() => {
      // Closed while waiting for the lock: nothing is held.
    });
  closed.signal.addEventListener("abort", () => channel.close());
  return () => closed.abort();
}

function relayTo(listener: StreamListener, relay: Relay): void {
  if (relay.kind === "message") listener.message(relay.event, relay.data);
  else if (relay.kind === "up") listener.up();
  else if (relay.kind === "down") listener.down();
}

function openSource(url: string, listener: StreamListener, closed: AbortSignal, relay: (relay: Relay) => void): void {
  let source: EventSource | undefined;
  let again: ReturnType<typeof setTimeout> | undefined;
  const tell = (what: Relay): void => {
    if (closed.aborted) return;
    relayTo(listener, what);
    relay(what);
  };
  const open = (): void => {
    source = new EventSource(url);
    source.onopen = () => tell({ kind: "up" });
    source.onerror = () => {
      tell({ kind: "down" });
      // The browser retries a broken stream, but gives up for good after an answer that is none.
      if (source?.readyState === EventSource.CLOSED && !closed.aborted) again = setTimeout(open, 2000);
    };
    for (const event of listener.events) {
      source.addEventListener(event, (message: MessageEvent<string>) => {
        const data = parse(message.data);
        if (data !== undefined) tell({ kind: "message", event, data });
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
