import type { Deps } from "./deps.ts";
import { refuseAt } from "./problem.ts";

type Allowed = Pick<Deps, "mode" | "publicUrl" | "allowedOrigins">;

const longest = 2048;
const loopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/**
 * The address as browsers will read it, where customers may be sent there: a page of an allowed
 * origin or our own, and in test mode of this machine. Nobody sends them anywhere else through us.
 * Errors: validation_failed.
 */
export function checkReturnUrl(allowed: Allowed, address: string): string {
  const url = new URL(address);
  const hasCredentials = url.username !== "" || url.password !== "";
  if (hasCredentials || !isAllowed(allowed, url)) {
    throw refuseAt("/return_url", "Its origin is not one of ALLOWED_ORIGINS.");
  }
  if (url.href.length > longest) throw refuseAt("/return_url", `At most ${longest} characters.`);
  return url.href;
}

function isAllowed({ mode, publicUrl, allowedOrigins }: Allowed, url: URL): boolean {
  if (url.protocol !== "https:" && url.protocol !== "http:") return false;
  const origins = [publicUrl, ...allowedOrigins].map((origin) => new URL(origin).origin);
  return origins.includes(url.origin) || (mode === "test" && loopback.test(url.hostname));
}
