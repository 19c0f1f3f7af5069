/** What a viewer can do to the player. */
export type PlayerAction =
  | { kind: "toggle" }
  | { kind: "seek-by"; seconds: number }
  | { kind: "volume-by"; amount: number }
  | { kind: "mute" }
  | { kind: "fullscreen" };

/** The keys of the keyboard that the player hears; the target keeps what it needs for itself. */
export function actionOfKey(
  event: Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "target">,
): PlayerAction | undefined {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const tag = (event.target as { tagName?: string } | null)?.tagName ?? "";
  if (tag === "SELECT" || tag === "TEXTAREA") return undefined;
  if (tag === "BUTTON" && (event.key === " " || event.key === "Enter")) return undefined;
  switch (event.key) {
    case " ":
      return { kind: "toggle" };
    case "ArrowLeft":
      return { kind: "seek-by", seconds: -5 };
    case "ArrowRight":
      return { kind: "seek-by", seconds: 5 };
    case "ArrowUp":
      return { kind: "volume-by", amount: 0.1 };
    case "ArrowDown":
      return { kind: "volume-by", amount: -0.1 };
    case "m":
    case "M":
      return { kind: "mute" };
    case "f":
    case "F":
      return { kind: "fullscreen" };
    default:
      return undefined;
  }
}
