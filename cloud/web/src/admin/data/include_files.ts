/** What the server takes of a file, so that a wrong one is named before it is sent. Pure. */

const TYPES: Readonly<Record<string, string>> = {
  css: "text/css",
  gif: "image/gif",
  htm: "text/html",
  html: "text/html",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  js: "text/javascript",
  json: "application/json",
  mjs: "text/javascript",
  png: "image/png",
  svg: "image/svg+xml",
  txt: "text/plain",
  vtt: "text/vtt",
  webp: "image/webp",
  woff2: "font/woff2",
};

export const MOST_BYTES = 1_048_576;
/** For the button that chooses files. */
export const ACCEPT = Object.keys(TYPES).map((ending) => `.${ending}`).join(",");
const TAKEN = "Files may be style sheets, scripts, pictures (SVG, PNG, JPEG, WebP, GIF), WOFF2 fonts, JSON, text, HTML and WebVTT";

export function endingOf(name: string): string {
  const at = name.lastIndexOf(".");
  return at < 0 ? "" : name.slice(at + 1).toLowerCase();
}

/** The type under which a file is sent. */
export function typeOf(name: string): string | undefined {
  return TYPES[endingOf(name)];
}

/** The name under which the server takes a file: `Our logo (2).svg` → `Our-logo-2.svg`. */
export function nameFor(name: string): string {
  const plain = name.normalize("NFKD").replace(/[\u0300-\u036f]/g, "");
  const fits = plain.replace(/[^A-Za-z0-9._-]+/g, "-").replace(/-+(?=\.|$)/g, "").replace(/^[.-]+/, "");
  const ending = endingOf(fits);
  if (fits.length <= 100) return fits;
  return ending ? `${fits.slice(0, 99 - ending.length)}.${ending}` : fits.slice(0, 100);
}

/** Why the server would refuse a file, or nothing. */
export function refusal(name: string, bytes: number): string | undefined {
  if (!nameFor(name)) return "Its name has no letter or digit";
  if (!typeOf(name)) return TAKEN;
  if (bytes > MOST_BYTES) return "It is larger than 1 MiB";
  return undefined;
}

export function isPicture(type: string): boolean {
  return type.startsWith("image/");
}
