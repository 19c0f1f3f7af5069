import { ask, wordsOf } from "./api.ts";
import type { HealthAnswer, HealthMessage, InputHealth, Resolution, Role } from "./event_types.ts";
import { advanced, NO_TRACK, pointsOf, STEP_MS, type Track } from "./health.ts";
import { told } from "./told.ts";

/** How the broadcasts of one event fare, as long as somebody looks. */
export class EventHealth {
  state: "idle" | "loading" | "ready" | "failed" = $state("loading");
  error = $state("");
  resolution: Resolution = $state("second");
  tracks: Record<Role, Track> = $state.raw({ main: NO_TRACK, backup: NO_TRACK });
  readonly #id: string;
  #minutesAt = 0;

  constructor(id: string) {
    this.#id = id;
  }

  /** Follows the server's stream; gives the way to stop it. */
  follow(): () => void {
    void this.load();
    const leave = [
      told.health.listen((message) => this.#take(message)),
      told.anew.listen(() => void this.load()),
    ];
    return () => leave.forEach((stop) => stop());
  }

  async load(): Promise<void> {
    try {
      const [second, minute] = await Promise.all([this.#ask("second"), this.#ask("minute")]);
      const track = (role: Role): Track => ({
        now: second.inputs[role].now,
        warnings: second.inputs[role].warnings,
        points: { second: pointsOf(second.inputs[role].samples), minute: pointsOf(minute.inputs[role].samples) },
      });
      const first = this.state !== "ready";
      this.tracks = { main: track("main"), backup: track("backup") };
      this.#minutesAt = Date.now();
      this.state = "ready";
      if (first) this.resolution = this.#hasSeconds() ? "second" : "minute";
    } catch (error) {
      this.error = wordsOf(error);
      if (this.state !== "ready") this.state = "failed";
    }
  }

  #hasSeconds(): boolean {
    const { main, backup } = this.tracks;
    return main.points.second.length + backup.points.second.length > 0 || main.now !== null || backup.now !== null;
  }

  #ask(resolution: Resolution): Promise<HealthAnswer> {
    return ask<HealthAnswer>("GET", `/events/${this.#id}/health?resolution=${resolution}`);
  }

  #take(message: HealthMessage): void {
    if (message.event_id !== this.#id || this.state !== "ready") return;
    const of = (role: Role): Track => advanced(this.tracks[role], message.inputs[role]);
    this.tracks = { main: of("main"), backup: of("backup") };
    if (Date.now() - this.#minutesAt > STEP_MS.minute) void this.#readMinutes();
  }

  async #readMinutes(): Promise<void> {
    this.#minutesAt = Date.now();
    try {
      const { inputs } = await this.#ask("minute");
      const of = (role: Role, { samples }: InputHealth): Track => {
        const track = this.tracks[role];
        return { ...track, points: { ...track.points, minute: pointsOf(samples) } };
      };
      this.tracks = { main: of("main", inputs.main), backup: of("backup", inputs.backup) };
    } catch {
      // The next minute asks again.
    }
  }
}
