import { createHmac, createPublicKey, randomUUID } from "node:crypto";
import { base64url, type CryptoKey, exportJWK, exportSPKI, importJWK } from "jose";
import { describe, expect, it, onTestFinished } from "vitest";
import { type Issuer, makePair, startIssuer } from "../test/issuer.ts";
import { createExternalIssuers } from "./external-issuers.ts";
import type { KeyLimits } from "./issuer-keys.ts";
import { IssuerSettings } from "./issuer-settings.ts";

const app = "https://app.example.com";

async function start(alg = "ES256"): Promise<Issuer> {
  const issuer = await startIssuer(alg);
  onTestFinished(() => issuer.close());
  return issuer;
}

/** What the API makes of an issuer; `clock.now` may be moved, `lines` is what was logged. */
function trust(
  { issuer, jwksUrl, audience }: Issuer,
  more: { settings?: Partial<IssuerSettings>; limits?: KeyLimits } = {},
) {
  const clock = { ahead: 0 };
  const lines: string[] = [];
  const write = (fields: object, text: string) => lines.push(`${JSON.stringify(fields)} ${text}`);
  const { verify } = createExternalIssuers({
    issuers: [IssuerSettings.parse({ issuer, jwksUrl, audience, ...more.settings })],
    allowedOrigins: [app],
    secrets: ["n".repeat(32), "o".repeat(32)],
    now: () => Date.now() + clock.ahead,
    log: { warn: write, debug: write } as never,
    limits: { timeoutMs: 1_000, ...more.limits },
  });
  return { verify, clock, lines };
}

const encode = (value: object) => base64url.encode(JSON.stringify(value));
const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow;
const unavailable = { code: "unavailable" };

describe("a token of an issuer that we know", () => {
  it.each(["RS256", "ES256", "EdDSA"])("signed by %s says who somebody is", async (alg) => {
    const issuer = await start(alg);
    const { verify } = trust(issuer);
    const exp = seconds(100);
    const claims = { exp, email: "Ada@Example.com", email_verified: true, name: "Ada" };
    expect(await verify(await issuer.sign(claims))).toEqual({
      person: {
        issuer: issuer.issuer,
        subject: "ada",
        isVerified: true,
        signedInAt: expect.any(Date),
        email: "ada@example.com",
        name: "Ada",
      },
      hashes: { names: expect.any(Array), identities: expect.any(Array) },
      expiresAt: exp * 1000,
    });
    await verify(await issuer.sign({}));
    expect(issuer.reads()).toBe(1);
  });

  it("says who is not verified, and of them neither name nor address", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    const read = async (claims: object) => (await verify(await issuer.sign(claims)))?.person;
    const about = { email: "ada@example.com", name: "Ada" };
    const nothing = { email: undefined, name: undefined };
    for (const email_verified of [false, "false", null, 0, "yes", 1]) {
      const person = await read({ ...about, email_verified });
      expect(person, String(email_verified)).toMatchObject({ isVerified: false, ...nothing });
    }
    expect(await read(about)).toMatchObject({ isVerified: true, ...nothing });
    expect(await read({ ...about, email_verified: "true" })).toMatchObject(about);
    for (const hidden of [
      { is_anonymous: true },
      { firebase: { sign_in_provider: "anonymous" } },
      { ...about, email_verified: true, is_anonymous: true },
    ]) {
      expect(await read(hidden)).toMatchObject({ isVerified: false });
    }
    expect(await read({ firebase: { sign_in_provider: "phone" } })).toMatchObject({
      isVerified: true,
    });
    const odd = { email: "no address", name: "x\0y", email_verified: true };
    expect(await read(odd)).toMatchObject(nothing);
  });

  it("leaves a trace by every secret, of the subject and of a confirmed address", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    const trace = async (claims: object) =>
      (await verify(await issuer.sign(claims)))?.hashes.identities.map((hmac) =>
        hmac.toString("hex"),
      );
    const unconfirmed = await trace({ email: "ada@example.com" });
    expect(unconfirmed).toHaveLength(2);
    const ada = (await trace({ email: "ada@example.com", email_verified: true })) ?? [];
    expect([ada.slice(0, 2), new Set(ada).size]).toEqual([unconfirmed, 4]);
    const bob = await trace({ sub: "bob", email: "ADA+2@example.com", email_verified: true });
    expect(bob?.slice(2)).toEqual(ada.slice(2));
    expect(ada).not.toContain(bob?.[0]);
  });

  it("may be for several audiences, and of any length up to 8 KiB", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    expect(await verify(await issuer.sign({ aud: ["other", issuer.audience] }))).toBeDefined();
    const padded = async (size: number) => await issuer.sign({ pad: "x".repeat(size) });
    const base = (await padded(0)).length;
    const most = Math.floor(((8_192 - base) * 3) / 4) - 3;
    expect((await padded(most)).length).toBeGreaterThan(8_180);
    expect(await verify(await padded(most))).toBeDefined();
    expect(await verify(await padded(most + 10))).toBeUndefined();
  });

  it("is judged by a clock that may differ by five seconds", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    const isGood = async (claims: object) => !!(await verify(await issuer.sign(claims)));
    expect(await isGood({ exp: seconds(-3) })).toBe(true);
    expect(await isGood({ nbf: seconds(3), iat: seconds(3) })).toBe(true);
    expect(await isGood({ exp: seconds(-7) })).toBe(false);
    expect(await isGood({ nbf: seconds(8) })).toBe(false);
    expect(await isGood({ iat: seconds(8) })).toBe(false);
  });
});

