// Preloaded into every app that `npm start` runs. The pipe to the parent closes when the parent is
// gone, in whatever way. Nobody could stop this process in order any more, and the next start wants
// its port: leave at once. Work in hand is safe, as after any crash, since its lease runs out.
process.once("disconnect", () => process.exit(1));
// Watching must not keep a process alive that has nothing else to do.
process.channel?.unref();
