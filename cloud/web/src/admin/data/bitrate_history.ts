import type { Telemetry } from "./types.ts";

export interface BitrateLine {
  name: string;
  /** In kbit/s, oldest first. */
  values: readonly number[];
}

/** The last bitrates of a box's encoder and outputs. */
export class BitrateHistory {
  readonly #length: number;
  readonly #lines = new Map<string, number[]>();
  #last = "";

  constructor(length: number) {
    this.#length = length;
  }

  push(now: Telemetry): void {
    if (now.ts !== undefined && now.ts === this.#last) return;
    this.#last = now.ts ?? "";
    this.#add("Encoder", now.encoder.bitrate_kbps);
    for (const output of now.outputs) this.#add(output.role === "main" ? "Main" : "Backup", output.bitrate_kbps);
  }

  lines(): BitrateLine[] {
    return [...this.#lines].map(([name, values]) => ({ name, values: [...values] }));
  }

  #add(name: string, value: number): void {
    const values = this.#lines.get(name) ?? [];
    values.push(value);
    if (values.length > this.#length) values.shift();
    this.#lines.set(name, values);
  }
}
