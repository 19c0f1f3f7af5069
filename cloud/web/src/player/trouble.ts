/** Where playback got stuck, as far as the page can tell. */
export type TroubleKind = "not-ready" | "refused" | "unreachable" | "decode" | "unsupported";

/** A fault in words, and when the next attempt comes (`undefined`: none will). */
export interface Trouble {
  kind: TroubleKind;
  text: string;
  retryInMs: number | undefined;
}

const WORDS: Record<TroubleKind, string> = {
  "not-ready": "The picture comes in a moment.",
  refused: "This video may not be played here.",
  unreachable: "No connection to the server. Trying again…",
  decode: "The picture could not be decoded. Trying again…",
  unsupported: "This browser cannot play this video. Please use a current Chrome, Edge, Firefox or Safari.",
};

const RETRY_MS: readonly number[] = [500, 1_000, 1_500, 2_000, 3_000, 5_000];

/** Says a fault in words; `attempt` counts from 0 and makes the waits longer, up to five seconds. */
export function trouble(kind: TroubleKind, attempt: number): Trouble {
  const wait = RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)];
  return { kind, text: WORDS[kind], retryInMs: kind === "unsupported" ? undefined : wait };
}

/** Which fault an HTTP status means for a playlist or a segment; 0 is no answer at all. */
export function troubleOfStatus(status: number | undefined): TroubleKind {
  if (status === 401 || status === 403) return "refused";
  if (status === 404 || status === 409 || status === 425 || status === 503) return "not-ready";
  return "unreachable";
}
