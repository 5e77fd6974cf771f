import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makePhoto } from "../../apps/api/test/pictures.ts";
import { createPhotoFetcher } from "../../apps/worker/src/fetch-photo.ts";
import { countImportFiles } from "../../packages/db/src/imports.ts";
import { useDatabase } from "../../packages/db/test/use-database.ts";
import { createDiskBlobs } from "../../packages/storage/src/disk.ts";
import { createImageIntake } from "../../packages/storage/src/image-intake.ts";
import { loadCatalog } from "../catalog/load-catalog.ts";
import { copyFiles, type FileDeps } from "./copy-files.ts";
import { importFormer, makeFormer } from "./test/former-schema.ts";
import { stylistDatabase, stylistImages } from "./test/stylist.sql.ts";

const database = useDatabase();
const shirin = "b0000000-0000-4000-8000-000000000001";
const shop = "c0000000-0000-4000-8000-000000000001";
let mapping: Record<string, unknown>;
let isLateReady = false;
const server = createServer(async (request, response) => {
  const path = request.url ?? "";
  if (path.startsWith("/missing")) return response.writeHead(404).end();
  if (path.startsWith("/late") && !isLateReady) return response.writeHead(503).end();
  return response.writeHead(200, { "content-type": "image/jpeg" }).end(await makePhoto(400, 300));
});
let host: string;
let folder: string;

