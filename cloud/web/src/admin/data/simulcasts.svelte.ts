import { ask, wordsOf } from "./api.ts";
import type { Simulcast, SimulcastsMessage } from "./event_types.ts";
import { told } from "./told.ts";

/** The simulcasts of one event, as long as somebody looks. */
export class Simulcasts {
  state: "idle" | "loading" | "ready" | "failed" = $state("loading");
  error = $state("");
  all: Simulcast[] = $state.raw([]);
  readonly #event: string;

  constructor(event: string) {
    this.#event = event;
  }

  /** Makes a new one. */
  async make(body: Record<string, unknown>): Promise<void> {
    this.put(await ask<Simulcast>("POST", "/simulcasts", { ...body, event_id: this.#event }));
  }

  /** Changes one, unless somebody else has changed it meanwhile. */
  async change({ id, version }: Simulcast, body: Record<string, unknown>): Promise<void> {
    this.put(await ask<Simulcast>("PATCH", `/simulcasts/${id}`, body, { "if-match": `"${version}"` }));
  }

  async remove(id: string): Promise<void> {
    await ask("DELETE", `/simulcasts/${id}`);
    this.drop(id);
  }

  /** Follows the server's stream; gives the way to stop it. */
  follow(): () => void {
    void this.load();
    const leave = [
      told.simulcasts.listen((message) => this.#take(message)),
      told.simulcast.listen(({ id, deleted }) => {
        if (deleted) this.drop(id);
        // Of which event it is, only the list says.
        else void this.load();
      }),
      told.anew.listen(() => void this.load()),
    ];
    return () => leave.forEach((stop) => stop());
  }

  async load(): Promise<void> {
    try {
      this.all = (await ask<{ data: Simulcast[] }>("GET", `/simulcasts?event_id=${this.#event}&sort=created_at`)).data;
      this.state = "ready";
    } catch (error) {
      this.error = wordsOf(error);
      if (this.state !== "ready") this.state = "failed";
    }
  }

  put(one: Simulcast): void {
    const at = this.all.findIndex(({ id }) => id === one.id);
    this.all = at < 0 ? [...this.all, one] : this.all.with(at, one);
  }

  drop(id: string): void {
    this.all = this.all.filter((one) => one.id !== id);
  }

  #take({ event_id, simulcasts }: SimulcastsMessage): void {
    if (event_id !== this.#event) return;
    this.all = this.all.map((one) => {
      const outputs = simulcasts.find(({ id }) => id === one.id)?.outputs;
      return outputs ? { ...one, outputs } : one;
    });
  }
}
