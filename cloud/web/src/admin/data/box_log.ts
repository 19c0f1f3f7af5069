import { ask } from "./api.ts";
import type { CommandAnswer, LogPiece } from "./types.ts";

/** More than a box ever tells. */
const MOST_BYTES = 16 << 20;

/** Pieces of a box's log as they come. */
export class LogPieces {
  readonly #parts: Uint8Array<ArrayBuffer>[] = [];
  #bytes = 0;
  #total = Infinity;

  /** Takes the next piece; where the one after it begins, or `null` behind the last one. */
  take(piece: LogPiece): number | null {
    const part = Uint8Array.from(atob(piece.data), (letter) => letter.charCodeAt(0));
    if (piece.offset !== this.#bytes || part.length === 0 || piece.total_bytes > MOST_BYTES) throw new Error("The box told a piece of its log that does not fit.");
    this.#parts.push(part);
    this.#bytes += part.length;
    this.#total = piece.total_bytes;
    return this.#bytes < this.#total ? this.#bytes : null;
  }

  /** How much of it is here, from 0 to 1. */
  get part(): number {
    return this.#bytes / this.#total;
  }

  /** The lines, unpacked. */
  text(): Promise<string> {
    return new Response(new Blob(this.#parts).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }
}

/** Has a box tell its log lines of the last minutes, piece by piece. */
export async function fetchLog(device: string, minutes: number, level: string, progress: (part: number) => void): Promise<string> {
  const pieces = new LogPieces();
  const command = (name: string, args: unknown) => ask<CommandAnswer>("POST", `/devices/${device}/commands/${name}`, args);
  let answer = await command("fetch_logs", { minutes, level });
  for (;;) {
    const piece = answer.result as LogPiece | undefined;
    if (piece === undefined) throw new Error("The box's software is too old to tell its log.");
    const offset = pieces.take(piece);
    progress(pieces.part);
    if (offset === null) return pieces.text();
    answer = await command("fetch_more_logs", { of: piece.of, offset });
  }
}
