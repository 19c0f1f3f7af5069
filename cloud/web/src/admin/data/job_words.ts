import type { Job, JobState } from "./types.ts";
import { span } from "./format.ts";

/** Whether it has come to an end, good or bad. */
export function hasEnded(state: JobState): boolean {
  return state === "done" || state === "failed" || state === "cancelled";
}

/** What a job does, waits for or came to, in one line. Pure: the clock is an argument. */
export function jobLine(job: Job, now: number): string {
  switch (job.state) {
    case "running":
      return job.cancelling ? "Told to end…" : (job.words ?? "Begins…");
    case "waiting": {
      if (!job.error) return "Waits for its turn";
      const seconds = job.run_at === null ? 0 : (Date.parse(job.run_at) - now) / 1000;
      const next = seconds > 1 ? `again in ${span(seconds)}` : "again now";
      return `Attempt ${job.attempts} of ${job.max_attempts} failed: ${job.error}; ${next}`;
    }
    case "done":
      return job.words ?? "Done";
    case "failed":
      return job.error ?? "Failed";
    case "cancelled":
      return "Cancelled before its end";
  }
}

/** Those under way first, the newest of each first. */
export function inOrder(jobs: readonly Job[]): { title: string; list: Job[] }[] {
  const newest = jobs.toSorted((a, b) => b.created_at.localeCompare(a.created_at));
  return [
    { title: "Under way", list: newest.filter(({ state }) => !hasEnded(state)) },
    { title: "Ended", list: newest.filter(({ state }) => hasEnded(state)) },
  ].filter(({ list }) => list.length > 0);
}
