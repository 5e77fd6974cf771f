import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import {
  exportJWK,
  type GenerateKeyPairResult,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
} from "jose";

type Pair = GenerateKeyPairResult & { kid: string; alg: string };

export type Issuer = {
  issuer: string;
  jwksUrl: string;
  audience: string;
  /** How often its keys were asked for. */
  reads(): number;
  /** What it answers instead of its keys; undefined: its keys again. */
  answer(listener: RequestListener | undefined): void;
  /** From now on it signs with a new key and shows only that one; returns the old one. */
  rotate(): Promise<Pair>;
  /** The key that it signs with now. */
  pair(): Pair;
  publicJwk(): Promise<JWK>;
  /** A good token for `subject`, but for what the claims and the header say. */
  sign(claims: object, how?: { pair?: Pair; header?: Record<string, unknown> }): Promise<string>;
  close(): Promise<void>;
};

export async function makePair(alg: string, kid: string = crypto.randomUUID()): Promise<Pair> {
  return { ...(await generateKeyPair(alg, { extractable: true })), kid, alg };
}

/** An issuer of tokens with keys of its own, which it shows on a port of its own. */
export async function startIssuer(alg = "ES256"): Promise<Issuer> {
  let pair = await makePair(alg);
  let reads = 0;
  let listener: RequestListener | undefined;
  const publicJwk = async () => ({
    ...(await exportJWK(pair.publicKey)),
    kid: pair.kid,
    use: "sig",
  });
  const server = createServer(async (request, response) => {
    reads++;
    if (listener) return listener(request, response);
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ keys: [await publicJwk()] }));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const audience = "ducat-tests";
  return {
    issuer,
    jwksUrl: `${issuer}/jwks.json`,
    audience,
    reads: () => reads,
    answer: (next) => {
      listener = next;
    },
    async rotate() {
      const old = pair;
      pair = await makePair(alg);
      return old;
    },
    pair: () => pair,
    publicJwk,
    sign(claims, { pair: by = pair, header = {} } = {}) {
      const now = Math.floor(Date.now() / 1000);
      const all = { iss: issuer, aud: audience, sub: "ada", iat: now, exp: now + 300, ...claims };
      // What is undefined is left out.
      const payload: JWTPayload = JSON.parse(JSON.stringify(all));
      return new SignJWT(payload)
        .setProtectedHeader({ alg: by.alg, kid: by.kid, ...header })
        .sign(by.privateKey);
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}
