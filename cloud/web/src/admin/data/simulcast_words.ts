import { kbps } from "./format.ts";
import type { Simulcast, SimulcastOutput, SimulcastService } from "./event_types.ts";

/** Other services, what they need and how a push to them fares. Pure. */

export interface ServiceFacts {
  name: string;
  url: string;
  backup: string;
  urlHint: string;
  keyHint: string;
}

export const SERVICES: Record<SimulcastService, ServiceFacts> = {
  facebook: {
    name: "Facebook",
    url: "rtmps://live-api-s.facebook.com:443/rtmp/",
    backup: "",
    urlHint: "Live Producer → Streaming software → Server URL.",
    keyHint: "Live Producer → Streaming software → Stream key. A persistent key serves every broadcast.",
  },
  youtube: {
    name: "YouTube",
    url: "rtmps://a.rtmps.youtube.com/live2",
    backup: "rtmps://b.rtmps.youtube.com/live2?backup=1",
    urlHint: "YouTube Studio → Create → Go live → Stream → Stream URL (the lock beside it shows the one with RTMPS).",
    keyHint: "On the same page: Stream key.",
  },
  custom: {
    name: "Another service",
    url: "",
    backup: "",
    urlHint: "The server's address without the key, with rtmp:// or rtmps:// at its beginning.",
    keyHint: "Some services call it stream name: what comes after the address.",
  },
};

export function simulcastName({ name, service, url }: Pick<Simulcast, "name" | "service" | "url">): string {
  return name || (service === "custom" ? hostOf(url) : SERVICES[service].name);
}

export function hostOf(url: string): string {
  return /^[a-z]+:\/\/(?:[^/@]*@)?([^/?#]+)/i.exec(url)?.[1] ?? url;
}

export interface OutputLine {
  /** Which of two. */
  name: string;
  dot: "" | "dot-air" | "dot-warn";
  main: string;
  more: string;
  error: string;
}

/** How one push fares. `started`: whether the event is. */
export function outputLine(of: Pick<Simulcast, "backup_url" | "enabled">, output: SimulcastOutput, started: boolean): OutputLine {
  const counts = [
    output.dropped_frames > 0 ? count(output.dropped_frames, "frame dropped", "frames dropped") : "",
    output.reconnects > 0 ? count(output.reconnects, "reconnect", "reconnects") : "",
    output.queued_ms > 500 ? `${(output.queued_ms / 1000).toFixed(1)} s queued` : "",
  ];
  const name = of.backup_url ? (output.url === of.backup_url ? "Backup" : "Main") : "";
  return { name, ...stateOf(of, output, started), more: counts.filter(Boolean).join(" · "), error: output.error ?? "" };
}

function count(n: number, one: string, many: string): string {
  return `${n} ${n === 1 ? one : many}`;
}

function stateOf(of: Pick<Simulcast, "enabled">, { state, bitrate_kbps }: SimulcastOutput, started: boolean): Pick<OutputLine, "dot" | "main"> {
  if (!of.enabled) return { dot: "", main: "Switched off" };
  // What was told last may be from before the pause.
  if (!started) return { dot: "", main: "Begins when the event is started" };
  switch (state) {
    case "sending":
      return { dot: "dot-air", main: `Sending ${kbps(bitrate_kbps)}` };
    case "connecting":
      return { dot: "dot-warn", main: "Connecting…" };
    case "waiting":
      return { dot: "dot-warn", main: "Waiting to reconnect" };
    case "off":
      return { dot: "", main: "Off" };
  }
}

/** What the dialog holds. */
export interface SimulcastFields {
  name: string;
  service: SimulcastService;
  url: string;
  backup_url: string;
  key: string;
  rendition: string;
}

/** The fields for another service: an address that a person typed stays, that of the service before goes. */
export function withService(fields: SimulcastFields, service: SimulcastService): SimulcastFields {
  const before = SERVICES[fields.service];
  const now = SERVICES[service];
  const typed = fields.url !== before.url && fields.url !== "";
  const backup = service === "youtube" ? (fields.service === "youtube" ? fields.backup_url : now.backup) : "";
  return { ...fields, service, url: typed ? fields.url : now.url, backup_url: backup };
}

/** The body of a request; an empty key of one that is there stays as it is. */
export function simulcastBody(fields: SimulcastFields, isNew: boolean): Record<string, unknown> {
  const { service, rendition } = fields;
  const name = fields.name.trim();
  const body: Record<string, unknown> = { name, service, url: fields.url.trim(), rendition };
  if (isNew && !name) delete body["name"];
  if (service === "youtube") body["backup_url"] = fields.backup_url.trim() || null;
  else if (!isNew) body["backup_url"] = null;
  const key = fields.key.trim();
  if (key || isNew) body["key"] = key;
  return body;
}
