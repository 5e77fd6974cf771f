import type { Stage } from "./stage.ts";

/** Where a text is anywhere in the database, as `table: how many rows`. */
export async function findCanary({ db }: Stage, canary: string): Promise<Record<string, number>> {
  const tables = await db.admin<{ name: string }[]>`
    SELECT format('%I.%I', n.nspname, c.relname) AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname IN ('ducat', 'bullmq') AND c.relkind IN ('r', 'p') ORDER BY 1`;
  const found: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await db.admin.unsafe<{ rows: number }[]>(
      `SELECT count(*)::int AS rows FROM ${name} AS t WHERE strpos(lower(t::text), $1) > 0`,
      [canary.toLowerCase()],
    );
    if (row && row.rows > 0) found[name] = row.rows;
  }
  return found;
}

/** What people write into an account, with the canary in every place that takes a text. */
export async function fillAccount({ db }: Stage, account: string, canary: string): Promise<string> {
  await db.admin`
    UPDATE ducat.accounts SET bio = ${canary}, last_login_at = now() WHERE id = ${account}`;
  const [login] = await db.admin<{ id: string }[]>`
    INSERT INTO ducat.logins (name, email, image)
    VALUES (${canary}, ${`${canary}@login.x.org`}, ${canary}) RETURNING id`;
  const id = login?.id ?? "";
  await db.admin`
    INSERT INTO ducat.account_logins (account_id, login_id) VALUES (${account}, ${id})`;
  await db.admin`
    INSERT INTO ducat.login_credentials (login_id, provider_id, provider_account_id, password)
    VALUES (${id}, 'credential', ${canary}, ${canary})`;
  await db.admin`
    INSERT INTO ducat.verifications (identifier, value, expires_at)
    VALUES (${canary}, ${id}, now() + interval '1 hour')`;
  await db.admin`
    INSERT INTO ducat.sessions (id, login_id, account_id, user_agent, ip, expires_at)
    VALUES (gen_random_uuid(), ${id}, ${account}, ${canary}, ${canary}, now() + interval '1 day')`;
  await db.admin`
    INSERT INTO ducat.external_identities (issuer, subject, account_id, verified_at)
    VALUES (${`https://${canary}.example`}, ${canary}, ${account}, now())`;
  await db.admin`
    INSERT INTO ducat.messages (account_id, kind, channel, recipient, data, effect_key, status,
      due_at, last_error)
    VALUES (${account}, 'receipt', 'email', ${canary}, ${db.admin.json({ to: canary })},
      ${`m:${account}`}, 'pending', now() + interval '1 hour', ${canary})`;
  return id;
}