beforeAll(async () => {
  await loadCatalog({ adminUrl: database.url, catalog: "stylist" });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  folder = await mkdtemp(join(tmpdir(), "ducat-import-"));
  const text = stylistDatabase + stylistImages(`http://${host}`);
  const schema = await makeFormer(database.url, text);
  mapping = {
    source: "stylist",
    system: "stylist",
    schema,
    currency: "IRR",
    accounts: { phone_countries: ["IR"], locale: "fa" },
    logins: { phones: "all" },
    plans: {
      free: "none",
      basic: { product: "basic" },
      vendor_pro: { product: "vendor_pro" },
    },
  };
  const report = await importFormer(database.url, mapping);
  expect(report.people).toMatchObject({ create: 4, refuse: 0 });
  expect(report.credits.here).toEqual({ trial: 3, subscription: 19 });
  expect(report.warnings).toMatchObject({
    phone_unverified: 1,
    plan_is_over: 1,
    password_unknown_format: 4,
    contact_info_partly: 1,
    social_links_partly: 1,
  });
});
afterAll(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

const findAccount = async (externalId: string) => {
  const [row] = await database.admin`
    SELECT a.id, a.kind, a.name, a.phone, a.locale, a.is_active, a.avatar, c.available, c.trial,
      l.login_id
    FROM ducat.accounts a JOIN ducat.credit_accounts c ON c.account_id = a.id
    LEFT JOIN ducat.account_logins l ON l.account_id = a.id WHERE a.external_id = ${externalId}`;
  return row;
};

describe("users and vendors of the styling app", () => {
  it("who have one number have one login, and a balance each", async () => {
    const [user, vendor] = [await findAccount(shirin), await findAccount(shop)];
    expect(user).toMatchObject({ kind: "user", phone: "+989121234567", locale: "fa" });
    // One free conversion, and nineteen of twenty that the month's plan has.
    expect(user).toMatchObject({ available: 20, trial: 1, name: "شیرین" });
    expect(vendor).toMatchObject({ kind: "vendor", phone: "+989121234567", available: 0 });
    expect(user?.login_id).not.toBeNull();
    expect(vendor?.login_id).toBe(user?.login_id);
  });

  it("whose number nobody has proven keep none, and who was shut out stays so", async () => {
    const unproven = await findAccount("b0000000-0000-4000-8000-000000000002");
    expect(unproven).toMatchObject({ phone: null, login_id: null, trial: 2 });
    const lapsed = await findAccount("b0000000-0000-4000-8000-000000000003");
    expect(lapsed).toMatchObject({ is_active: false, available: 0 });
  });

  it("renew their plan by orders of ours, and get the month's conversions anew", async () => {
    const user = await findAccount(shirin);
    const [plan] = await database.admin`
      SELECT provider, provider_ref, status, period_end FROM ducat.subscriptions
      WHERE account_id = ${user?.id}`;
    expect(plan).toMatchObject({ provider: "zarinpal", provider_ref: null, status: "active" });
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = ${plan?.period_end}::timestamptz - now()
        - interval '1 day'
      WHERE account_id = ${user?.id}`;
    await database.worker`SELECT ducat.refill_account(${user?.id})`;
    const [order] = await database.admin`
      SELECT amount, currency, status FROM ducat.payments
      WHERE account_id = ${user?.id} AND purpose = 'renewal'`;
    expect(order).toEqual({ amount: 50_000, currency: "IRR", status: "created" });
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = '0' WHERE account_id = ${user?.id}`;
  });

  it("get the default plan's conversions from their next month on, and not before", async () => {
    const unproven = await findAccount("b0000000-0000-4000-8000-000000000002");
    const refill = () => database.worker`SELECT ducat.refill_account(${unproven?.id})`;
    await refill();
    expect(await findAccount("b0000000-0000-4000-8000-000000000002")).toMatchObject({
      available: 2,
    });
    await database.admin`
      UPDATE ducat.credit_accounts SET clock_offset = interval '32 days'
      WHERE account_id = ${unproven?.id}`;
    await refill();
    expect(await findAccount("b0000000-0000-4000-8000-000000000002")).toMatchObject({
      available: 4,
    });
  });

  it("keep payments under ZarinPal's names, and no number of a card", async () => {
    const payments = await database.admin`
      SELECT provider_ref, receipt_ref, card_mask, effect_key, charged FROM ducat.payments
      WHERE provider_ref IN ('A0001', 'A0002', 'A0003') ORDER BY provider_ref`;
    expect([...payments]).toEqual([
      {
        provider_ref: "A0001",
        receipt_ref: "201",
        card_mask: "603799******7890",
        effect_key: "z:test:A0001",
        charged: 50_000,
      },
      expect.objectContaining({ provider_ref: "A0003", card_mask: "603799******7890" }),
    ]);
  });

  it("say of their business what a vendor may say here", async () => {
    const vendor = await findAccount(shop);
    const [row] = await database.admin`
      SELECT business_name, profile_info, contact_info, social_links,
        verified_at IS NOT NULL AS is_verified
      FROM ducat.vendors WHERE account_id = ${vendor?.id}`;
    expect(row).toEqual({
      business_name: "گل‌فروشی",
      profile_info: "Flowers",
      contact_info: { email: "shop@example.com" },
      social_links: { instagram: "https://instagram.example/x" },
      is_verified: true,
    });
    const albums = await database.admin`
      SELECT name FROM ducat.albums WHERE account_id = ${vendor?.id} ORDER BY name`;
    expect(albums.map(({ name }) => name)).toEqual(["Album", "Weddings", "Weddings (2)"]);
  });
});

describe("their pictures", () => {
  const getDeps = (): FileDeps => ({
    db: database.worker,
    blobs: createDiskBlobs({ dir: folder }),
    imageIntake: createImageIntake(),
    fetchPhoto: createPhotoFetcher({ allowHosts: [host] }),
    hosts: [host],
  });
  const count = async () => {
    const rows = await countImportFiles(database.worker, "stylist");
    return rows.map(({ status, error, count }) => `${status} ${error ?? ""} ${count}`.trim());
  };
  const letWait = () => database.admin`
    UPDATE ducat.import_files SET due_at = now() WHERE status = 'waiting'`;

  it("are fetched once by whoever has time, from hosts that the mapping names", async () => {
    const kept = await Promise.all([1, 2].map(() => copyFiles(getDeps(), "stylist")));
    expect(kept.reduce((sum, n) => sum + n, 0)).toBe(2);
    // A host of the mapping's that is gone, one that is no such host (twice), one that is late.
    expect(await count()).toEqual(["done  2", "failed blocked 2", "failed status 1", "waiting  1"]);
    const images = await database.admin`
      SELECT i.kind, i.file_name, i.is_public, i.tags, i.metadata, b.width, t.width AS small
      FROM ducat.images i JOIN ducat.blobs b ON b.account_id = i.account_id AND b.id = i.blob_id
      JOIN ducat.blobs t ON t.account_id = i.account_id AND t.id = i.thumbnail_id
      ORDER BY i.kind DESC`;
    expect(images[0]).toEqual({
      kind: "vendor",
      file_name: "roses.png",
      is_public: true,
      tags: ["roses", "red"],
      metadata: { room: 1 },
      width: 400,
      small: 320,
    });
    expect(images[1]).toMatchObject({ kind: "user", metadata: { type: "result" } });
  });

  it("that could not be had are tried again, and a process that dies loses none", async () => {
    isLateReady = true;
    await letWait();
    const [taken] = await database.worker`SELECT id FROM ducat.take_import_file('stylist')`;
    expect(taken).toBeDefined();
    expect(await copyFiles(getDeps(), "stylist")).toBe(0);
    await letWait();
    expect(await copyFiles(getDeps(), "stylist")).toBe(1);
    expect(await count()).toEqual(["done  3", "failed blocked 2", "failed status 1"]);
  });

  it("have no second row after a second run", async () => {
    const again = await importFormer(database.url, mapping);
    expect(again.people).toMatchObject({ equal: 4, differs: 0 });
    expect(await count()).toEqual(["done  3", "failed blocked 2", "failed status 1"]);
    expect(await copyFiles(getDeps(), "stylist")).toBe(0);
  });
});
