import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Issuer, startIssuer } from "../test/issuer.ts";
import { eventually, type Stage, setStage } from "../test/stage.ts";
import { trustIssuers } from "../test/trust-issuers.ts";
import type { ExternalIssuers } from "./external-issuers.ts";

let stage: Stage;
let issuers: Issuer[];
let clock = 0;
const now = () => Date.now() + clock;
const counted = { proofs: 0 };

beforeAll(async () => {
  issuers = await Promise.all([startIssuer("ES256"), startIssuer("EdDSA")]);
  const { verify } = trustIssuers(issuers, { now });
  const externalIssuers: ExternalIssuers = {
    verify: (token) => {
      counted.proofs++;
      return verify(token);
    },
  };
  stage = await setStage({ deps: { externalIssuers, now } });
  await stage.deps.cache.ready();
});
afterAll(async () => {
  await stage.close();
  await Promise.all(issuers.map((issuer) => issuer.close()));
});

const issuerAt = (index: number): Issuer => {
  const issuer = issuers[index];
  if (!issuer) throw new Error("no such issuer");
  return issuer;
};
let people = 0;
/** A token of somebody whom nobody has seen before, unless the claims say who. */
const sign = (claims: object = {}, at = 0) =>
  issuerAt(at).sign({ sub: `person-${++people}`, ...claims });
const readBalance = (bearer: string, account?: string) =>
  stage.call("/v1/credits/balance", { bearer, account });
const accountOf = async (subject: string, at = 0) => {
  const [row] = await stage.db.admin`
    SELECT account_id FROM ducat.external_identities
    WHERE issuer = ${issuerAt(at).issuer} AND subject = ${subject}`;
  return row?.account_id as string;
};

describe("somebody who is signed in elsewhere", () => {
  it("has an account of their own from the first request on, and no other", async () => {
    const other = await stage.makeAccount(20);
    const token = await sign({ sub: "ada" });
    const first = await readBalance(token, other);
    expect([first.status, first.body.available]).toEqual([200, 3]);
    const id = await accountOf("ada");
    expect((await readBalance(await sign({ sub: "ada" }))).body.available).toBe(3);
    const seen = await stage.call("/v1/credits/balance", { account: id });
    expect(seen.body.available).toBe(3);
    for (const path of ["/v1/api-keys", "/v1/admin/products", "/v1/admin/webhook-events"]) {
      expect((await stage.call(path, { bearer: token })).status, path).toBe(403);
    }
    const made = await stage.call("/v1/accounts", { bearer: token, body: { external_id: "e" } });
    expect(made.status).toBe(403);
    const listed = await stage.call("/v1/styles", { bearer: token });
    expect(listed.status).toBe(200);
  });

  it("is one account with one trial, whoever of fifty requests comes first", async () => {
    const tokens = await Promise.all(
      Array.from({ length: 50 }, (_, n) => sign({ sub: "fifty", jti: `${n}` })),
    );
    const answers = await Promise.all(tokens.map((token) => readBalance(token)));
    expect(answers.map(({ status, body }) => [status, body.available])).toEqual(
      answers.map(() => [200, 3]),
    );
    const [rows] = await stage.db.admin`
      SELECT count(*)::int AS n FROM ducat.accounts a
      WHERE id = ${await accountOf("fifty")} OR NOT EXISTS (
        SELECT FROM ducat.external_identities i WHERE i.account_id = a.id)
        AND external_id IS NULL`;
    expect(rows?.n).toBe(1);
  });

  it("is two people when two issuers call somebody the same", async () => {
    const [here, there] = [await sign({ sub: "same" }), await sign({ sub: "same" }, 1)];
    expect((await readBalance(here)).body.available).toBe(3);
    expect((await readBalance(there)).body.available).toBe(3);
    expect(await accountOf("same")).not.toBe(await accountOf("same", 1));
  });

  it("is never taken for who has the same address here, and has no second trial", async () => {
    const email = "mine@example.com";
    const claims = { email, email_verified: true };
    const body = { external_id: "owner", email };
    const owner = (await stage.call("/v1/accounts", { body })).body.id;
    await readBalance(await sign({ sub: "thief", ...claims }));
    expect(await accountOf("thief")).not.toBe(owner);
    // The address of a deleted account, of an alias, at another issuer.
    const again = { email_verified: true };
    const first = await sign({ ...again, email: "fa.rm@gmail.com" });
    expect((await readBalance(first)).body.available).toBe(3);
    const second = await sign({ ...again, email: "Farm+2@googlemail.com" }, 1);
    expect((await readBalance(second)).body.available).toBe(0);
  });

  it("costs no check and no query while they are remembered, fifteen seconds at most", async () => {
    const token = await sign({});
    await readBalance(token);
    const before = counted.proofs;
    for (let times = 0; times < 5; times++) await readBalance(token);
    expect(counted.proofs).toBe(before);
  });

  it("is nobody any more when the token has ended, remembered or not", async () => {
    const token = await sign({ exp: Math.floor(Date.now() / 1000) + 60 });
    expect((await readBalance(token)).status).toBe(200);
    clock = 66_000;
    expect((await readBalance(token)).body.code).toBe("unauthenticated");
    clock = 0;
    expect((await readBalance(token)).status).toBe(200);
  });

  it("may look and not spend until their issuer vouches for them, and has the trial then", async () => {
    const claims = { sub: "unverified", email: "late@example.com" };
    const body = { amount: 1, description: "a try" };
    const spend = (bearer: string) =>
      stage.call("/v1/credits/consume", { bearer, key: crypto.randomUUID(), body });
    const unverified = await sign({ ...claims, email_verified: false });
    expect((await readBalance(unverified)).body.available).toBe(0);
    const refused = await spend(unverified);
    expect([refused.status, refused.body.code]).toEqual([403, "not_verified"]);
    const verified = await sign({ ...claims, email_verified: true });
    expect((await spend(verified)).status).toBe(201);
    expect((await readBalance(verified)).body.available).toBe(2);
    expect((await spend(unverified)).body.code).toBe("not_verified");
  });

  it("is out when the account is deactivated: as soon as the database tells", async () => {
    const token = await sign({ sub: "banned" });
    expect((await readBalance(token)).status).toBe(200);
    const id = await accountOf("banned");
    // As another process does it: this one only hears of it.
    const setActive = (isActive: boolean) =>
      stage.db.app`SELECT ducat.set_account_active(${id}, ${isActive}, '{}')`;
    await setActive(false);
    await eventually(async () => expect((await readBalance(token)).status).toBe(401));
    expect((await readBalance(await sign({ sub: "banned" }))).body.code).toBe("unauthenticated");
    await setActive(true);
    await eventually(async () => expect((await readBalance(token)).status).toBe(200));
  });
});

