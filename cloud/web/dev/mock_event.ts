// What belongs to a live event, in memory, for work on the pages without a server. Never part of the build.
import type { HealthAnswer, HealthMessage, LiveEvent, Role, Sample, Simulcast, SimulcastOutput } from "../src/admin/data/types.ts";

/** Set MOCK_READS_ONLY to see the pages as somebody who may change nothing. */
export const READS_ONLY = Boolean(process.env["MOCK_READS_ONLY"]);

type Answer = [status: number, body?: unknown];
type Details = Omit<LiveEvent, "id" | "number" | "title" | "status" | "version" | "created_at" | "updated_at">;

const at = (minutes: number): string => new Date(Date.now() - minutes * 60_000).toISOString();
const refuse = (status: number, title: string, errors: { field: string; detail: string }[]): Answer => [status, { title, status, detail: title, errors }];
const URL_ = "rtmp://127.0.0.1:1935/live";

let keys = 0;
const key = (role: string): string => {
  keys += 1;
  return READS_ONLY ? `••••••••ab${keys}` : `sk_${role}_${"9f2c71ab".repeat(3)}${keys}`;
};

/** What a new event has. */
export function details(id: string, receiving: boolean): Details {
  const input = (role: Role, on: boolean) => ({
    key: key(role), url: URL_, receiving: on, old_key_until: null,
    source: on ? { address: role === "main" ? "203.0.113.7" : "2001:db8::7", encoder: "OBS Studio 31.0.2", since: at(47) } : null,
  });
  const words = { title: null, text: null };
  const url = `http://localhost:5173/embed/events/${id}`;
  return {
    device_id: null, inputs: { main: input("main", receiving), backup: input("backup", false) }, recordings: [],
    starts_at: null, ends_at: null, automatic: false, countdown: false,
    messages: { waiting: { ...words }, paused: { ...words }, ended: { ...words } },
    images: { general: null, waiting: null, paused: null, ended: null }, service_message: "", transcode: true,
    resolutions: null, record: "account",
    advice: "Start two minutes before the first thing happens: players need time to load, and nobody misses the beginning.",
    embed: {
      url,
      fixed: `<iframe src="${url}" width="960" height="540" allow="autoplay; fullscreen" allowfullscreen></iframe>`,
      responsive: `<div style="position:relative;aspect-ratio:16/9"><iframe src="${url}" style="position:absolute;inset:0;width:100%;height:100%" allow="autoplay; fullscreen" allowfullscreen></iframe></div>`,
    },
  };
}

const output = (url: string, state: SimulcastOutput["state"], more: Partial<SimulcastOutput> = {}): SimulcastOutput => ({
  url, state, bitrate_kbps: 0, queued_ms: 0, dropped_frames: 0, reconnects: 0, error: null, since: null, ...more,
});
const simulcasts = new Map<string, Simulcast[]>([
  ["evt_mock5", [
    {
      id: "sim_1", name: "Society's channel", service: "youtube", url: "rtmps://a.rtmps.youtube.com/live2", key: "••••x7q2",
      backup_url: "rtmps://b.rtmps.youtube.com/live2?backup=1", rendition: "source", enabled: true, version: 1,
      outputs: [
        output("rtmps://a.rtmps.youtube.com/live2", "sending", { bitrate_kbps: 4120, reconnects: 1, dropped_frames: 48, since: at(40), error: "the server closed the connection" }),
        output("rtmps://b.rtmps.youtube.com/live2?backup=1", "waiting", { reconnects: 7, error: "connection refused by 203.0.113.4" }),
      ],
    },
    {
      id: "sim_2", name: "", service: "custom", url: "rtmp://ingest.a-partner-with-a-long-name.example.org/live/channel-12", key: "••••9a01",
      backup_url: null, rendition: "720p", enabled: false, version: 1, outputs: [output("rtmp://ingest.example.org/live", "off")],
    },
  ]],
]);

function sample(ms: number, minute: boolean): Sample {
  const s = Math.floor(ms / 1000);
  const wave = Math.sin(s / 97) * 180 + Math.sin(s / 13) * 60 + Math.random() * 220;
  const gone = !minute && s % 1900 < 6;
  const low = s % 1300 < 70;
  const none = { video_kbps: 0, audio_kbps: 0, frames_per_s: 0, key_interval_ms: null, width: null, height: null, audio_rms_dbfs: null, audio_peak_dbfs: null, jitter_ms: 0, late_ms: 0, gaps: 1 };
  const on: Omit<Sample, "at"> = {
    video_kbps: Math.round((low ? 2100 : 4100) + wave), audio_kbps: 128 + Math.round(Math.random() * 3), frames_per_s: low ? 27 + Math.round(Math.random() * 2) : 30,
    key_interval_ms: 2000, width: 1920, height: 1080, audio_rms_dbfs: -21 + Math.sin(s / 41) * 5 + Math.random() * 2,
    audio_peak_dbfs: -9 + Math.sin(s / 41) * 4 + Math.random() * 3, jitter_ms: (low ? 90 : 9) + Math.random() * 12, late_ms: low ? 240 : 0, gaps: 0,
  };
  return { at: new Date(ms).toISOString(), ...(gone ? none : on) };
}

const warnings = [{ name: "frames_low", words: "Fewer frames come in than are announced: the encoder or its network cannot keep up.", since: at(3) }];
const hasBackup = (id: string): boolean => id === "evt_mock5";

