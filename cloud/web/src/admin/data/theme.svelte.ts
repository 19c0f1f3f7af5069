const NAMES = ["auto", "dark", "light"] as const;
type ThemeName = (typeof NAMES)[number];

/** Dark, light, or as the system says; kept in this browser. */
class Theme {
  name: ThemeName = $state("auto");

  constructor() {
    const kept = localStorage.getItem("stagebox-theme");
    this.#set(NAMES.find((name) => name === kept) ?? "auto");
  }

  next(): void {
    this.#set(NAMES[(NAMES.indexOf(this.name) + 1) % NAMES.length] ?? "auto");
    localStorage.setItem("stagebox-theme", this.name);
  }

  #set(name: ThemeName): void {
    this.name = name;
    if (name === "auto") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = name;
  }
}

export const theme = new Theme();
