import type { EventState } from "../live/status_follower.ts";

interface Words {
  title: string;
  text: string;
}

/** How the account wants its player to look, and what it says. */
export interface Look {
  /** `#rrggbb`. */
  accent: string | null;
  /** The address of a picture. */
  logo: string | null;
  low_latency: boolean;
  autoplay: boolean;
  waiting: Words;
  paused: Words;
  ended: Words;
}

/** What the server wrote into the page: an event as it was then, or an item. */
export type PageData =
  | ({ kind: "event"; look: Look } & EventState)
  | { kind: "item"; id: string; title: string; look: Look };

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

/** Black or white, whichever is read more easily on a colour (WCAG 2.2, relative luminance). Pure. */
export function inkOn(colour: string): "#000" | "#fff" {
  const part = (at: number): number => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5) > 0.179 ? "#000" : "#fff";
}

/** Puts the account's colour where the styles look for it. */
export function applyLook(look: Look, style: CSSStyleDeclaration): void {
  if (!look.accent) return;
  style.setProperty("--player-accent", look.accent);
  style.setProperty("--player-on-accent", inkOn(look.accent));
}
