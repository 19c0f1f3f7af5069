import { openSource, relayTo, Told, type Relay, type StreamListener } from "./event_source.ts";
import type { Ask } from "./stream_worker.ts";

export type { StreamListener } from "./event_source.ts";

/**
 * Follows a server-sent event stream, sharing one connection among all pages of this origin.
 *
 * Over HTTP/1.1 a browser opens six connections to a server, and a stream holds one for ever. One page holds
 * the stream (whoever has the lock) and relays it; when that page goes, the next takes over. Where a browser
 * has no locks (plain HTTP from another machine), a shared worker holds it; where it has no such either, each
 * page has a stream of its own.
 */
export function followStream(url: string, listener: StreamListener): () => void {
  const closed = new AbortController();
  if ("locks" in navigator && typeof BroadcastChannel !== "undefined") followByLock(url, listener, closed.signal);
  else if (typeof SharedWorker !== "undefined") followByWorker(url, listener, closed.signal);
  else openSource(url, listener.events, closed.signal, (relay) => relayTo(listener, relay));
  return () => closed.abort();
}

function followByLock(url: string, listener: StreamListener, closed: AbortSignal): void {
  const name = `stagebox:${url}`;
  const channel = new BroadcastChannel(name);
  const say = (relay: Relay | { kind: "hello" }): void => channel.postMessage(relay);
  const told = new Told();
  let holding = false;
  let following = false;

  channel.onmessage = ({ data }: MessageEvent<Relay | { kind: "hello" }>) => {
    if (data.kind === "hello") {
      if (holding) told.again().forEach(say);
    } else if (!holding) {
      following = true;
      relayTo(listener, data);
    }
  };
  say({ kind: "hello" });

  navigator.locks
    .request(name, { signal: closed }, () => {
      holding = true;
      return new Promise<void>((release) => {
        closed.addEventListener("abort", () => release());
        const tell = (relay: Relay): void => {
          told.heard(relay);
          relayTo(listener, relay);
          say(relay);
        };
        // What happened between two holders was told by neither of them.
        if (following) tell({ kind: "down" });
        openSource(url, listener.events, closed, tell);
      });
    })
    .catch(() => {
      // Closed while waiting for the lock: nothing is held.
    });
  closed.addEventListener("abort", () => channel.close());
}

function followByWorker(url: string, listener: StreamListener, closed: AbortSignal): void {
  const worker = new SharedWorker(new URL("./stream_worker.ts", import.meta.url), { type: "module", name: url });
  const say = (ask: Ask): void => worker.port.postMessage(ask);
  worker.port.onmessage = ({ data }: MessageEvent<Relay>) => {
    if (!closed.aborted) relayTo(listener, data);
  };
  say({ kind: "follow", url, events: listener.events });
  closed.addEventListener("abort", () => say({ kind: "leave" }));
  // A page that may come back is told all anew; one that is gone is told no more.
  window.addEventListener("pagehide", () => say({ kind: "leave" }), { signal: closed });
  window.addEventListener("pageshow", ({ persisted }) => persisted && say({ kind: "follow", url, events: listener.events }), {
    signal: closed,
  });
}
