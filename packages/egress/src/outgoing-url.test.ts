import { describe, expect, it } from "vitest";
import { hostileUrls, localAddresses } from "../test/hostile-urls.ts";
import { mayBeAsked, parseOutgoingUrl } from "./outgoing-url.ts";

function isTaken(text: string, allowHosts: string[] = []): boolean {
  const url = parseOutgoingUrl(text);
  return url !== undefined && mayBeAsked(url, { allowHosts });
}

describe("addresses of strangers, by what they say", () => {
  it("take public names and addresses on the one port", () => {
    for (const url of [
      "https://example.com/hooks?a=b#c",
      "HTTPS://EXAMPLE.COM:443/",
      "https://93.184.215.14/",
      "https://[2606:4700::1111]/",
      "https://bücher.example/",
    ]) {
      expect(isTaken(url), url).toBe(true);
    }
  });

  it("leave only names to the connection, whatever the spelling", () => {
    // Names that a public name server may know; what they lead to is judged at the connection.
    const names = /^https:\/\/(photos|loopback)\.test[:/]|@photos\.test\/$|localdomain|%40|\\@/;
    const taken = hostileUrls(443).filter((url) => isTaken(url) && !names.test(url));
    expect(taken).toEqual([]);
  });

  it("refuse each special address that is written out", () => {
    const taken = localAddresses.filter((address) =>
      isTaken(`https://${address.includes(":") ? `[${address}]` : address}/`),
    );
    expect(taken).toEqual([]);
  });

  it("may be anything for a host and port that are named, but never hold a user", () => {
    const allowed = ["127.0.0.1:8080", "hooks.test:443"];
    expect(isTaken("http://127.0.0.1:8080/", allowed)).toBe(true);
    expect(isTaken("https://hooks.test/", allowed)).toBe(true);
    expect(isTaken("http://127.0.0.1:8081/", allowed)).toBe(false);
    expect(isTaken("http://user@127.0.0.1:8080/", allowed)).toBe(false);
    expect(isTaken("ftp://127.0.0.1:8080/", allowed)).toBe(false);
  });

  it("have at most 2,048 characters", () => {
    const long = (length: number) => "https://example.com/".padEnd(length, "a");
    expect(isTaken(long(2048))).toBe(true);
    expect(isTaken(long(2049))).toBe(false);
  });
});