function health(event: LiveEvent, minute: boolean): HealthAnswer {
  const step = minute ? 60_000 : 1000;
  const of = (role: Role, count: number, missing = 0) => {
    const on = event.inputs[role].receiving;
    const now = Math.floor(Date.now() / 1000) * 1000 - missing;
    const samples = Array.from({ length: count }, (_, n) => sample(now - (count - 1 - n) * step, minute));
    return { source: event.inputs[role].source, now: on ? (samples.at(-1) ?? null) : null, warnings: on && role === "main" ? warnings : [], samples };
  };
  const ever = event.inputs.main.receiving || event.recordings.length > 0;
  return {
    inputs: {
      main: of("main", ever ? (minute ? 190 : event.inputs.main.receiving ? 3600 : 0) : 0),
      backup: of("backup", hasBackup(event.id) ? (minute ? 40 : 900) : 0, 1_500_000),
    },
  };
}

/** What the stream says each second. */
export function ticks(events: readonly LiveEvent[], say: (name: string, data: unknown) => void): void {
  for (const event of events.filter(({ inputs }) => inputs.main.receiving || inputs.backup.receiving)) {
    const now = (role: Role) => (event.inputs[role].receiving ? sample(Date.now(), false) : null);
    const said: HealthMessage = {
      event_id: event.id,
      inputs: { main: { now: now("main"), warnings: hasBackup(event.id) ? warnings : [] }, backup: { now: now("backup"), warnings: [] } },
    };
    say("health", said);
    const list = simulcasts.get(event.id) ?? [];
    for (const one of list) {
      for (const out of one.outputs) if (out.state === "sending") out.bitrate_kbps = 4000 + Math.round(Math.random() * 200);
    }
    if (list.length > 0) say("simulcasts", { event_id: event.id, simulcasts: list.map(({ id, outputs }) => ({ id, outputs })) });
  }
}

function wrong(body: Record<string, unknown>): Answer | undefined {
  const url = String(body["url"] ?? "rtmp://");
  const errors = [];
  if (!/^rtmps?:\/\//.test(url)) errors.push({ field: "url", detail: "must begin with rtmp:// or rtmps://" });
  if ("key" in body && String(body["key"]).includes(" ")) errors.push({ field: "key", detail: "must have no blanks" });
  return errors.length > 0 ? refuse(422, "Wrong fields", errors) : undefined;
}

function simulcast(event: LiveEvent, method: string, id: string | undefined, body: Record<string, unknown>): Answer {
  const list = simulcasts.get(event.id) ?? [];
  simulcasts.set(event.id, list);
  if (method === "GET") return [200, { data: list, next: null }];
  const bad = method === "DELETE" ? undefined : wrong(body);
  if (bad) return bad;
  const masked = body["key"] ? { key: `••••${String(body["key"]).slice(-4)}` } : {};
  if (!id) {
    const made = { name: "", backup_url: null, enabled: true, ...body, ...masked, id: `sim_${list.length + 10}`, version: 1, outputs: [] } as unknown as Simulcast;
    made.outputs = [made.url, made.backup_url].filter((url) => url !== null).map((url) => output(url, event.status === "started" ? "connecting" : "off"));
    list.push(made);
    return [201, made];
  }
  const at = list.findIndex((one) => one.id === id);
  const found = list[at];
  if (!found) return refuse(404, "Not found", []);
  if (method === "DELETE") {
    list.splice(at, 1);
    return [204];
  }
  const changed = { ...found, ...body, ...masked, version: found.version + 1 } as Simulcast;
  list[at] = changed;
  return [200, changed];
}

/** Answers for the simulcasts of one of these events. */
export function ofSimulcasts(events: LiveEvent[], method: string, id: string | undefined, query: string, body: Record<string, unknown>): Answer {
  const owner = [...simulcasts].find(([, list]) => list.some((one) => one.id === id))?.[0];
  const wanted = owner ?? (body["event_id"] as string | undefined) ?? new URLSearchParams(query).get("event_id");
  const event = events.find((one) => one.id === wanted);
  return event ? simulcast(event, method, id, body) : refuse(404, "Not found", []);
}

/** Answers what is below an event; nothing for all else. */
export function belowEvent(event: LiveEvent, [sub, one, more]: string[], query: string, body: Record<string, unknown>): Answer | undefined {
  if (sub === "health") return [200, health(event, query.includes("minute"))];
  if (sub === "inputs" && more === "key") {
    const input = event.inputs[one as Role];
    const overlap = Number(body["overlap_s"] ?? 300);
    Object.assign(input, { key: key(one ?? ""), old_key_until: overlap ? at(-overlap / 60) : null });
    event.version += 1;
    return [200, event];
  }
  return undefined;
}

/** Changes an event as the server does: what is inside of messages and images one by one. */
export function change(event: LiveEvent, body: Record<string, unknown>): Answer | undefined {
  const starts = (body["starts_at"] ?? event.starts_at) as string | null;
  const ends = "ends_at" in body ? (body["ends_at"] as string | null) : event.ends_at;
  if (starts && ends && ends <= starts) return refuse(422, "Wrong fields", [{ field: "ends_at", detail: "must be after starts_at" }]);
  const { messages = {}, images = {}, ...rest } = body as { messages?: Record<string, object>; images?: object };
  for (const [status, words] of Object.entries(messages)) Object.assign(event.messages[status as "waiting"], words);
  Object.assign(event.images, images);
  Object.assign(event, rest);
  return undefined;
}
