import { randomBytes } from "node:crypto";
import { Webhook } from "standardwebhooks";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { verifyWebhook, type WebhookOptions } from "./webhooks.ts";

const makeSecret = () => `whsec_${randomBytes(32).toString("base64")}`;
const event = { id: "e-1", type: "credits.low", data: { available: 2, threshold: 5 } };
const body = JSON.stringify(event);

/** The headers of a webhook that was sent some seconds ago, signed by these secrets. */
function sign(secrets: string[], { text = body, age = 0 } = {}) {
  const sent = new Date(Date.now() - age * 1_000);
  const signatures = secrets.map((secret) => new Webhook(secret).sign("e-1", sent, text));
  return {
    "webhook-id": "e-1",
    "webhook-timestamp": String(Math.floor(sent.getTime() / 1_000)),
    "webhook-signature": signatures.join(" "),
  };
}

const refused = { code: "signature_invalid" };
const verify = (options: Partial<WebhookOptions> & Pick<WebhookOptions, "headers" | "secret">) =>
  verifyWebhook({ body, ...options });

describe("a webhook", () => {
  const secret = makeSecret();

  it("is what it says when it was signed with the secret, whatever its headers come in", async () => {
    const headers = sign([secret]);
    const capital = Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toUpperCase(), [value]]),
    );
    for (const given of [headers, new Headers(headers), capital]) {
      await expect(verify({ headers: given, secret })).resolves.toEqual(event);
    }
    const bytes = Buffer.from(body);
    await expect(verify({ headers, secret, body: bytes })).resolves.toEqual(event);
  });

  it("is the example that Standard Webhooks publishes", async () => {
    vi.useFakeTimers({ now: 1_614_265_330_000, toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const headers = {
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };
    const example = {
      body: '{"test": 2432232314}',
      secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    };
    await expect(verifyWebhook({ ...example, headers })).resolves.toEqual({ test: 2_432_232_314 });
  });

  it("may be signed by several secrets, and several may be right", async () => {
    const [former, next, other] = [makeSecret(), makeSecret(), makeSecret()];
    const both = sign([next, former]);
    for (const given of [former, next, [other, former], [next, other]]) {
      await expect(verify({ headers: both, secret: given })).resolves.toEqual(event);
    }
    await expect(verify({ headers: both, secret: other })).rejects.toMatchObject(refused);
    await expect(verify({ headers: both, secret: [] })).rejects.toMatchObject(refused);
  });

  it("is refused when any byte of its body, id, time or signature is another", async () => {
    const headers = sign([secret]);
    for (let at = 0; at < body.length; at++) {
      const other = Buffer.from(body);
      other[at] = (other[at] ?? 0) ^ 1;
      await expect(verify({ headers, secret, body: other })).rejects.toMatchObject(refused);
    }
    const changed = [
      { "webhook-id": "e-2" },
      { "webhook-timestamp": String(Number(headers["webhook-timestamp"]) - 1) },
      { "webhook-signature": headers["webhook-signature"].replace("v1,", "v1,A") },
      { "webhook-signature": headers["webhook-signature"].slice(0, -5) },
    ];
    for (const one of changed) {
      const given = { ...headers, ...one };
      await expect(verify({ headers: given, secret })).rejects.toMatchObject(refused);
    }
  });

  it("is refused without a header, with one twice, and with a signature of another scheme", async () => {
    const headers = sign([secret]);
    const [, signature = ""] = headers["webhook-signature"].split(",");
    const wrong = [
      ...Object.keys(headers).map((name) => ({ [name]: undefined })),
      ...Object.keys(headers).map((name) => ({ [name]: "" })),
      { "webhook-id": ["e-1", "e-1"] },
      { "webhook-timestamp": "1e9" },
      { "webhook-timestamp": ` ${headers["webhook-timestamp"]}` },
      { "webhook-signature": signature },
      { "webhook-signature": `v1a,${signature}` },
      { "webhook-signature": `v2,${signature}` },
      { "webhook-signature": "v1," },
      { "webhook-signature": "v1,%%%" },
    ];
    for (const one of wrong) {
      const given = { ...headers, ...one };
      await expect(verify({ headers: given, secret })).rejects.toMatchObject(refused);
    }
  });

  it("is refused when it is older or newer than five minutes, or than was asked", async () => {
    for (const age of [-295, 295]) {
      await expect(verify({ headers: sign([secret], { age }), secret })).resolves.toEqual(event);
    }
    for (const age of [-305, 305]) {
      const headers = sign([secret], { age });
      await expect(verify({ headers, secret })).rejects.toMatchObject(refused);
      await expect(verify({ headers, secret, toleranceS: 400 })).resolves.toEqual(event);
    }
  });

  it("is refused by a time-span that is none, and with more signatures than anybody sends", async () => {
    const old = sign([secret], { age: 9_999 });
    const asked = verify({ headers: old, secret, toleranceS: Number.NaN });
    await expect(asked).rejects.toMatchObject(refused);
    const headers = sign([...Array.from({ length: 40 }, makeSecret), secret]);
    await expect(verify({ headers, secret })).rejects.toMatchObject(refused);
  });

  it("is not looked at with a secret that is none", async () => {
    for (const none of ["", "whsec_", "whsec_%%%", `whsec_${btoa("short")}`]) {
      const asked = verify({ headers: sign([secret]), secret: none });
      await expect(asked).rejects.toThrow("A secret is whsec_ and base64.");
    }
  });
});
