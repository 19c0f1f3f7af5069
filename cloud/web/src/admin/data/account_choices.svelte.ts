import { ask } from "./api.ts";
import { isPicture } from "./include_files.ts";
import { session } from "./store.svelte.ts";
import type { IncludeFile, Setting, SettingsAnswer } from "./types.ts";

/** What an event takes from its account: words, and pictures to choose from. Nothing for whoever may not read them. */
export class AccountChoices {
  settings: Setting[] = $state.raw([]);
  pictures: IncludeFile[] = $state.raw([]);

  async load(): Promise<void> {
    if (!session.may("account:read")) return;
    try {
      const [answer, files] = await Promise.all([
        ask<SettingsAnswer>("GET", "/account/settings"),
        ask<{ data: IncludeFile[] }>("GET", "/include-files"),
      ]);
      this.settings = answer.data;
      this.pictures = files.data.filter((file) => isPicture(file.content_type));
    } catch {
      // Placeholders and previews are missing then, and nothing else.
    }
  }

  /** Where a picture can be seen; nothing once the file is gone. */
  address(name: string | null): string | undefined {
    const file = name ? this.pictures.find((one) => one.name === name) : undefined;
    if (!file) return undefined;
    const { pathname, search } = new URL(file.versioned_url, location.href);
    return pathname + search;
  }
}