describe("tokens that are no good", () => {
  it("are all refused alike, whatever is wrong with them", async () => {
    const good = await sign({});
    const cut = good.slice(0, -8);
    const tokens = [
      await sign({ aud: "somebody" }),
      await sign({ exp: 1 }),
      await sign({ iss: "https://nobody.example" }),
      await sign({ sub: "" }),
      await issuerAt(0).sign({}, { pair: issuerAt(1).pair() }),
      `${cut}AAAAAAAA`,
      `${good.slice(0, good.lastIndexOf("."))}.`,
      `${good}${"A".repeat(9_000)}`,
      "a.b.c",
      "..",
      "dk_test_nothing",
    ];
    const answers = await Promise.all(
      tokens.map(async (bearer) => {
        const { status, body, headers } = await readBalance(bearer);
        const challenge = headers.get("www-authenticate");
        return JSON.stringify({ status, challenge, ...body, request_id: "" });
      }),
    );
    expect(new Set(answers).size).toBe(1);
    expect(answers[0]).toContain("unauthenticated");
  });

  it("leave no account behind, and none of them is in the log", async () => {
    const count = async () => {
      const [row] = await stage.db.admin`SELECT count(*)::int AS n FROM ducat.accounts`;
      return row?.n;
    };
    const before = await count();
    const bad = await sign({ aud: "somebody", sub: "left-behind" });
    await readBalance(bad);
    const good = await sign({});
    await readBalance(good);
    expect(await count()).toBe(before + 1);
    const told = stage.lines.join("\n");
    for (const token of [bad, good]) {
      for (const part of token.split(".").slice(1)) expect(told).not.toContain(part);
    }
  });

  it("are another matter than keys that can't be read: that may pass", async () => {
    const issuer = await startIssuer();
    const externalIssuers = trustIssuers([issuer], { now, log: stage.deps.log });
    issuer.answer((_, response) => response.writeHead(500).end());
    const own = await setStage({ deps: { externalIssuers } });
    const bearer = await issuer.sign({});
    const answer = await own.call("/v1/credits/balance", { bearer });
    expect([answer.status, answer.body.code]).toEqual([503, "unavailable"]);
    expect(answer.headers.get("retry-after")).toBe("5");
    await own.close();
    await issuer.close();
  });
});
