import { bytes, kbps } from "./format.ts";
import type { Interface, ReportedConfig, Telemetry } from "./types.ts";

type Words = [main: string, more: string];

export function memoryText(memory: NonNullable<Telemetry["memory"]>): Words {
  const parts = [
    memory.agent_bytes === undefined ? "" : `agent ${bytes(memory.agent_bytes)}`,
    memory.media_bytes === undefined ? "" : `encoder ${bytes(memory.media_bytes)}`,
  ].filter(Boolean);
  return [`${bytes(memory.available_bytes)} of ${bytes(memory.total_bytes)} free`, parts.join(" · ")];
}

export function powerText(power: NonNullable<Telemetry["power"]>): Words {
  const now = power.under_voltage ? "Too weak" : power.throttled ? "Slowed down" : "Good";
  const before = power.since_boot && now === "Good" ? "was too weak or slowed down since it was switched on" : "";
  return [now, before];
}

const KIND = { wired: "cable", wifi: "Wi-Fi", cellular: "mobile network", other: "" } as const;

export function interfaceText(one: Interface): Words {
  const line = [KIND[one.kind] ?? "", one.speed_mbps === undefined ? "" : `${one.speed_mbps} Mbit/s`, one.addresses[0] ?? "no address"];
  const broken = one.errors > 0 ? `${one.errors} broken packets` : "";
  return [`↑ ${kbps(one.sent_kbps)} ↓ ${kbps(one.received_kbps)}`, [...line, broken].filter(Boolean).join(" · ")];
}

/** How far a box came with the configuration that is wanted of it. */
export function configText(config: ReportedConfig): { text: string; bad: boolean } {
  if (config.waits !== undefined) return { text: `Good; waits ${config.waits}.`, bad: false };
  if (config.applied) return { text: config.version === 0 ? "The box works with its own file." : "The box works with it.", bad: false };
  return { text: "Refused; the box goes on with what it had.", bad: true };
}

/** Reads what a person wrote as a change of the configuration; what is wrong with it in words. */
export function readConfig(text: string): { config: Record<string, unknown> } | { fault: string } {
  let read: unknown;
  try {
    read = JSON.parse(text.trim() || "{}");
  } catch (error) {
    return { fault: `This is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (typeof read !== "object" || read === null || Array.isArray(read)) return { fault: "Write an object: { \"video\": { \"fps\": 25 } }" };
  return { config: read as Record<string, unknown> };
}
