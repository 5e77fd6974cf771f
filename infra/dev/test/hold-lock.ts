// Takes the lock of the given folder, says so, and stays until it is killed.
import { takeLock } from "../lock.ts";

await takeLock(process.argv[2] ?? "");
console.log(JSON.stringify({ pid: process.pid }));
setInterval(() => {}, 60_000);
