// Preloaded into an API that a test watches: tells its parent how much memory it takes.
process.on("message", () => {
  const { maxRSS } = process.resourceUsage();
  process.send?.({ rss: process.memoryUsage.rss(), peak: maxRSS * 1024 });
});
// The parent must not keep it alive.
process.channel?.unref();
