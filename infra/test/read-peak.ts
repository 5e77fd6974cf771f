import { readFileSync } from "node:fs";

/**
 * The most memory that this process ever held, in bytes. Linux keeps the figure of
 * process.resourceUsage() over execve (getrusage(2)), so that a child of a large process begins
 * with its parent's; VmHWM (proc(5)) is its own.
 */
export function readPeak(): number {
  const [, kibibytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readStatus()) ?? [];
  return Number(kibibytes ?? process.resourceUsage().maxRSS) * 1024;
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}
