/** Which smaller pictures are made of a broadcast. Pure. */

/** Heights that can be made. */
export const HEIGHTS: readonly number[] = [2160, 1440, 1080, 720, 540, 480, 360, 240];
/** Those that the server makes where nobody has chosen. */
export const USUAL: readonly number[] = [720, 480, 360];
export const MOST = 6;

/** What is chosen after a click on one. */
export function toggled(chosen: readonly number[], height: number): number[] {
  const next = chosen.includes(height) ? chosen.filter((one) => one !== height) : [...chosen, height];
  return HEIGHTS.filter((one) => next.includes(one));
}

/** Why a height cannot be clicked, or nothing: at least one and at most six are chosen. */
export function fixed(chosen: readonly number[], height: number): string {
  if (chosen.includes(height)) return chosen.length === 1 ? "At least one. Without any, switch it off above." : "";
  return chosen.length >= MOST ? `At most ${MOST}` : "";
}

/** What a simulcast can push: the broadcast itself, or one of its renditions. */
export function choices(transcode: boolean, resolutions: readonly number[] | null): string[] {
  return ["source", ...(transcode ? (resolutions ?? USUAL).map((height) => `${height}p`) : [])];
}

export function renditionName(rendition: string): string {
  return rendition === "source" ? "As it is broadcast" : rendition;
}
