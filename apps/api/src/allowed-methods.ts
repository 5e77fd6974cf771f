import type { Hono } from "hono";
import { METHOD_NAME_ALL } from "hono/router";
import { TrieRouter } from "hono/router/trie-router";
import type { AppEnv } from "./deps.ts";

/**
 * Tells which methods a path answers to, for `Allow`; none means that the path is unknown. Call it
 * when all routes are there.
 */
export function createMethodFinder({ routes }: Hono<AppEnv>): (path: string) => string[] {
  const router = new TrieRouter<true>();
  const ours = routes.filter(({ method }) => method !== METHOD_NAME_ALL);
  for (const { method, path } of ours) router.add(method, path, true);
  const methods = [...new Set(ours.map(({ method }) => method))];
  return (path) => {
    const found = methods.filter((method) => router.match(method, path)[0].length > 0);
    return found.includes("GET") ? ["GET", "HEAD", ...found.filter((m) => m !== "GET")] : found;
  };
}
