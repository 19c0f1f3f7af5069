import type { EventState } from "../live/status_follower.ts";
import type { Look } from "./page_data.ts";

/** What a viewer's page shows instead of the player. */
export interface Slate {
  status: "waiting" | "paused" | "ended";
  title: string;
  text: string;
  /** The address of a picture that is shown instead of the words. */
  image: string | null;
  /** When it begins, in milliseconds, where there is a countdown. */
  startsAt: number | null;
  /** The item to watch afterwards. */
  replay: string | undefined;
}

/** What is shown for a state; nothing where the player is. What an older server leaves out is as the account says. Pure. */
export function slateOf(event: EventState, look: Look): Slate | undefined {
  if (event.status === "started") return undefined;
  const status = event.status === "preview" ? "waiting" : event.status;
  const words = event.messages?.[status] ?? look[status];
  const startsAt = status === "waiting" && event.starts_at ? Date.parse(event.starts_at) : Number.NaN;
  return {
    status,
    title: words.title,
    text: words.text,
    image: event.images?.[status] ?? null,
    startsAt: Number.isNaN(startsAt) ? null : startsAt,
    replay: status === "ended" ? event.items?.at(-1) : undefined,
  };
}

/** The pictures that may be shown later, so that they are there at once. Pure. */
export function laterImages({ images }: EventState): string[] {
  return [...new Set(Object.values(images ?? {}).filter((one) => one !== null))];
}

/** The message over the player: what a viewer has closed stays closed until the text is another one, or was away. Pure. */
export class ServiceNote {
  readonly text: string;
  readonly #closed: string;

  constructor(text = "", closed = "") {
    this.text = text;
    this.#closed = closed;
  }

  get shown(): string {
    return this.text === this.#closed ? "" : this.text;
  }

  with(text: string): ServiceNote {
    return text === this.text ? this : new ServiceNote(text, text ? this.#closed : "");
  }

  closed(): ServiceNote {
    return new ServiceNote(this.text, this.text);
  }
}
