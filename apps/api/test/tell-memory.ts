import { readPeak } from "../../../infra/test/read-peak.ts";

// Preloaded into an API that a test watches: tells its parent how much memory it takes.
process.on("message", () => {
  process.send?.({ rss: process.memoryUsage.rss(), peak: readPeak() });
});
// The parent must not keep it alive.
process.channel?.unref();
