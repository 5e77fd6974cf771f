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
const shared = words(`
  admin_config catalog_versions erased_identities login_changes login_codes
  login_credentials login_totps logins migrations payment_anomalies prices products
  promo_codes provider_budgets queue_tickets rate_limits reconciliations rollup_days
  rollup_hours sandbox_documents session_tokens stat_rollups styles totp_backup_codes
  trial_identities upkeep_tasks verifications webhook_events
`);

/** Of these the API's role reads nothing at all, not even an account's own rows. */
const hidden = words(`
  account_logins api_keys erased_identities login_changes login_codes login_credentials
  login_totps logins payment_anomalies provider_budgets queue_tickets rate_limits
  rollup_days rollup_hours session_tokens sessions stat_rollups stream_tickets
  totp_backup_codes totp_challenges trial_identities verifications webhook_events
`);

/** What these roles may call. A function that is not here is the owner's alone. */
const calls = {
  ducat_app: words(`
    activate_totp add_allowance adjust_credits advance_clock apply_dispute
    apply_reversal apply_subscription assign_plan ban_login begin_catalog_push
    begin_clock_run cancel_generation cancel_own capture_hold challenge_totp
    claim_opening claim_request close_refund consume_credits count_active_accounts
    count_dead_letters create_account create_album create_api_key create_batch
    create_generation create_generations create_promo_code create_session
    create_webhook_endpoint current_account delete_album delete_generation delete_image
    delete_webhook_endpoint disable_totp discard_webhook_event discard_webhook_events
    draw_ticket end_catalog_push end_session end_sessions ensure_webhook_secret
    erase_account find_account find_account_id find_api_key find_entitlements
    find_generation_window find_login find_order find_payment_account find_session
    find_slice_floor find_totp find_webhook_delivery find_webhook_endpoint
    freeze_account get_alerts get_auto_reload get_credit_balance grant_credits
    grant_login_trial has_begun_lately hold_credits input_of_row is_common_name
    is_known_effect keep_request_answer lift_plan list_account_logins
    list_active_accounts list_anomalies list_api_keys list_ended_callers list_events
    list_failed_messages list_login_accounts list_open_orders list_running list_sessions
    list_subscription_pages list_succeeded list_upkeep_tasks list_waiting_items
    list_webhook_deliveries list_webhook_endpoints list_webhook_events make_queue_ticket
    make_stream_ticket may_administer move_payment note_account_token
    note_active_accounts note_queue_act offer_totp open_external_account
    open_login_account open_vendor_account params_of_row pass_totp prepare_image
    prove_login_email prove_totp publish_catalog publish_style put_sandbox_document
    raise_alerts read_account_stream read_backlog read_delivery_backlog
    read_endpoint_secrets read_event_backlog read_generation_stream read_heads
    read_order_time read_own_endpoints read_rollup_age read_statistics
    read_webhook_backlog record_checkout record_invoice record_invoice_failure
    record_refund record_tick redeem_code refill_account refresh_session
    refund_generation release_opening release_request release_usage remove_customer
    remove_feature_override remove_method remove_totp replay_webhook_deliveries
    replay_webhook_delivery replay_webhook_event replay_webhook_events report_anomaly
    request_payment request_reconciliation request_upkeep_run reserve_refund
    reset_password_by_code reset_setting resolve_anomaly restore_style resume_own
    revive_webhook_events revoke_api_key rotate_api_key rotate_endpoint_secret
    rotate_webhook_secret run_account_due save_image save_method save_vendor
    schedule_change search_accounts search_audit_logs search_generations search_payments
    search_webhook_deliveries send_login_code send_login_link send_login_notice
    set_account_active set_alerts set_auto_reload set_feature_override set_login_role
    set_setting set_style_active settle_failed_message settle_payment settle_queue_kind
    start_login_change status_of store_webhook_event summarize_all_usage
    summarize_revenue summarize_usage switch_session take_limits take_queue_ticket
    take_stream_ticket take_windows test_webhook_endpoint tick_clock track_usage
    try_totp update_album update_image update_profile update_promo_code
    update_webhook_endpoint use_api_key use_login_change use_login_code use_login_link
    uuid_v7 verify_vendor
  `),
  ducat_worker: words(`
    add_allowance advance_clock advance_own_subscription apply_dispute apply_reversal
    apply_subscription cancel_generation cancel_own capture_hold claim_deliveries
    claim_item claim_messages claim_opening claim_round claim_upkeep_task
    claim_webhook_event claw_back clear_webhook_bodies complete_item consume_credits
    count_import_files create_batch create_generation current_account defer_item
    delete_generation draw_ticket end_due_item ensure_webhook_secret expire_account
    expire_orders extend_lease extend_reconciliation extend_upkeep_task fail_import_file
    fail_item find_account_id find_cached_result find_due_alerts find_due_attempts
    find_due_base_refills find_due_own_subscriptions find_due_refills find_due_refunds
    find_due_reloads find_due_webhook_events find_entitlements find_expiring_accounts
    find_order find_outdated_accounts finish_reconciliation finish_upkeep_task
    finish_webhook_event forget_answers forget_audit_lines forget_clock_runs
    forget_codes forget_deliveries forget_endpoints forget_events forget_limits
    forget_messages forget_progress forget_reconciliations forget_sandbox_documents
    forget_sessions freeze_account get_alerts get_credit_balance grant_credits
    hold_credits input_of_row is_known_effect keep_import_file list_anomalies
    list_open_orders list_subscription_pages list_succeeded list_upkeep_tasks
    list_waiting_items mark_days mark_sent move_payment note_import note_upkeep_runs
    params_of_row plan_import put_sandbox_document raise_alerts read_backlog
    read_delivery_backlog read_event_backlog read_order_time read_reload_charge
    record_checkout record_invoice record_invoice_failure record_message record_refund
    record_reload recount_day refill_account refill_base refill_subscription
    register_upkeep_tasks relay_events release_delivery release_opening release_usage
    remind_passes remove_customer remove_method remove_old_usage remove_outdated_results
    report_anomaly request_payment reserve_refund reserve_reload resume_own
    return_provider_budget revive_webhook_events roll_up run_import save_method
    save_progress save_provider_request schedule_change settle_delivery settle_payment
    settle_queue_kind start_reconciliation status_of sum_import sweep_items
    take_import_file take_provider_budget track_usage uuid_v7
  `),
};

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

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
    for (const { name } of await listTables()) {
      const rows = database.app`SELECT FROM ${database.app(`ducat.${name}`)}`;
      if (hidden.includes(name)) await expect(rows, name).rejects.toThrow("permission denied");
      else if (!shared.includes(name)) expect(await rows, name).toEqual([]);
    }
    const view = await database.app`SELECT FROM ducat.credit_grant_balances`;
    expect(view).toEqual([]);
  });

  it("holds in views too: each reads with the rights of who asks", async () => {
    const views = await admin`
      SELECT relname, coalesce(reloptions, '{}') @> '{security_invoker=true}' AS invoker
      FROM pg_class WHERE relnamespace = 'ducat'::regnamespace AND relkind IN ('v', 'm')
      ORDER BY 1`;
    expect(views).toEqual([
      { relname: "credit_grant_balances", invoker: true },
      { relname: "payment_worths", invoker: true },
      { relname: "usage_entries", invoker: true },
    ]);
  });
});

