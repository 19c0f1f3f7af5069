import type Hls from "hls.js";
import type { HlsListeners, ErrorData } from "hls.js";
import { settings } from "./hls_settings.ts";
import { StallWatch, type Remedy } from "./stall_watch.ts";
import { trouble, troubleOfStatus, type Trouble, type TroubleKind } from "./trouble.ts";

export interface Source {
  url: string;
  live: boolean;
  /** Follow the edge by parts (LL-HLS) instead of whole segments. */
  lowLatency: boolean;
}

export interface Rendition {
  index: number;
  label: string;
}

export interface EngineListener {
  trouble(trouble: Trouble | undefined): void;
  renditions(list: Rendition[], automatic: boolean): void;
  /** Sound is allowed only after a gesture: playback began muted. */
  mutedByBrowser(): void;
}

/** A live viewer who is this many seconds behind the edge is late. */
const LATE_S = 12;

/** Plays one source on one video element and keeps it playing: retries, stalls, the live edge. */
export class Engine {
  readonly #video: HTMLVideoElement;
  readonly #listener: EngineListener;
  readonly #watch = new StallWatch();
  #source: Source | undefined;
  #hls: Hls | undefined;
  #attempt = 0;
  #mediaFaults = 0;
  /** Grows with each source and each stop, so that what was awaited meanwhile is thrown away. */
  #turn = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  /** The viewer paused. */
  #heldByViewer = false;
  /** The viewer watches what happens now, and has not gone back in time. */
  #following = true;
  /** A broadcast is there; without one the picture may stand still. */
  #expecting = true;

