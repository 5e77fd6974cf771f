import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cloneDatabase, type TestDatabase } from "../test/clone.ts";
import { makeAccount, makeGeneration } from "../test/factories.ts";
import { assertInvariants } from "../test/invariants.ts";
import { claim, complete } from "../test/work.ts";

let database: TestDatabase;
let admin: TestDatabase["admin"];
beforeAll(async () => {
  database = await cloneDatabase();
  admin = database.admin;
});
afterAll(() => database.close());
afterEach(() => assertInvariants(database.admin));

/** Tables of nobody in particular; any other must have account_id, row security and policies. */
const shared = ["admin_config", "migrations", "styles"];

/** What these roles may call. A function that is not here is the owner's alone. */
const calls = {
  ducat_app: [
    ...["adjust_credits", "advance_clock", "cancel_generation", "capture_hold", "consume_credits"],
    ...["create_account", "create_generation", "create_generations", "current_account"],
    ...["delete_generation", "find_account_id", "freeze_account", "get_credit_balance"],
    ...["grant_credits", "hold_credits", "read_backlog", "refund_generation"],
    ...["settle_queue_kind", "status_of", "uuid_v7"],
  ],
  ducat_worker: [
    ...["advance_clock", "cancel_generation", "capture_hold", "claim_item", "claw_back"],
    ...["complete_item", "consume_credits", "create_generation", "current_account", "defer_item"],
    ...["delete_generation", "end_due_item", "expire_account", "extend_lease", "fail_item"],
    ...["find_account_id", "find_expiring_accounts", "freeze_account", "get_credit_balance"],
    ...["grant_credits", "hold_credits", "read_backlog", "save_provider_request"],
    ...["settle_queue_kind", "status_of", "sweep_items", "uuid_v7"],
  ],
};

const listTables = () => admin<{ name: string; enabled: boolean; forced: boolean }[]>`
  SELECT relname AS name, relrowsecurity AS enabled, relforcerowsecurity AS forced FROM pg_class
  WHERE relnamespace = 'ducat'::regnamespace AND relkind IN ('r', 'p') ORDER BY relname`;

describe("row security", () => {
  it("is on and forced on every table that has an account, with both policies", async () => {
    const tables = (await listTables()).filter(({ name }) => !shared.includes(name));
    expect(tables.length).toBeGreaterThan(10);
    expect(tables.filter(({ enabled, forced }) => !enabled || !forced)).toEqual([]);
    const policies = await admin`
      SELECT tablename AS name, policyname, permissive, cmd, roles::text[], qual, with_check
      FROM pg_policies WHERE schemaname = 'ducat' ORDER BY 1, 2`;
    const expected = tables.flatMap(({ name }) => {
      const column = name === "accounts" ? "id" : "account_id";
      const own = `(${column} = ( SELECT ducat.current_account() AS current_account))`;
      const policy = { name, permissive: "PERMISSIVE", cmd: "ALL" };
      return [
        {
          ...policy,
          policyname: "all_accounts",
          roles: ["ducat_owner", "ducat_worker"],
          qual: "true",
          with_check: "true",
        },
        {
          ...policy,
          policyname: "own_account",
          roles: ["ducat_app"],
          qual: own,
          with_check: own,
        },
      ];
    });
    expect(policies).toEqual(expected);
  });

  it("shows the API no row of any such table unless it names an account", async () => {
    const account = await makeAccount(database.app);
    const made = await makeGeneration(database.app, account.id);
    await complete(database.worker, await claim(database.worker, account.id, made));
    for (const { name } of (await listTables()).filter((table) => !shared.includes(table.name))) {
      expect(await database.app`SELECT FROM ${database.app(`ducat.${name}`)}`, name).toEqual([]);
    }
    const view = await database.app`SELECT FROM ducat.credit_grant_balances`;
    expect(view).toEqual([]);
  });

  it("holds in views too: each reads with the rights of who asks", async () => {
    const views = await admin`
      SELECT relname, coalesce(reloptions, '{}') @> '{security_invoker=true}' AS invoker
      FROM pg_class WHERE relnamespace = 'ducat'::regnamespace AND relkind IN ('v', 'm')`;
    expect(views).toEqual([{ relname: "credit_grant_balances", invoker: true }]);
  });
});