describe("a token is refused", () => {
  it("when any of its claims is wrong or missing", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    const wrong: Record<string, object> = {
      "another audience": { aud: "somebody-else" },
      "no audience": { aud: undefined },
      "a part of the audience": { aud: issuer.audience.slice(1) },
      expired: { exp: seconds(-60) },
      endless: { exp: undefined },
      "an end in words": { exp: "tomorrow" },
      "not yet valid": { nbf: seconds(60) },
      "made in the future": { iat: seconds(60) },
      "made never": { iat: undefined },
      "made too long ago": { iat: seconds(-86_400 - 60) },
      "another issuer": { iss: "https://issuer.example" },
      "almost the issuer": { iss: `${issuer.issuer}/` },
      "no issuer": { iss: undefined },
      "no subject": { sub: undefined },
      "an empty subject": { sub: "" },
      "a subject that is a number": { sub: 7 },
      "a list of subjects": { sub: ["ada"] },
      "a long subject": { sub: "x".repeat(256) },
      "a subject with NUL": { sub: "ada\0" },
      "a subject with a lone surrogate": { sub: "ada\ud800" },
      "a session that waits": { sts: "pending" },
    };
    for (const [name, claims] of Object.entries(wrong)) {
      expect(await verify(await issuer.sign(claims)), name).toBeUndefined();
    }
    expect(await verify(await issuer.sign({ sub: "x".repeat(255) }))).toBeDefined();
  });

  it("when its header asks for anything but a check with our issuer's key", async () => {
    const issuer = await start("RS256");
    const { verify, lines } = trust(issuer);
    const good = await issuer.sign({});
    const [head = "", body = "", signature = ""] = good.split(".");
    const { kid } = issuer.pair();
    const mac = (text: string, secret: string | Buffer) =>
      createHmac("sha256", secret).update(text).digest("base64url");
    const hs = encode({ alg: "HS256", kid });
    const pem = await exportSPKI(issuer.pair().publicKey);
    const der = createPublicKey(pem).export({ type: "spki", format: "der" });
    const foreign = await makePair("RS256", kid);
    const other = await makePair("ES256", kid);
    const longer = (await importJWK(
      await exportJWK(issuer.pair().privateKey),
      "RS512",
    )) as CryptoKey;
    const jwk = { jwk: await issuer.publicJwk() };
    const forged: Record<string, string> = {
      "alg none": `${encode({ alg: "none", kid })}.${body}.`,
      "alg None with a signature": `${encode({ alg: "None", kid })}.${body}.${signature}`,
      "HS256 with the public key as PEM": `${hs}.${body}.${mac(`${hs}.${body}`, pem)}`,
      "HS256 with the public key as DER": `${hs}.${body}.${mac(`${hs}.${body}`, der)}`,
      "HS256 with no key": `${hs}.${body}.${mac(`${hs}.${body}`, "")}`,
      "a foreign key with the same kid": await issuer.sign({}, { pair: foreign }),
      "its own key in the header": await issuer.sign({}, { pair: foreign, header: jwk }),
      "another algorithm with the same kid": await issuer.sign({}, { pair: other }),
      "an algorithm that is not allowed": await issuer.sign(
        {},
        { pair: { ...issuer.pair(), alg: "RS512", privateKey: longer } },
      ),
      "an extension that must be understood": await issuer.sign(
        {},
        { header: { crit: ["b64"], b64: true } },
      ),
      "a token of another kind": await issuer.sign({}, { header: { typ: "logout+jwt" } }),
      "another body": `${head}.${encode({ iss: issuer.issuer, sub: "eve" })}.${signature}`,
      "no signature": `${head}.${body}.`,
      "one part more": `${good}.x`,
      "no JSON": `${base64url.encode("{")}.${base64url.encode("[]")}.x`,
      "three dots": "..",
    };
    for (const [name, token] of Object.entries(forged)) {
      expect(await verify(token), name).toBeUndefined();
    }
    expect(await verify(good)).toBeDefined();
    expect(await verify(await issuer.sign({}, { header: { typ: "at+jwt" } }))).toBeDefined();
    const told = lines.join("\n");
    expect(told).toContain("ERR_JWS_SIGNATURE_VERIFICATION_FAILED");
    for (const secret of [body, signature, "eve"]) expect(told).not.toContain(secret);
  });

  it("when it was made for a page of another origin", async () => {
    const issuer = await start("RS256");
    const { verify } = trust(issuer, { settings: { audience: undefined, checksOrigin: true } });
    const isGood = async (azp: unknown) => !!(await verify(await issuer.sign({ azp })));
    expect(await isGood(app)).toBe(true);
    for (const azp of ["https://evil.example", `${app}.evil.example`, undefined, [app], ""]) {
      expect(await isGood(azp), String(azp)).toBe(false);
    }
  });
});

