import type { HlsConfig, LoadPolicy } from "hls.js";
import type { Source } from "./engine.ts";

/** The first playlist: refused at once, as the engine asks again by itself and says so. */
const MANIFEST: LoadPolicy = {
  default: { maxTimeToFirstByteMs: 8_000, maxLoadTimeMs: 15_000, timeoutRetry: null, errorRetry: null },
};

/** Later playlists: a server that restarts must not cost the picture that is there. */
const PLAYLIST: LoadPolicy = {
  default: {
    maxTimeToFirstByteMs: 10_000,
    maxLoadTimeMs: 20_000,
    timeoutRetry: { maxNumRetry: 3, retryDelayMs: 0, maxRetryDelayMs: 0 },
    errorRetry: { maxNumRetry: 8, retryDelayMs: 500, maxRetryDelayMs: 2_000 },
  },
};

/** How hls.js is to play a source. */
export function settings(source: Source): Partial<HlsConfig> {
  const common: Partial<HlsConfig> = {
    enableWorker: false,
    backBufferLength: 30,
    capLevelToPlayerSize: true,
    // Viewers see the first picture sooner when the estimate begins at an ordinary line.
    abrEwmaDefaultEstimate: 3_000_000,
    manifestLoadPolicy: MANIFEST,
    playlistLoadPolicy: PLAYLIST,
  };
  if (!source.live) return { ...common, lowLatencyMode: false, startPosition: 0 };
  if (!source.lowLatency) return { ...common, lowLatencyMode: false, liveSyncDurationCount: 2 };
  return { ...common, lowLatencyMode: true, maxLiveSyncPlaybackRate: 1.1 };
}
