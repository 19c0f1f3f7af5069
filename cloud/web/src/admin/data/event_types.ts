/** Live events and what belongs to them, as the API has them. */

export type EventStatus = "waiting" | "preview" | "started" | "paused" | "ended";
export type Role = "main" | "backup";

/** Who broadcasts to an input. */
export interface Source {
  address: string;
  encoder: string;
  since: string;
}

export interface Input {
  /** Masked for whoever may not change the event. */
  key: string;
  url: string;
  receiving: boolean;
  /** The key before works until then. */
  old_key_until: string | null;
  source: Source | null;
}

/** What viewers see instead of the picture. */
export type SlateStatus = "waiting" | "paused" | "ended";

/** Null: the account's words; empty: none. */
export interface SlateWords {
  title: string | null;
  text: string | null;
}

export type RecordMode = "account" | "recording" | "dvr" | "none";

export interface LiveEvent {
  id: string;
  number: number;
  title: string;
  status: EventStatus;
  version: number;
  created_at: string;
  updated_at: string;
  device_id: string | null;
  /** What viewers would see just now; null where nothing has come yet. */
  on_air?: "main" | "backup" | "slate" | null;
  inputs: Record<Role, Input>;
  /** Ids of its recordings, oldest first. */
  recordings: string[];
  /** What is wrong with it just now, in words. */
  warning?: string | null;
  /** What to do next, in words. */
  advice: string | null;
  starts_at: string | null;
  ends_at: string | null;
  /** The server starts and ends it at those times. */
  automatic: boolean;
  /** Viewers see how long it is until it begins. */
  countdown: boolean;
  messages: Record<SlateStatus, SlateWords>;
  /** Names of include files; one of a status goes before the general one, and each before words. */
  images: Record<"general" | SlateStatus, string | null>;
  /** Shown over the picture while it is started; empty: none. */
  service_message: string;
  transcode: boolean;
  /** Heights of pictures; null: the server's choice. */
  resolutions: number[] | null;
  record: RecordMode;
  embed: EmbedCode;
}

export interface EmbedCode {
  url: string;
  fixed: string;
  responsive: string;
}

export type Resolution = "second" | "minute";

/** What came in within a second, or on average within a minute. */
export interface Sample {
  at: string;
  video_kbps: number;
  audio_kbps: number;
  frames_per_s: number;
  key_interval_ms: number | null;
  width: number | null;
  height: number | null;
  audio_rms_dbfs: number | null;
  audio_peak_dbfs: number | null;
  jitter_ms: number;
  late_ms: number;
  gaps: number;
}

/** What is wrong with a broadcast just now. */
export interface HealthWarning {
  name: string;
  words: string;
  since: string;
}

export interface InputHealth {
  source: Source | null;
  now: Sample | null;
  warnings: HealthWarning[];
  /** Oldest first. */
  samples: Sample[];
}

export interface HealthAnswer {
  inputs: Record<Role, InputHealth>;
}

/** What the server's stream says of an event that receives, about once a second. */
export interface HealthMessage {
  event_id: string;
  inputs: Record<Role, Pick<InputHealth, "now" | "warnings">>;
}

export type SimulcastService = "facebook" | "youtube" | "custom";

export interface SimulcastOutput {
  url: string;
  state: "off" | "connecting" | "sending" | "waiting";
  bitrate_kbps: number;
  queued_ms: number;
  dropped_frames: number;
  reconnects: number;
  /** The last one, in words. */
  error: string | null;
  since: string | null;
}

/** Another service to which an event is pushed while it is started. */
export interface Simulcast {
  id: string;
  name: string;
  service: SimulcastService;
  url: string;
  backup_url: string | null;
  /** Masked. */
  key: string;
  /** `source`, or a height such as `720`. */
  rendition: string;
  enabled: boolean;
  version: number;
  outputs: SimulcastOutput[];
}

/** How the simulcasts of an event fare, as the server's stream says it. */
export interface SimulcastsMessage {
  event_id: string;
  simulcasts: Pick<Simulcast, "id" | "outputs">[];
}
