import type { LookupAddress } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";

/** Names that only mean something on a local network: one label, or a suffix kept for that use. */
const localNames = /^(?:[^.]+|.*\.(?:localhost|local|internal|home|lan|intranet|arpa))\.?$/;
/** The only global addresses of IPv6 (RFC 4291, section 2.4); all the rest has a special use. */
const globalIpv6 = /^[23][0-9a-f]{3}:/i;
/** What has a special use all the same (IANA's registries, RFC 6890); from 224.0.0.0 on, all. */
const specialNetworks: [network: string, bits: number, family: "ipv4" | "ipv6"][] = [
  ["0.0.0.0", 8, "ipv4"],
  ["10.0.0.0", 8, "ipv4"],
  ["100.64.0.0", 10, "ipv4"],
  ["127.0.0.0", 8, "ipv4"],
  ["169.254.0.0", 16, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.0.0.0", 24, "ipv4"],
  ["192.0.2.0", 24, "ipv4"],
  ["192.88.99.0", 24, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["198.18.0.0", 15, "ipv4"],
  ["198.51.100.0", 24, "ipv4"],
  ["203.0.113.0", 24, "ipv4"],
  ["224.0.0.0", 3, "ipv4"],
  ["2001::", 23, "ipv6"],
  ["2001:db8::", 32, "ipv6"],
  ["2002::", 16, "ipv6"],
  ["3fff::", 20, "ipv6"],
];
const special = new BlockList();
for (const network of specialNetworks) special.addSubnet(...network);

/**
 * Whether a URL may be asked at all, by what it says: https, the one port, and a public name or
 * address. That a name leads to a public address is only known at the connection (public-agent.ts).
 */
export function isPublicUrl(url: URL, port: number): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isPublicHost = isIP(host) === 0 ? !localNames.test(host) : isGlobal(host);
  return url.protocol === "https:" && Number(url.port || 443) === port && isPublicHost;
}

/** A look-up that knows no name with even one address outside the global ranges. */
export function lookupPublic(lookup: LookupFunction): LookupFunction {
  return (hostname, options, callback) => {
    lookup(hostname, options, (error, found, family) => {
      const addresses: LookupAddress[] | string = found;
      const all =
        typeof addresses === "string" ? [addresses] : addresses?.map((one) => one.address);
      if (!error && !all.every(isGlobal)) {
        callback(new Error(`${hostname} is not allowed. Because it has a special address.`), "");
      } else {
        callback(error, found, family);
      }
    });
  };
}

function isGlobal(address: string): boolean {
  if (isIP(address) === 4) return !special.check(address, "ipv4");
  return globalIpv6.test(address) && !special.check(address, "ipv6");
}
