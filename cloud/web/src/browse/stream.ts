import { all } from "./elements.ts";
import { addLine } from "./results.ts";

/** Lines that a stream's page keeps. */
const MAX_LINES = 500;

/** Follows the stream of a page, while it is wanted. */
export function wireStream(part: ParentNode): void {
  for (const section of all(part, "[data-stream]")) follow(section);
}

function follow(section: HTMLElement): void {
  const path = section.dataset["stream"] ?? "";
  const names = (section.dataset["events"] ?? "").split(" ").filter(Boolean);
  const find = (name: string) => section.querySelector<HTMLElement>(`[data-${name}]`);
  const [state, count, toggle, lines] = [find("state"), find("count"), find("toggle"), find("lines")];
  if (!state || !count || !toggle || !lines) return;
  let source: EventSource | undefined;
  let heard = 0;
  const say = (words: string, tone: string) => {
    state.textContent = words;
    state.className = `chip ${tone}`;
    toggle.textContent = source ? "Stop" : "Start";
  };
  const stop = (words: string) => {
    source?.close();
    source = undefined;
    say(words, "");
  };
  const start = () => {
    source = new EventSource(path);
    say("connecting…", "chip-warn");
    source.addEventListener("open", () => say("live", "chip-ready"));
    source.addEventListener("error", () => {
      if (source?.readyState === EventSource.CLOSED) stop("ended by the server");
      else say("connection lost, trying again…", "chip-warn");
    });
    for (const name of new Set([...names, "message"])) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        heard += 1;
        count.textContent = `${heard} events`;
        addLine(lines, name, event.data, MAX_LINES);
        // The end of a stream is no reason to open it again.
        if (name === "end") stop("ended");
      });
    }
  };
  toggle.addEventListener("click", () => (source ? stop("stopped") : start()));
  find("clear")?.addEventListener("click", () => {
    lines.replaceChildren();
    heard = 0;
    count.textContent = "";
  });
  start();
}
