import { ask } from "./api.ts";
import { showTimesIn } from "./format.ts";
import type { SettingsAnswer } from "./types.ts";

/** In which time zone the pages show times: the account's, or the browser's where it has none. */
class TimeZone {
  async load(): Promise<void> {
    try {
      this.take(await ask<SettingsAnswer>("GET", "/account/settings"));
    } catch {
      // A role that may not read the account's settings sees times as its browser has them.
    }
  }

  take(answer: SettingsAnswer): void {
    const found = answer.data.find(({ name }) => name === "time_zone")?.value;
    showTimesIn(typeof found === "string" ? found : "");
  }
}

export const zone = new TimeZone();
