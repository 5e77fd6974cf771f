import { isPublicUrl } from "./public-address.ts";

const maxUrlLength = 2048;

export type AskRules = {
  /** Exact `host:port` pairs that may be anything, also plain http on this machine: tests only. */
  allowHosts?: readonly string[];
  /** The one port that is asked. */
  httpsPort?: number;
};

/** A web address of at most 2,048 characters without a user in it; undefined for all else. */
export function parseOutgoingUrl(text: string, base?: URL): URL | undefined {
  if (text.length > maxUrlLength || !URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  const isWeb = url.protocol === "https:" || url.protocol === "http:";
  return isWeb && !url.username && !url.password ? url : undefined;
}

/** Whether an address is allowed by name, and so may be asked without any further check. */
export function isAllowedHost(url: URL, allowHosts: readonly string[] = []): boolean {
  return allowHosts.includes(hostAndPort(url));
}

/** Whether an address that a stranger wrote down may be asked at all, by what it says. */
export function mayBeAsked(url: URL, { allowHosts, httpsPort = 443 }: AskRules = {}): boolean {
  return isAllowedHost(url, allowHosts) || isPublicUrl(url, httpsPort);
}

/** The host with its port always written out. */
function hostAndPort(url: URL): string {
  return `${url.hostname}:${url.port || (url.protocol === "https:" ? "443" : "80")}`;
}
