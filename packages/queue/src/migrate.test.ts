import { randomBytes } from "node:crypto";
import { LATEST_SCHEMA_VERSION } from "bullmq";
import pg from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { findServer, makeJobs, type Server } from "../test/backends.ts";
import { eventually } from "../test/within.ts";
import { migrateQueue } from "./migrate.ts";
import { connectQueue, type QueueOptions } from "./queue.ts";

describe("migrateQueue", () => {
  let server: Server;
  let admin: pg.Client;
  let name: string;
  let url: string;

  beforeAll(() => {
    server = findServer("postgres");
  });
  afterAll(() => server.close());

  // A database for each test, and roles that are its alone: a cluster has only one set of them.
  beforeEach(async () => {
    name = `queue_${randomBytes(6).toString("hex")}`;
    const first = new pg.Client(server.url);
    await first.connect();
    await first.query(`CREATE DATABASE ${name}`);
    await first.query(`CREATE ROLE ${name}_queue NOLOGIN`);
    await first.query(`CREATE ROLE ${name}_app LOGIN PASSWORD 'pw' IN ROLE ${name}_queue`);
    await first.query(`REVOKE ALL ON DATABASE ${name} FROM PUBLIC`);
    await first.query(`GRANT CONNECT ON DATABASE ${name} TO ${name}_app`);
    await first.end();
    const address = new URL(server.url);
    address.pathname = `/${name}`;
    url = address.href;
    admin = new pg.Client(url);
    await admin.connect();
  });
  afterEach(async () => {
    await admin.end();
    const last = new pg.Client(server.url);
    await last.connect();
    await last.query(`DROP DATABASE ${name} WITH (FORCE)`);
    await last.query(`DROP ROLE ${name}_app`);
    await last.query(`DROP ROLE ${name}_queue`);
    await last.end();
  });

  const withQueue = async (
    options: Partial<QueueOptions>,
    use: (queue: ReturnType<typeof connectQueue>) => Promise<unknown>,
  ) => {
    const queue = connectQueue({ url, ...options });
    try {
      await use(queue);
    } finally {
      await queue.close();
    }
  };
  const appUrl = () => {
    const address = new URL(url);
    address.username = `${name}_app`;
    address.password = "pw";
    return address;
  };

  it("runs once when many start it together, and changes nothing the next time", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, () => migrateQueue(url)));
    expect(all).toEqual(Array(5).fill(LATEST_SCHEMA_VERSION));
    const steps = () => admin.query("SELECT version, applied_at FROM bullmq.migration ORDER BY 1");
    const { rows } = await steps();
    expect(rows).toHaveLength(LATEST_SCHEMA_VERSION);
    await migrateQueue(url);
    expect((await steps()).rows).toEqual(rows);
  });

  it("makes everything the role's, and the role keeps no right to create schemas", async () => {
    const role = `${name}_queue`;
    await Promise.all([migrateQueue(url, { role }), migrateQueue(url, { role })]);
    const { rows } = await admin.query(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class
       WHERE relnamespace = 'bullmq'::regnamespace
       UNION SELECT DISTINCT pg_get_userbyid(proowner) FROM pg_proc
       WHERE pronamespace = 'bullmq'::regnamespace
       UNION SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'bullmq'`,
    );
    expect(rows).toEqual([{ owner: role }]);
    const may = await admin.query("SELECT has_database_privilege($1, $2, 'CREATE') AS create", [
      role,
      name,
    ]);
    expect(may.rows).toEqual([{ create: false }]);
  });

  it("lets a member of the role work the queue, also with options of its own", async () => {
    const role = `${name}_queue`;
    await migrateQueue(url, { role });
    const member = appUrl();
    member.searchParams.set("options", "-c work_mem=5MB");
    await withQueue({ url: member.href, role }, async (queue) => {
      await queue.assertReady();
      const seen: string[] = [];
      const handler = async ({ itemId }: { itemId: string }) => void seen.push(itemId);
      const work = queue.work("run-item", handler, { concurrency: 2 });
      const list = makeJobs(10);
      await queue.add("run-item", list);
      await eventually(() =>
        expect(seen.toSorted()).toEqual(list.map(({ data }) => data.itemId).sort()),
      );
      const { rows } = await admin.query(
        `SELECT DISTINCT usename FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'ducat-queue'`,
      );
      expect(rows).toEqual([{ usename: `${name}_app` }]);
      await work.close({ graceMs: 0 });
    });
  });

  it("is asked for in clear words, and nothing else makes the tables", async () => {
    await withQueue({}, async (queue) => {
      await expect(queue.assertReady()).rejects.toThrow("bullmq has no tables: run the migrations");
      await expect(queue.add("run-item", makeJobs(1))).rejects.toThrow();
      expect((await admin.query("SELECT to_regnamespace('bullmq') AS found")).rows).toEqual([
        { found: null },
      ]);
      await migrateQueue(url);
      await queue.assertReady();
      await queue.add("run-item", makeJobs(1));
    });
  });

  it("is asked for when the schema is of an older release, a newer one is refused", async () => {
    await migrateQueue(url);
    await admin.query("DELETE FROM bullmq.migration WHERE version = $1", [LATEST_SCHEMA_VERSION]);
    await withQueue({}, (queue) =>
      expect(queue.assertReady()).rejects.toThrow(
        `at version ${LATEST_SCHEMA_VERSION - 1}, this release needs ${LATEST_SCHEMA_VERSION}`,
      ),
    );
    await admin.query("INSERT INTO bullmq.migration VALUES (9999, 'later', 99)");
    await withQueue({}, (queue) =>
      expect(queue.assertReady()).rejects.toThrow("was made by a newer release"),
    );
  });

  it("leaves nothing to a user who is no member of the role", async () => {
    await migrateQueue(url, { role: `${name}_queue` });
    await admin.query(`REVOKE ${name}_queue FROM ${name}_app`);
    await withQueue({ url: appUrl().href }, (queue) =>
      expect(queue.assertReady()).rejects.toThrow("may not use the schema bullmq"),
    );
    await withQueue({ url: appUrl().href, role: `${name}_queue` }, (queue) =>
      expect(queue.assertReady()).rejects.toThrow(/permission denied to set role/),
    );
  });

  it.each(['x"; DROP', "-c", "A B", ""])("refuses the role %j", (role) => {
    expect(() => connectQueue({ url, role })).toThrow("not a plain lower-case identifier");
  });
});
