/** What the watch sees of a video element at one moment. */
export interface PlaybackSample {
  /** Playback position in seconds. */
  time: number;
  /** The viewer (or nobody yet) holds playback. */
  held: boolean;
}

/** What to do about a picture that stands still. */
export type Remedy = "nudge" | "edge" | "reload";

const STEPS: readonly (readonly [afterMs: number, remedy: Remedy])[] = [
  [2_000, "nudge"],
  [4_500, "edge"],
  [9_000, "reload"],
];

/**
 * Notices that playback stands still though it should not, and answers stronger remedies the longer it lasts.
 * Pure: the clock is an argument.
 */
export class StallWatch {
  #time = -1;
  #movedAt = 0;
  #step = 0;

  /** Starts over, for instance after a new source. */
  reset(now: number): void {
    this.#time = -1;
    this.#movedAt = now;
    this.#step = 0;
  }

  /** How long the picture has been standing still. */
  stalledMs(now: number): number {
    return now - this.#movedAt;
  }

  sample(now: number, { time, held }: PlaybackSample): Remedy | undefined {
    if (held || Math.abs(time - this.#time) > 0.01) {
      this.#time = time;
      this.#movedAt = now;
      this.#step = 0;
      return undefined;
    }
    const next = STEPS[this.#step];
    if (!next || now - this.#movedAt < next[0]) return undefined;
    this.#step += 1;
    if (this.#step === STEPS.length) this.reset(now);
    return next[1];
  }
}
