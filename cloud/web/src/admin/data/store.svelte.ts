import { followStream } from "../../live/shared_stream.ts";
import { ApiProblem, ask, setCsrf, whenSignedOut } from "./api.ts";
import { Collection } from "./collection.svelte.ts";
import { zone } from "./time_zone.svelte.ts";
import { told } from "./told.ts";
import type { Alarm, Device, HealthMessage, Item, Job, LiveEvent, SimulcastsMessage, Telemetry } from "./types.ts";

export const events = new Collection<LiveEvent>("/events");
export const items = new Collection<Item>("/items");
export const devices = new Collection<Device>("/devices");
/** The newest only: whoever looks for an old one asks the API. */
export const jobs = new Collection<Job>("/jobs", 400);

class Alarms {
  /** All that is wrong with the server now. */
  all: Alarm[] = $state.raw([]);
}

export const alarms = new Alarms();

interface SessionAnswer {
  user_id: string;
  email: string;
  name: string;
  permissions: string[];
  csrf: string;
}

/** The password was right; a code is asked for, together with this. */
interface StepAnswer {
  second_factor: true;
  login: string;
}

class Session {
  state: "unknown" | "out" | "in" = $state("unknown");
  email = $state("");
  name = $state("");
  userId = $state("");
  permissions: readonly string[] = $state.raw([]);
  /** Whether the server's stream is open, so that what is shown is of now. */
  live = $state(true);
  #leave: () => void = () => {};
  /** Grows as somebody signs in or out, so that what was awaited meanwhile is thrown away. */
  #turn = 0;

  async restore(): Promise<void> {
    whenSignedOut(() => this.#out());
    try {
      await this.#in(await ask<SessionAnswer>("GET", "/session"));
    } catch {
      this.#out();
    }
  }

  /** Signs in; what a code must be given together with, where one is asked for. */
  async signIn(email: string, password: string): Promise<string | undefined> {
    const answer = await ask<SessionAnswer | StepAnswer>("POST", "/session", { email, password });
    if ("login" in answer) return answer.login;
    await this.#in(answer);
    return undefined;
  }

  /** The second step of signing in. */
  async giveCode(login: string, code: string): Promise<void> {
    await this.#in(await ask<SessionAnswer>("POST", "/session/code", { login, code }));
  }

  may(permission: string): boolean {
    return this.permissions.includes(permission);
  }

  /** Whether the server still knows the session; asked when its stream breaks. */
  async check(): Promise<void> {
    try {
      await ask<SessionAnswer>("GET", "/session");
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401 && this.state === "in") this.#out();
    }
  }

  async signOut(): Promise<void> {
    try {
      await ask("DELETE", "/session");
    } finally {
      this.#out();
    }
  }

  async #in(answer: SessionAnswer): Promise<void> {
    const turn = ++this.#turn;
    setCsrf(answer.csrf);
    this.#leave();
    const { leave, opened } = follow(this);
    this.#leave = leave;
    // Before any page shows a time, or reads what may change before it would be told.
    await Promise.all([zone.load(), opened]);
    if (turn !== this.#turn) return;
    this.email = answer.email;
    this.name = answer.name ?? "";
    this.userId = answer.user_id;
    this.permissions = answer.permissions ?? [];
    this.state = "in";
  }

  #out(): void {
    this.#turn += 1;
    this.#leave();
    this.#leave = () => {};
    this.live = true;
    setCsrf("");
    this.state = "out";
    for (const one of [events, items, devices, jobs]) one.forget();
    alarms.all = [];
  }
}

export const session = new Session();

type StreamMessage =
  | { kind: "event" | "item" | "device" | "job" | "simulcast"; id: string; deleted?: boolean }
  | { alarms: Alarm[] }
  | { device_id: string; telemetry: Telemetry }
  | HealthMessage
  | SimulcastsMessage;

const KINDS = { event: events, item: items, device: devices, job: jobs };

function readAnew(): void {
  for (const one of Object.values(KINDS)) if (one.state !== "idle") void one.load();
  told.anew.tell();
}

function changed(kind: keyof typeof KINDS | "simulcast", id: string, deleted: boolean): void {
  if (kind === "simulcast") {
    told.simulcast.tell({ id, deleted });
    return;
  }
  KINDS[kind]?.heard(id, deleted);
}

/** A page that waits for its stream waits no longer than this; it reads everything anew once it is there. */
const OPENED_WITHIN_MS = 700;

/** Follows the stream; how to leave it, and when what it would tell is not missed any more. */
function follow(owner: Session): { leave: () => void; opened: Promise<void> } {
  let isOpened: () => void = () => {};
  const opened = new Promise<void>((resolve) => (isOpened = resolve));
  let isDown = false;
  let mayHaveMissed = false;
  let tell: ReturnType<typeof setTimeout> | undefined;
  const late = setTimeout(() => {
    mayHaveMissed = true;
    isOpened();
  }, OPENED_WITHIN_MS);
  const leave = followStream("/api/v1/stream", {
    events: ["change", "alarms", "telemetry", "health", "simulcasts", "alive", "reset"],
    message(name, data) {
      const message = data as StreamMessage;
      if (name === "telemetry" && "telemetry" in message) {
        const { telemetry } = message;
        devices.patch(message.device_id, { telemetry, online: true });
      } else if (name === "health" && "inputs" in message) {
        told.health.tell(message);
      } else if (name === "simulcasts" && "simulcasts" in message) {
        told.simulcasts.tell(message);
      } else if (name === "alarms" && "alarms" in message) {
        alarms.all = message.alarms;
      } else if (name === "reset") {
        readAnew();
      } else if (name === "change" && "kind" in message) {
        changed(message.kind, message.id, message.deleted ?? false);
      }
    },
    up() {
      clearTimeout(tell);
      clearTimeout(late);
      isOpened();
      owner.live = true;
      isDown = false;
      if (!mayHaveMissed) return;
      mayHaveMissed = false;
      readAnew();
    },
    down() {
      mayHaveMissed = true;
      if (isDown) return;
      isDown = true;
      // A stream that is back at once is not worth a word.
      tell = setTimeout(() => (owner.live = false), 2_500);
      void owner.check();
    },
  });
  return { leave, opened };
}