describe("the roles", () => {
  it("are no superusers and bypass nothing; the owner can't log in, the app isn't one", async () => {
    const roles = await admin`
      SELECT rolname, rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
        AS special, rolcanlogin FROM pg_roles WHERE rolname LIKE 'ducat\\_%' ORDER BY 1`;
    expect(roles).toEqual([
      { rolname: "ducat_app", special: false, rolcanlogin: true },
      { rolname: "ducat_auth", special: false, rolcanlogin: false },
      { rolname: "ducat_owner", special: false, rolcanlogin: false },
      { rolname: "ducat_queue", special: false, rolcanlogin: true },
      { rolname: "ducat_worker", special: false, rolcanlogin: true },
    ]);
    const memberships = await admin`
      SELECT m.rolname AS member, r.rolname AS role FROM pg_auth_members a
      JOIN pg_roles m ON m.oid = a.member JOIN pg_roles r ON r.oid = a.roleid
      WHERE m.rolname LIKE 'ducat\\_%' ORDER BY 1, 2`;
    expect(memberships).toEqual([
      { member: "ducat_app", role: "ducat_auth" },
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
  it("to write are none, but for uploads, and for who knows passwords", async () => {
    const rights = await admin`
      SELECT c.relname AS table, r.rolname AS role, p.privilege FROM pg_class c
      CROSS JOIN pg_roles r
      CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER'])
        AS p (privilege)
      WHERE c.relnamespace = 'ducat'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
        AND r.rolname IN ('ducat_app', 'ducat_worker', 'ducat_queue', 'ducat_auth')
        AND has_table_privilege(r.oid, c.oid, p.privilege)
      ORDER BY role, c.relname, privilege`;
    const write = (role: string, table: string, privileges: string[]) =>
      privileges.map((privilege) => ({ table, role, privilege }));
    const all = ["DELETE", "INSERT", "UPDATE"];
    expect(rights).toEqual([
      ...write("ducat_app", "blobs", ["DELETE", "INSERT"]),
      // Behind this role is the library that checks passwords, and no statement of ours.
      ...["login_credentials", "logins", "verifications"].flatMap((table) =>
        write("ducat_auth", table, all),
      ),
      ...write("ducat_worker", "blobs", ["DELETE", "INSERT"]),
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
    expect(of("ducat_auth")).toEqual(["uuid_v7"]);
    const roles = [...new Set(rights.map((one) => one.role))];
    expect(roles).toEqual(["ducat_app", "ducat_auth", "ducat_worker"]);
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
