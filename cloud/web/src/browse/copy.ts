import { all, button } from "./elements.ts";

/** Puts a text on the clipboard; where a page may not, it is selected to be copied by hand. */
export async function copy(text: string, from?: HTMLElement): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    if (!from) return false;
    const range = document.createRange();
    range.selectNodeContents(from);
    const selection = getSelection();
    selection?.removeAllRanges();
    selection?.addRange(range);
    return false;
  }
}

/** A button that copies what an element holds. */
export function copyButton(from: HTMLElement, words = "Copy"): HTMLButtonElement {
  const element = button(words, "btn-small", () => {
    void copy(from.textContent, from).then((done) => {
      element.textContent = done ? "Copied" : "Press Ctrl+C";
      setTimeout(() => (element.textContent = words), 1_800);
    });
  });
  return element;
}

/** The buttons that the server has rendered beside what they copy. */
export function wireCopying(part: ParentNode): void {
  for (const placed of all<HTMLButtonElement>(part, "[data-copy]")) {
    const around = placed.closest<HTMLElement>(".copy, .response");
    const from = around?.querySelector<HTMLElement>("[data-copied], [data-json]");
    if (!from) continue;
    const live = copyButton(from, placed.textContent);
    live.className = placed.className;
    placed.replaceWith(live);
  }
}
