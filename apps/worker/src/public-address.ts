import { type LookupAddress, lookup as systemLookup } from "node:dns";
import { isIP, type LookupFunction } from "node:net";

/** Names that only mean something on a local network: one label, or a suffix kept for that use. */
const localNames = /^(?:[^.]+|.*\.(?:localhost|local|internal|home|lan|intranet|arpa))\.?$/;
/** The only global addresses of IPv6 (RFC 4291, section 2.4); all the rest has a special use. */
const globalIpv6 = /^[23][0-9a-f]{3}:/i;

/**
 * Whether a URL may be asked at all, by what it says: https, the one port, and a public name or
 * address. Addresses are only judged roughly here; the agent judges each one it connects to.
 */
export function isPublicUrl(url: URL, port: number): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const isPublicHost = isIP(host) === 0 ? !localNames.test(host) : isGlobal(host);
  return url.protocol === "https:" && Number(url.port || 443) === port && isPublicHost;
}

/** A look-up that knows no name with even one IPv6 address outside the global range. */
export function lookupPublic(lookup: LookupFunction = systemLookup): LookupFunction {
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

/** IPv4 is left to the agent, which knows its ranges; it takes more of IPv6 than is global. */
function isGlobal(address: string): boolean {
  return isIP(address) === 4 || globalIpv6.test(address);
}