describe("the keys of an issuer", () => {
  it("are read once for twenty keys that it doesn't have", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    await verify(await issuer.sign({}));
    for (let times = 0; times < 20; times++) {
      const pair = { ...issuer.pair(), kid: randomUUID() };
      expect(await verify(await issuer.sign({}, { pair }))).toBeUndefined();
    }
    expect(issuer.reads()).toBe(1);
  });

  it("are read once for all who come first", async () => {
    const issuer = await start();
    const { verify } = trust(issuer);
    const tokens = await Promise.all(
      Array.from({ length: 20 }, (_, n) => issuer.sign({ sub: `${n}` })),
    );
    const all = await Promise.all(tokens.map(verify));
    expect(all.map((one) => one?.person.subject)).toEqual(tokens.map((_, n) => `${n}`));
    expect(issuer.reads()).toBe(1);
  });

  it("may change: a new one is found, one that is gone is not believed for ever", async () => {
    const issuer = await start();
    const { verify } = trust(issuer, { limits: { cooldownMs: 0, maxAgeMs: 0 } });
    expect(await verify(await issuer.sign({}))).toBeDefined();
    const old = await issuer.rotate();
    expect(await verify(await issuer.sign({}))).toBeDefined();
    expect(await verify(await issuer.sign({}, { pair: old }))).toBeUndefined();
  });

  it("that change are not looked for again before the cooldown is over", async () => {
    const issuer = await start();
    const { verify } = trust(issuer, { limits: { cooldownMs: 60_000 } });
    await verify(await issuer.sign({}));
    await issuer.rotate();
    expect(await verify(await issuer.sign({}))).toBeUndefined();
    expect(issuer.reads()).toBe(1);
  });

  const faults: Record<string, Parameters<Issuer["answer"]>[0]> = {
    hangs: () => undefined,
    "hangs in the middle": (_, response) => response.write('{"keys":['),
    "answers 500": (_, response) => response.writeHead(500).end("{}"),
    "answers 404": (_, response) => response.writeHead(404).end(),
    "answers no JSON": (_, response) => response.end("<html>"),
    "answers no keys": (_, response) => response.end('{"keys":7}'),
    "answers too much": (_, response) =>
      response.end(`{"keys":[],"more":"${"x".repeat(140_000)}"}`),
    "never stops answering": (_, response) => {
      const more = () => {
        while (response.write(" ".repeat(65_536)));
      };
      response.on("drain", more);
      more();
    },
  };
  it.each(Object.entries(faults))("can't be read when it %s", async (_, fault) => {
    const issuer = await start();
    const { verify, clock, lines } = trust(issuer, { limits: { timeoutMs: 200 } });
    const token = await issuer.sign({});
    issuer.answer(fault);
    const all = Array.from({ length: 5 }, () => verify(token));
    for (const one of all) await expect(one).rejects.toMatchObject(unavailable);
    await expect(verify(token)).rejects.toMatchObject(unavailable);
    expect([issuer.reads(), lines.length]).toEqual([1, 1]);
    expect(lines[0]).not.toContain(token);

    issuer.answer(undefined);
    clock.ahead += 6_000;
    expect(await verify(token)).toBeDefined();
    expect(issuer.reads()).toBe(2);
  });

  it("are not looked for where it redirects to", async () => {
    const [issuer, elsewhere] = [await start(), await start()];
    const { verify } = trust(issuer, { limits: { retryMs: 0 } });
    for (const status of [301, 302, 307, 308]) {
      issuer.answer((_, response) => {
        response.writeHead(status, { location: elsewhere.jwksUrl }).end();
      });
      await expect(verify(await issuer.sign({}))).rejects.toMatchObject(unavailable);
    }
    expect([issuer.reads(), elsewhere.reads()]).toEqual([4, 0]);
  });

  it("once read are believed for a day while it can't be reached, new ones wait", async () => {
    const issuer = await start();
    const { verify, clock } = trust(issuer, { limits: { cooldownMs: 0, maxAgeMs: 0 } });
    expect(await verify(await issuer.sign({}))).toBeDefined();
    issuer.answer((_, response) => response.writeHead(503).end());
    const inAnHour = { iat: seconds(3_600), exp: seconds(3_700) };
    clock.ahead = 3_600_000;
    expect(await verify(await issuer.sign(inAnHour))).toBeDefined();
    const pair = await makePair("ES256", issuer.pair().kid);
    expect(await verify(await issuer.sign(inAnHour, { pair }))).toBeUndefined();
    const old = await issuer.rotate();
    await expect(verify(await issuer.sign(inAnHour))).rejects.toMatchObject(unavailable);
    clock.ahead = 86_400_000 + 1_000;
    const nextDay = { iat: seconds(86_400), exp: seconds(86_500) };
    const late = await issuer.sign(nextDay, { pair: old });
    await expect(verify(late)).rejects.toMatchObject(unavailable);
  });
});
