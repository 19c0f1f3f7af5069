// The viewers' pages over the events in memory, for work on them without a server. Never part of the build.
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { ViteDevServer } from "vite";
import type { LiveEvent, SlateStatus } from "../src/admin/data/types.ts";

const ACCOUNT: Record<SlateStatus, { title: string; text: string }> = {
  waiting: { title: "Starting soon", text: "The stream begins here by itself." },
  paused: { title: "We will be right back", text: "The stream is paused. It goes on by itself." },
  ended: { title: "This event has ended", text: "Thank you for watching." },
};
const STATUSES = ["waiting", "paused", "ended"] as const;

function state(event: LiveEvent): Record<string, unknown> {
  const each = <T>(of: (status: SlateStatus) => T): Record<string, T> => Object.fromEntries(STATUSES.map((status) => [status, of(status)]));
  return {
    id: event.id, title: event.title, status: event.status, version: event.version, receiving: true,
    starts_at: event.countdown ? event.starts_at : null, now: new Date().toISOString(), service_message: event.service_message,
    messages: each((status) => ({
      title: event.messages[status].title ?? ACCOUNT[status].title, text: event.messages[status].text ?? ACCOUNT[status].text,
    })),
    images: each((status) => {
      const name = event.images[status] ?? event.images.general;
      return name && `/include/acc_mock/${name}`;
    }),
  };
}

const streams = new Map<ServerResponse, LiveEvent>();

/** Tells the pages that follow it of an event's change. */
export function tellViewers(event: LiveEvent): void {
  for (const [stream, of] of streams) if (of === event) stream.write(`event: status\ndata: ${JSON.stringify(state(event))}\n\n`);
}

/** Answers `/embed/events/…`; says whether it did. */
export async function answerViewer(server: ViteDevServer, events: readonly LiveEvent[], path: string, response: ServerResponse): Promise<boolean> {
  const [, , kind, id, sub] = path.split("/");
  const event = kind === "events" ? events.find((one) => one.id === id) : undefined;
  if (!event) return false;
  if (sub === "status.json") {
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(state(event)));
  } else if (sub === "stream") {
    response.writeHead(200, { "content-type": "text/event-stream" });
    response.write("event: alive\ndata: {}\n\n");
    streams.set(response, event);
    response.on("close", () => streams.delete(response));
  } else {
    const look = { accent: "#c2410c", logo: null, low_latency: true, autoplay: true, ...ACCOUNT };
    const data = JSON.stringify({ kind: "event", look, ...state(event) }).replaceAll("&", "&amp;").replaceAll('"', "&quot;");
    const page = readFileSync("player.html", "utf8").replace('name="stagebox" content=""', () => `name="stagebox" content="${data}"`);
    response.writeHead(200, { "content-type": "text/html" });
    response.end(await server.transformIndexHtml("/player.html", page));
  }
  return true;
}
