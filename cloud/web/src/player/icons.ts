/** Paths of the player's icons on a 24 × 24 grid. */
export const ICONS = {
  play: "M8 5.2v13.6a.8.8 0 0 0 1.22.68l10.9-6.8a.8.8 0 0 0 0-1.36L9.22 4.52A.8.8 0 0 0 8 5.2Z",
  pause: "M7 4.5h3.2v15H7zM13.8 4.5H17v15h-3.2z",
  loud: "M4 9.5v5h3.3L12 18.7V5.3L7.3 9.5zM15 8.6a4.8 4.8 0 0 1 0 6.8M17.6 6a8.5 8.5 0 0 1 0 12",
  muted: "M4 9.5v5h3.3L12 18.7V5.3L7.3 9.5zM15.5 9.5l5 5m0-5-5 5",
  fullscreen: "M4.5 9V4.5H9M15 4.5h4.5V9M19.5 15v4.5H15M9 19.5H4.5V15",
  window: "M9 4.5V9H4.5M19.5 9H15V4.5M15 19.5V15h4.5M4.5 15H9v4.5",
  gear: "M4 7h9m4 0h3M4 17h3m4 0h9M15 4.8v4.4M9 14.8v4.4",
} as const;

export type IconName = keyof typeof ICONS;

/** Icons that are filled shapes; the others are strokes. */
export const FILLED: ReadonlySet<IconName> = new Set<IconName>(["play", "pause"]);
