/** What a browser or program calls itself, as people know it. Pure. */
export function browserName(agent: string): string {
  if (!agent) return "Unknown browser";
  const browsers: [RegExp, string][] = [
    [/Edg(?:A|iOS)?\//, "Edge"],
    [/OPR\//, "Opera"],
    [/SamsungBrowser\//, "Samsung Internet"],
    [/(?:Firefox|FxiOS)\//, "Firefox"],
    [/(?:HeadlessChrome|Chrome|CriOS)\//, "Chrome"],
    [/Version\/[\d.]+ .*Safari\//, "Safari"],
  ];
  const systems: [RegExp, string][] = [
    [/iPhone/, "iPhone"],
    [/iPad/, "iPad"],
    [/Android/, "Android"],
    [/Windows/, "Windows"],
    [/Mac OS X|Macintosh/, "Mac"],
    [/CrOS/, "ChromeOS"],
    [/Linux/, "Linux"],
  ];
  const browser = browsers.find(([pattern]) => pattern.test(agent))?.[1];
  if (!browser) return agent.split(" ")[0]?.split("/")[0]?.slice(0, 40) || "Unknown browser";
  const system = systems.find(([pattern]) => pattern.test(agent))?.[1];
  return system ? `${browser} on ${system}` : browser;
}
