/** Reads each thing once at a time: who wants it anew while it is read has it read once more, and none comes out of turn. */
export class Turns {
  readonly #reading = new Map<string, { again: boolean; done: Promise<void> }>();

  /** Whether something is being read just now. */
  has(key: string): boolean {
    return this.#reading.has(key);
  }

  /** Reads it, after whoever is reading it; ends when it was last read. `read` never fails. */
  take(key: string, read: () => Promise<void>): Promise<void> {
    const known = this.#reading.get(key);
    if (known) {
      known.again = true;
      return known.done;
    }
    const turn = { again: true, done: Promise.resolve() };
    this.#reading.set(key, turn);
    turn.done = this.#read(key, turn, read);
    return turn.done;
  }

  async #read(key: string, turn: { again: boolean }, read: () => Promise<void>): Promise<void> {
    try {
      while (turn.again) {
        turn.again = false;
        await read();
      }
    } finally {
      this.#reading.delete(key);
    }
  }
}