  constructor(video: HTMLVideoElement, listener: EngineListener) {
    this.#video = video;
    this.#listener = listener;
    video.addEventListener("playing", this.#onPlaying);
    video.addEventListener("error", this.#onNativeError);
  }

  get latencySeconds(): number | undefined {
    const latency = this.#hls?.latency;
    return latency && Number.isFinite(latency) ? latency : undefined;
  }

  /** The position that a live viewer should be at. */
  get liveEdge(): number | undefined {
    const sync = this.#hls?.liveSyncPosition;
    if (typeof sync === "number") return sync;
    const { seekable } = this.#video;
    return seekable.length > 0 ? Math.max(0, seekable.end(seekable.length - 1) - 3) : undefined;
  }

  /** What can be reached now, in seconds: the DVR window, or the whole item. */
  get range(): { start: number; end: number } | undefined {
    const details = this.#source?.live ? this.#hls?.latestLevelDetails : undefined;
    if (details) return { start: details.fragmentStart, end: details.edge };
    const { seekable } = this.#video;
    if (seekable.length === 0) return undefined;
    return { start: seekable.start(0), end: seekable.end(seekable.length - 1) };
  }

  load(source: Source, autoplay: boolean): void {
    this.stop();
    this.#source = source;
    this.#heldByViewer = !autoplay;
    this.#following = true;
    this.#attempt = 0;
    this.#ticker = setInterval(() => this.#tick(), 500);
    void this.#open();
  }

  stop(): void {
    this.#turn += 1;
    this.#source = undefined;
    this.#forgetRetry();
    clearInterval(this.#ticker);
    this.#close();
    this.#listener.trouble(undefined);
  }

  destroy(): void {
    this.stop();
    this.#video.removeEventListener("playing", this.#onPlaying);
    this.#video.removeEventListener("error", this.#onNativeError);
  }

  /** Says whether something comes from the server now, so that a missing broadcast is no stall. */
  expect(something: boolean): void {
    if (something === this.#expecting) return;
    this.#expecting = something;
    this.#watch.reset(performance.now());
    if (something && this.#retry !== undefined) void this.#open();
  }

  /** Goes to a position that the viewer chose. */
  seek(to: number): void {
    const edge = this.#source?.live ? this.liveEdge : undefined;
    this.#following = edge === undefined || edge - to < LATE_S;
    this.#video.currentTime = to;
  }

  async play(): Promise<void> {
    this.#heldByViewer = false;
    this.#watch.reset(performance.now());
    try {
      await this.#video.play();
    } catch (error) {
      if (!(error instanceof DOMException) || error.name !== "NotAllowedError" || this.#video.muted) return;
      this.#video.muted = true;
      this.#listener.mutedByBrowser();
      await this.#video.play().catch(() => {
        this.#heldByViewer = true;
      });
    }
  }

  pause(): void {
    this.#heldByViewer = true;
    this.#following = false;
    this.#video.pause();
  }

  toLiveEdge(): void {
    this.#following = true;
    const edge = this.liveEdge;
    if (edge !== undefined) this.#video.currentTime = edge;
    void this.play();
  }

  /** Chooses a rendition by its index, or lets the connection decide (-1). */
  choose(index: number): void {
    if (this.#hls) this.#hls.nextLevel = index;
  }

  async #open(): Promise<void> {
    const source = this.#source;
    if (!source) return;
    const turn = ++this.#turn;
    this.#forgetRetry();
    this.#close();
    this.#watch.reset(performance.now());
    const { default: HlsClass } = await import("hls.js");
    if (turn !== this.#turn) return;
    if (HlsClass.isSupported()) this.#openHls(HlsClass, source);
    else if (this.#video.canPlayType("application/vnd.apple.mpegurl")) this.#video.src = source.url;
    else return this.#fail("unsupported");
    if (!this.#heldByViewer) void this.play();
  }

  #openHls(HlsClass: typeof Hls, source: Source): void {
    const hls = new HlsClass(settings(source));
    this.#hls = hls;
    const { Events } = HlsClass;
    const on = <E extends keyof HlsListeners>(event: E, heard: HlsListeners[E]): void => hls.on(event, heard);
    on(Events.MANIFEST_PARSED, () => this.#tellRenditions());
    on(Events.LEVEL_SWITCHED, () => this.#tellRenditions());
    on(Events.FRAG_BUFFERED, () => {
      this.#attempt = 0;
    });
    on(Events.ERROR, (_, data) => {
      if (data.fatal) this.#onFatal(HlsClass, data);
    });
    hls.loadSource(source.url);
    hls.attachMedia(this.#video);
  }

  #onFatal(HlsClass: typeof Hls, data: ErrorData): void {
    if (data.type === HlsClass.ErrorTypes.MEDIA_ERROR) {
      this.#mediaFaults += 1;
      if (this.#mediaFaults <= 2 && this.#hls) {
        if (this.#mediaFaults === 2) this.#hls.swapAudioCodec();
        return this.#hls.recoverMediaError();
      }
      return this.#fail("decode");
    }
    if (data.details === HlsClass.ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR) return this.#fail("unsupported");
    // A playlist without entries is one whose first part is still to come.
    if (data.details === HlsClass.ErrorDetails.LEVEL_EMPTY_ERROR) return this.#fail("not-ready");
    this.#fail(troubleOfStatus(data.response?.code));
  }

  #fail(kind: TroubleKind): void {
    const fault = trouble(kind, this.#attempt);
    this.#attempt += 1;
    this.#close();
    this.#listener.trouble(fault);
    this.#forgetRetry();
    if (fault.retryInMs !== undefined) this.#retry = setTimeout(() => void this.#open(), fault.retryInMs);
  }

  #forgetRetry(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
  }

  #tick(): void {
    const video = this.#video;
    if (!this.#hls && !video.currentSrc) return;
    const held = this.#heldByViewer || video.ended || !this.#expecting;
    const remedy = this.#watch.sample(performance.now(), { time: video.currentTime, held });
    if (remedy) this.#apply(remedy);
    else if (this.#isLate()) this.toLiveEdge();
  }

  /** After a sleeping tab or a long stall: a live viewer is taken back to the present. */
  #isLate(): boolean {
    const edge = this.#source?.live && this.#following && !this.#heldByViewer ? this.liveEdge : undefined;
    return edge !== undefined && this.#video.readyState > 0 && edge - this.#video.currentTime > LATE_S;
  }

  #apply(remedy: Remedy): void {
    const video = this.#video;
    if (remedy === "reload") {
      this.#listener.trouble(trouble("not-ready", 0));
      void this.#open();
      return;
    }
    const edge = this.#source?.live && this.#following ? this.liveEdge : undefined;
    const behind = edge !== undefined && edge - video.currentTime > 1;
    if (remedy === "edge" && behind) video.currentTime = edge;
    this.#hls?.startLoad();
    if (video.paused) void this.play();
  }

  #tellRenditions(): void {
    const hls = this.#hls;
    if (!hls) return;
    const list = hls.levels.map((level, index) => ({
      index,
      label: level.height ? `${level.height}p` : `${Math.round(level.bitrate / 1000)} kbit/s`,
    }));
    this.#listener.renditions(list, hls.autoLevelEnabled);
  }

  #close(): void {
    this.#hls?.destroy();
    this.#hls = undefined;
    if (this.#video.hasAttribute("src")) {
      this.#video.removeAttribute("src");
      this.#video.load();
    }
  }

  readonly #onPlaying = (): void => {
    this.#attempt = 0;
    this.#mediaFaults = 0;
    this.#watch.reset(performance.now());
    this.#listener.trouble(undefined);
  };

  readonly #onNativeError = (): void => {
    if (!this.#hls && this.#source && this.#video.hasAttribute("src")) this.#fail("unreachable");
  };
}
