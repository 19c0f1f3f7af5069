import type { Setting, SettingValue } from "./types.ts";

/** What a person has changed and not saved; null takes a setting back to its default. */
export type Draft = Readonly<Record<string, SettingValue | null>>;

/** What the field shows. */
export function shownValue(setting: Setting, draft: Draft): SettingValue {
  const changed = draft[setting.name];
  if (changed === undefined) return setting.value;
  return changed ?? setting.default;
}

/** Whether it would be the account's own value, not the default, when saved. */
export function wouldBeSet(setting: Setting, draft: Draft): boolean {
  const changed = draft[setting.name];
  return changed === undefined ? setting.is_set : changed !== null;
}

/** The draft with one more change; a change back to what is saved is none. */
export function changed(draft: Draft, setting: Setting, value: SettingValue | null): Draft {
  const { [setting.name]: _, ...rest } = draft;
  const same = value === null ? !setting.is_set : value === setting.value && (setting.is_set || value === setting.default);
  return same ? rest : { ...rest, [setting.name]: value };
}

/** Settings under their headings, in the server's order. */
export function grouped(settings: readonly Setting[]): { title: string; list: Setting[] }[] {
  const groups: { title: string; list: Setting[] }[] = [];
  for (const setting of settings) {
    const group = groups.find(({ title }) => title === setting.group);
    if (group) group.list.push(setting);
    else groups.push({ title: setting.group, list: [setting] });
  }
  return groups;
}

/** Names of settings that somebody else has changed while they were being changed here. */
export function inConflict(draft: Draft, before: readonly Setting[], now: readonly Setting[]): string[] {
  return now
    .filter(({ name, value, is_set }) => {
      const old = before.find((one) => one.name === name);
      return name in draft && old && (old.value !== value || old.is_set !== is_set);
    })
    .map(({ name }) => name);
}

/** `low_latency` → `Low latency`. */
export function label(name: string): string {
  const words = name.replace(/_s$/, "").replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** A default as the page shows it. */
export function valueText(setting: Setting, value: SettingValue): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  if (value === "") return "none";
  return setting.unit ? `${value} ${setting.unit}` : String(value);
}
