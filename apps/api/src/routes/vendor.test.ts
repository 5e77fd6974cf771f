import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Stage, setStage } from "../../test/stage.ts";

let stage: Stage;
beforeAll(async () => {
  stage = await setStage();
});
afterAll(() => stage.close());

const profile = {
  business_name: "Ada's Gardens",
  profile_info: "Since 1843.",
  contact_info: { email: "hello@gardens.example", phone: "+4915112345678" },
  social_links: { instagram: "https://instagram.example/ada" },
};

async function makeVendor(): Promise<string> {
  const body = { external_id: `v-${randomUUID()}`, kind: "vendor" };
  return (await stage.call("/v1/accounts", { body })).body.id;
}
const save = (account: string, body: object) =>
  stage.call("/v1/vendor", { method: "PUT", account, body });
const judge = (account: string, verdict: "verify" | "unverify") =>
  stage.call(`/v1/admin/accounts/${account}/vendor/${verdict}`, { method: "POST" });

describe("a vendor's profile", () => {
  it("is empty, then what was written, all of it", async () => {
    const account = await makeVendor();
    const empty = await stage.call("/v1/vendor", { account });
    expect(empty.body).toMatchObject({
      account_id: account,
      business_name: null,
      created_at: null,
    });
    const saved = await save(account, profile);
    expect(saved.status).toBe(200);
    expect(saved.body).toMatchObject({ ...profile, verified_at: null });
    expect((await stage.call("/v1/vendor", { account })).body).toEqual(saved.body);
    expect((await save(account, { business_name: "Ada" })).body).toMatchObject({
      business_name: "Ada",
      profile_info: null,
      contact_info: {},
      social_links: {},
    });
  });

  it("is no user's, and no stranger's", async () => {
    const user = await stage.makeAccount();
    for (const refused of [
      await stage.call("/v1/vendor", { account: user }),
      await save(user, profile),
      await judge(user, "verify"),
    ]) {
      expect([refused.status, refused.body.code]).toEqual([409, "invalid_state"]);
      expect(refused.body.reason).toBe("kind");
    }
    const [own, other] = [await makeVendor(), await makeVendor()];
    await save(own, profile);
    const seen = await stage.call("/v1/vendor", { account: other });
    expect(seen.body.business_name).toBeNull();
    const token = await stage.call(`/v1/accounts/${other}/tokens`, { body: {} });
    const how = { method: "PUT", account: own, bearer: token.body.token };
    await stage.call("/v1/vendor", { ...how, body: { business_name: "Mine now" } });
    expect((await stage.call("/v1/vendor", { account: own })).body.business_name).toBe(
      profile.business_name,
    );
  });

  it.each([
    ["no name", {}, "/business_name"],
    ["a long name", { business_name: "n".repeat(201) }, "/business_name"],
    ["a long text", { ...profile, profile_info: "p".repeat(4001) }, "/profile_info"],
    ["no link", { ...profile, social_links: { x: "javascript:alert(1)" } }, "/social_links/x"],
    ["no address", { ...profile, contact_info: { email: "here" } }, "/contact_info/email"],
    ["an unknown contact", { ...profile, contact_info: { fax: "1" } }, "/contact_info/fax"],
    ["its own verdict", { ...profile, verified_at: "2026-01-01T00:00:00Z" }, "/verified_at"],
    [
      "too many links",
      {
        ...profile,
        social_links: Object.fromEntries(
          Array.from({ length: 21 }, (_, n) => [`l${n}`, "https://x.example/"]),
        ),
      },
      "/social_links",
    ],
  ])("does not take %s", async (_, body, pointer) => {
    const account = await makeVendor();
    const refused = await save(account, body);
    expect([refused.status, refused.body.errors[0].pointer]).toEqual([422, pointer]);
    expect((await stage.call("/v1/vendor", { account })).body.created_at).toBeNull();
  });
});

describe("the verification of a vendor", () => {
  it("is given and taken back by an admin, with an audit line each", async () => {
    const account = await makeVendor();
    expect((await judge(account, "verify")).body.reason).toBe("profile");
    await save(account, profile);
    const verified = await judge(account, "verify");
    expect(verified.status).toBe(200);
    const { verified_at } = verified.body.vendor;
    expect(verified_at).not.toBeNull();
    expect((await judge(account, "verify")).body.vendor.verified_at).toBe(verified_at);
    expect((await stage.call("/v1/vendor", { account })).body.verified_at).toBe(verified_at);
    expect((await judge(account, "unverify")).body.vendor.verified_at).toBeNull();
    const lines = await stage.db.admin`
      SELECT action, actor, metadata->'before'->>'verified_at' IS NULL AS before_null,
        metadata->'after'->>'verified_at' IS NULL AS after_null, request_id IS NOT NULL AS named
      FROM ducat.audit_logs WHERE account_id = ${account} AND action LIKE '%verify' ORDER BY id`;
    const line = { actor: "root", named: true };
    expect(lines).toEqual([
      { ...line, action: "vendor.verify", before_null: true, after_null: false },
      { ...line, action: "vendor.verify", before_null: false, after_null: false },
      { ...line, action: "vendor.unverify", before_null: false, after_null: true },
    ]);
  });

  it("ends with the name that was verified, and with nothing else", async () => {
    const account = await makeVendor();
    await save(account, profile);
    await judge(account, "verify");
    const same = await save(account, { ...profile, profile_info: "Since 1842." });
    expect(same.body.verified_at).not.toBeNull();
    expect(
      (await save(account, { ...profile, business_name: "A bank" })).body.verified_at,
    ).toBeNull();
    expect((await save(account, profile)).body.verified_at).toBeNull();
  });
});
