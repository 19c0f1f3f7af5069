import { ask, wordsOf } from "./api.ts";
import { Turns } from "./turns.ts";

interface Page<T> {
  data: T[];
  next: string | null;
}

interface Kept {
  id: string;
  version?: number;
}

/** The whole list among what is read; ids are never empty. */
const ALL = "";

/** All documents of one kind, or the newest of them, loaded once and kept up to date by the server's stream. */
export class Collection<T extends Kept> {
  readonly #path: string;
  readonly #most: number;
  readonly #turns = new Turns();
  all: T[] = $state.raw([]);
  state: "idle" | "loading" | "ready" | "failed" = $state("idle");
  error = $state("");

  constructor(path: string, most = Infinity) {
    this.#path = path;
    this.#most = most;
  }

  get(id: string): T | undefined {
    return this.all.find((one) => one.id === id);
  }

  /** Loads the list unless it is here or on its way. */
  need(): void {
    if (this.state === "idle" || this.state === "failed") void this.load();
  }

  load(): Promise<void> {
    return this.#turns.take(ALL, () => this.#load());
  }

  async #load(): Promise<void> {
    if (this.state !== "ready") this.state = "loading";
    try {
      const all: T[] = [];
      let cursor: string | null = "";
      while (cursor !== null) {
        const query: string = cursor ? `?limit=200&after=${encodeURIComponent(cursor)}` : "?limit=200";
        const page: Page<T> = await ask<Page<T>>("GET", `${this.#path}${query}`);
        all.push(...page.data);
        cursor = all.length < this.#most ? page.next : null;
      }
      this.all = all;
      this.state = "ready";
    } catch (error) {
      this.error = wordsOf(error);
      if (this.state !== "ready") this.state = "failed";
    }
  }

  /** Follows a change that the server tells of. */
  heard(id: string, deleted: boolean): void {
    // What is on its way may be from before the change.
    if (this.#turns.has(ALL)) void this.load();
    if (this.state !== "ready") return;
    if (deleted) this.drop(id);
    else void this.refresh(id);
  }

  refresh(id: string): Promise<void> {
    return this.#turns.take(id, () => this.#refresh(id));
  }

  async #refresh(id: string): Promise<void> {
    try {
      this.put(await ask<T>("GET", `${this.#path}/${id}`));
    } catch {
      await this.load();
    }
  }

  /** Keeps a document unless a newer one is here. */
  put(doc: T): void {
    const at = this.all.findIndex((one) => one.id === doc.id);
    if (at < 0) this.all = [doc, ...this.all];
    else if ((doc.version ?? 0) >= (this.all[at]?.version ?? 0)) this.all = this.all.with(at, doc);
  }

  /** Changes fields of a document without asking the server. */
  patch(id: string, change: Partial<T>): void {
    const at = this.all.findIndex((one) => one.id === id);
    const old = this.all[at];
    if (old) this.all = this.all.with(at, { ...old, ...change });
  }

  drop(id: string): void {
    this.all = this.all.filter((one) => one.id !== id);
  }

  forget(): void {
    this.all = [];
    this.state = "idle";
  }
}
