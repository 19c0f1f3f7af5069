import { ApiProblem, send, wordsOf } from "./api.ts";
import { nameFor, refusal, typeOf } from "./include_files.ts";
import type { IncludeFile } from "./types.ts";

export interface Upload {
  id: number;
  name: string;
  /** From 0 to 1. */
  progress: number;
  fault: string;
  /** There is a file of this name: a person says whether it is replaced. */
  file?: File;
}

/** Uploads of include files, one after another. */
export class Uploads {
  all: Upload[] = $state([]);
  #next = 1;
  #before: Promise<void> = Promise.resolve();
  readonly #done: (file: IncludeFile) => void;

  constructor(done: (file: IncludeFile) => void) {
    this.#done = done;
  }

  /** Sends files; none takes the place of another. */
  add(files: Iterable<File>): void {
    for (const file of files) this.#queue(file, nameFor(file.name), { "if-none-match": "*" });
  }

  /** Sends what takes the place of the file of this name. */
  replace(name: string, file: File): void {
    this.#queue(file, name, {});
  }

  drop(id: number): void {
    this.all = this.all.filter((one) => one.id !== id);
  }

  #queue(file: File, name: string, headers: Record<string, string>): void {
    const id = this.#next++;
    const fault = refusal(name, file.size) ?? refusal(file.name, file.size) ?? "";
    this.all.push({ id, name: name || file.name, progress: 0, fault });
    if (!fault) this.#before = this.#before.then(() => this.#send(id, file, name, headers));
  }

  async #send(id: number, file: File, name: string, headers: Record<string, string>): Promise<void> {
    const set = (change: Partial<Upload>): void => {
      const at = this.all.findIndex((one) => one.id === id);
      const old = this.all[at];
      if (old) this.all[at] = { ...old, ...change };
    };
    try {
      const path = `/include-files/${encodeURIComponent(name)}`;
      const type = typeOf(file.name) ?? "application/octet-stream";
      this.#done(await send<IncludeFile>(path, file, type, headers, (progress) => set({ progress })));
      this.drop(id);
    } catch (error) {
      const taken = error instanceof ApiProblem && error.status === 412;
      if (taken) set({ fault: "There is a file of this name", file });
      else set({ fault: wordsOf(error) });
    }
  }
}
