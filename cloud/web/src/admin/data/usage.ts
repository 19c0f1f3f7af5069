import type { Account } from "./types.ts";

const GIB = 1024 ** 3;

export function gib(value: number): string {
  return value >= 1024 ? `${(value / 1024).toFixed(value % 1024 === 0 ? 0 : 1)} TiB` : `${value} GiB`;
}

function used(bytes: number): string {
  if (bytes >= GIB) return gib(Number((bytes / GIB).toFixed(1)));
  return `${Math.ceil(bytes / 1024 ** 2)} MiB`;
}

export interface Usage {
  words: string;
  /** Of the limit, 0 to 1; none without a limit. */
  part: number | undefined;
  tone: "" | "warn" | "bad";
  warning: string;
}

/** How full an account is, in words. Pure. */
export function usageOf({ usage, limits }: Pick<Account, "usage" | "limits">): Usage {
  const bytes = usage.storage_bytes;
  const limit = limits.storage_gib;
  const has = bytes === null ? "not counted yet" : `${used(bytes)} used`;
  if (limit === null) return { words: `${has}, no limit`, part: undefined, tone: "", warning: "" };
  const part = limit === 0 ? 1 : Math.min(1, (bytes ?? 0) / (limit * GIB));
  const words = `${has} of ${gib(limit)}`;
  switch (usage.storage_level) {
    case "full":
      return { words, part, tone: "bad", warning: "Full: nothing is recorded, and no file is taken, until there is room. Live goes on. Delete items to make room." };
    case "nearly_full":
      return { words, part, tone: "bad", warning: "Nearly full: recording stops when it is. Delete items to make room." };
    case "high":
      return { words, part, tone: "warn", warning: "Most of the storage is used." };
    case "free":
      return { words, part, tone: "", warning: "" };
  }
}