describe("the roles", () => {
  it("are no superusers and bypass nothing; the owner can't log in, the app isn't one", async () => {
    const roles = await admin`
      SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
        AS special, rolcanlogin FROM pg_roles WHERE rolname LIKE 'ducat\\_%' ORDER BY 1`;
    expect(roles).toEqual([
      { rolname: "ducat_app", special: false, rolcanlogin: true },
      { rolname: "ducat_owner", special: false, rolcanlogin: false },
      { rolname: "ducat_queue", special: false, rolcanlogin: true },
      { rolname: "ducat_worker", special: false, rolcanlogin: true },
    ]);
    const memberships = await admin`
      SELECT m.rolname AS member, r.rolname AS role FROM pg_auth_members a
      JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
      WHERE m.rolname LIKE 'ducat\\_%' ORDER BY 1`;
    expect(memberships).toEqual([
      { member: "ducat_app", role: "ducat_queue" },
      { member: "ducat_worker", role: "ducat_queue" },
    ]);
  });

  it("own what they should: everything of the schema is the owner's", async () => {
    const foreign = await admin`
      SELECT relname AS name FROM pg_class
      WHERE relnamespace = 'ducat'::regnamespace AND relowner <> 'ducat_owner'::regrole
      UNION ALL
      SELECT proname FROM pg_proc
      WHERE pronamespace = 'ducat'::regnamespace AND proowner <> 'ducat_owner'::regrole`;
    expect(foreign).toEqual([]);
  });
});

describe("rights", () => {
  it("to write are none, but for the rows of uploads", async () => {
    const rights = await admin`
      SELECT c.relname AS table, r.rolname AS role, p.privilege FROM pg_class c
      CROSS JOIN pg_roles r
      CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
        AS p (privilege)
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND r.rolname IN ('ducat_app', 'ducat_worker', 'ducat_queue')
        AND has_table_privilege(r.oid, c.oid, p.privilege)
      ORDER BY role, privilege`;
    expect(rights).toEqual([
      { table: "blobs", role: "ducat_app", privilege: "DELETE" },
      { table: "blobs", role: "ducat_app", privilege: "INSERT" },
      { table: "blobs", role: "ducat_worker", privilege: "DELETE" },
      { table: "blobs", role: "ducat_worker", privilege: "INSERT" },
    ]);
  });

  it("to change the schema are none", async () => {
    const [row] = await admin`
      SELECT has_schema_privilege('ducat_app', 'ducat', 'CREATE') AS app,
        has_schema_privilege('ducat_worker', 'ducat', 'CREATE') AS worker,
        has_schema_privilege('ducat_queue', 'ducat', 'USAGE') AS queue`;
    expect(row).toEqual({ app: false, worker: false, queue: false });
  });

  it("to call a function are PUBLIC's for none, and each role's for its own", async () => {
    const rights = await admin<{ role: string; name: string }[]>`
      SELECT DISTINCT coalesce(r.rolname, 'PUBLIC') AS role, p.proname AS name FROM pg_proc p
      CROSS JOIN LATERAL aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
      LEFT JOIN pg_roles r ON r.oid = a.grantee
      WHERE p.pronamespace = 'ducat'::regnamespace AND a.grantee <> p.proowner ORDER BY 1, 2`;
    const of = (role: string) => rights.filter((one) => one.role === role).map(({ name }) => name);
    expect(of("ducat_app")).toEqual(calls.ducat_app);
    expect(of("ducat_worker")).toEqual(calls.ducat_worker);
    expect([...new Set(rights.map((one) => one.role))]).toEqual(["ducat_app", "ducat_worker"]);
  });

  it("of the owner are lent only by functions that pin where names are looked up", async () => {
    const functions = await admin<{ name: string; definer: boolean; config: string[] | null }[]>`
      SELECT proname AS name, prosecdef AS definer, proconfig AS config FROM pg_proc
      WHERE pronamespace = 'ducat'::regnamespace`;
    const definers = functions.filter((one) => one.definer);
    expect(definers.length).toBeGreaterThan(20);
    const pin = "search_path=ducat, pg_temp";
    expect(definers.filter((one) => !one.config?.includes(pin)).map((one) => one.name)).toEqual([]);
  });

  it("a function that the roles may not call answers permission denied", async () => {
    const { id } = await makeAccount(database.app);
    for (const role of [database.app, database.worker]) {
      await expect(role`SELECT ducat.open_account(${id})`).rejects.toThrow("permission denied");
      await expect(role`UPDATE ducat.credit_accounts SET available = 1`).rejects.toThrow(
        "permission denied",
      );
    }
  });
});

describe("what is written to the ledger and the audit log", () => {
  it("stays, whoever wants to change it", async () => {
    const { id } = await makeAccount(database.app);
    const change = "append-only";
    await expect(admin`UPDATE ducat.credit_entries SET amount = 9`).rejects.toThrow(change);
    await expect(admin`DELETE FROM ducat.credit_entries WHERE account_id = ${id}`).rejects.toThrow(
      change,
    );
    await admin`INSERT INTO ducat.audit_logs (actor, action, metadata) VALUES ('a', 'b', '{}')`;
    await expect(admin`UPDATE ducat.audit_logs SET actor = 'x'`).rejects.toThrow(change);
    await expect(admin`DELETE FROM ducat.audit_logs`).rejects.toThrow(change);
  });
});
