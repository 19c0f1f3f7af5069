/**
 * Holds one server-sent event stream for all pages of this origin, where the browser has no locks for them to agree by.
 * Its name in the browser is the stream's address: there is one of these for each.
 */
import { openSource, Told, type Relay } from "./event_source.ts";

/** What a page says: that it wants these events of this stream, or no more. */
export type Ask = { kind: "follow"; url: string; events: readonly string[] } | { kind: "leave" };

const pages = new Set<MessagePort>();
let told = new Told();
let closed: AbortController | undefined;

function tell(relay: Relay): void {
  told.heard(relay);
  for (const page of pages) page.postMessage(relay);
}

function heard(page: MessagePort, ask: Ask): void {
  if (ask.kind === "leave") {
    pages.delete(page);
    if (pages.size > 0) return;
    closed?.abort();
    closed = undefined;
    told = new Told();
    return;
  }
  pages.add(page);
  if (closed) {
    for (const relay of told.again()) page.postMessage(relay);
    return;
  }
  closed = new AbortController();
  openSource(ask.url, ask.events, closed.signal, tell);
}

const scope = self as unknown as { onconnect: (event: MessageEvent) => void };
scope.onconnect = ({ ports: [page] }) => {
  if (page) page.onmessage = ({ data }: MessageEvent<Ask>) => heard(page, data);
};
