import type { EventState } from "../live/status_follower.ts";

/** What the server wrote into the page: an event as it was then, or an item. */
export type PageData = ({ kind: "event" } & EventState) | { kind: "item"; id: string; title: string };

/** Reads the page's data; `undefined` where the page is opened without a server (or is broken). */
export function readPageData(root: ParentNode): PageData | undefined {
  const text = root.querySelector('meta[name="stagebox"]')?.getAttribute("content");
  if (!text) return undefined;
  try {
    return JSON.parse(text) as PageData;
  } catch {
    return undefined;
  }
}
