import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { hostileKeys } from "../test/hostile-keys.ts";
import { inputKey } from "./blob-key.ts";
import { fileHeaders } from "./file-headers.ts";
import { createUrlSigner, type SignedParts } from "./signed-url.ts";

const oldSecret = "the old secret key of this deployment";
const newSecret = "the new secret key of this deployment";
const start = Date.UTC(2026, 10, 20, 12, 0, 1);
const hour = 3_600_000;

function makeSigner(secrets = [newSecret], at = { now: start }) {
  return createUrlSigner({ baseUrl: "https://ducat.test/", secrets, now: () => at.now });
}

function partsOf(url: string): SignedParts {
  const { pathname, searchParams } = new URL(url);
  return {
    key: pathname.replace("/v1/files/", ""),
    ...Object.fromEntries(searchParams),
  };
}

describe("signed URLs", () => {
  test("a signed URL opens its key, as it was signed", () => {
    const signer = makeSigner();
    const key = inputKey(randomUUID(), randomUUID());
    const url = signer.sign(key, { disposition: "attachment", filename: "front-yard.webp" });
    expect(url.startsWith(`https://ducat.test/v1/files/${key}?expires=`)).toBe(true);
    expect(signer.verify(partsOf(url))).toMatchObject({
      ok: true,
      key,
      disposition: "attachment",
      filename: "front-yard.webp",
    });
  });

  test("reads within five minutes mint the same URL, and none lives less than the hour", () => {
    const at = { now: start };
    const signer = makeSigner([newSecret], at);
    const key = inputKey(randomUUID(), randomUUID());
    const urls = new Set<string>();
    for (let minute = 0; minute < 10; minute += 0.5) {
      at.now = start + minute * 60_000;
      const url = signer.sign(key);
      const life = Number(partsOf(url).expires) * 1000 - at.now;
      expect(life).toBeGreaterThanOrEqual(hour);
      expect(life).toBeLessThan(hour + 300_000);
      urls.add(url);
    }
    expect(urls.size).toBe(2);
  });

  test("it expires", () => {
    const at = { now: start };
    const signer = makeSigner([newSecret], at);
    const parts = partsOf(signer.sign(inputKey(randomUUID(), randomUUID())));
    at.now = Number(parts.expires) * 1000 - 1;
    expect(signer.verify(parts).ok).toBe(true);
    at.now += 1;
    expect(signer.verify(parts)).toEqual({ ok: false, reason: "expired" });
  });

  test("old secrets still verify after a rotation, and a removed one doesn't", () => {
    const parts = partsOf(makeSigner([oldSecret]).sign(inputKey(randomUUID(), randomUUID())));
    expect(makeSigner([newSecret, oldSecret]).verify(parts).ok).toBe(true);
    expect(makeSigner([newSecret]).verify(parts)).toEqual({ ok: false, reason: "bad_signature" });
    const fresh = makeSigner([newSecret, oldSecret]).sign(parts.key);
    expect(makeSigner([newSecret]).verify(partsOf(fresh)).ok).toBe(true);
  });

  test("every part is bound: no change of one goes unnoticed", () => {
    const signer = makeSigner();
    const account = randomUUID();
    const good = partsOf(signer.sign(inputKey(account, randomUUID()), { filename: "a.webp" }));
    const { filename: _, ...unnamed } = good;
    const { signature = "", expires = "" } = good;
    const changed: SignedParts[] = [
      { ...good, key: inputKey(account, randomUUID()) },
      { ...good, key: inputKey(randomUUID(), good.key.slice(-41, -5)) },
      { ...good, expires: String(Number(expires) + 300) },
      { ...good, expires: `0${expires}` },
      { ...good, expires: `${expires}.0` },
      { ...good, expires: "Infinity" },
      { ...good, disposition: "attachment" },
      { ...good, disposition: "inline\r\nx: y" },
      { ...good, filename: "b.webp" },
      { ...good, filename: 'a.webp"; x="' },
      unnamed,
      { ...good, signature: "" },
      { ...good, signature: `${signature}=` },
      { ...good, signature: signature.toUpperCase() },
      { ...good, signature: [...signature].reverse().join("") },
      { ...good, signature: signature.slice(0, 42) },
      { ...good, signature: "é".repeat(43) },
      { key: good.key },
    ];
    for (const parts of changed)
      expect(signer.verify(parts), JSON.stringify(parts).slice(0, 90)).toMatchObject({ ok: false });
    for (let at = 0; at < signature.length; at += 1) {
      const flipped = signature[at] === "A" ? "B" : "A";
      const bad = signature.slice(0, at) + flipped + signature.slice(at + 1);
      expect(signer.verify({ ...good, signature: bad }).ok).toBe(false);
    }
    expect(signer.verify(good).ok).toBe(true);
  });

  test("no hostile key can be signed or verified", () => {
    const signer = makeSigner();
    const good = partsOf(signer.sign(inputKey(randomUUID(), randomUUID())));
    for (const key of hostileKeys) {
      expect(() => signer.sign(key)).toThrow("not a blob key");
      expect(signer.verify({ ...good, key })).toEqual({ ok: false, reason: "malformed" });
    }
  });

  test("a weak or missing secret, an endless life and a strange name are refused", () => {
    const key = inputKey(randomUUID(), randomUUID());
    expect(() => makeSigner([])).toThrow("at least one secret");
    expect(() => makeSigner(["short"])).toThrow("at least 32 characters");
    expect(() => makeSigner().sign(key, { expiresInS: 1e9 })).toThrow("seconds");
    expect(() => makeSigner().sign(key, { expiresInS: Number.NaN })).toThrow("seconds");
    expect(() => makeSigner().sign(key, { filename: "a\r\nb" })).toThrow("file name");
  });
});

test("a served file has a pinned type and can run nothing; text is always a download", () => {
  const picture = fileHeaders({
    key: inputKey(randomUUID(), randomUUID()),
    size: 12,
    disposition: "inline",
  });
  expect(picture).toMatchObject({
    "content-type": "image/webp",
    "content-disposition": "inline",
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
  });
  const key = `${randomUUID()}/${randomUUID()}/1/ab.txt`;
  const text = fileHeaders({ key, size: 1, disposition: "inline", filename: "text.txt" });
  expect(text["content-disposition"]).toBe('attachment; filename="text.txt"');
});
