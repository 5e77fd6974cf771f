export type PostgresSettings = { url: string; schema: string; role?: string | undefined };

/** Statement time-outs in milliseconds: a producer must fail fast, a worker may wait for a lock. */
export type Limits = { statementMs: number; connectMs: number };

/**
 * Connection settings of node-postgres for the queue's schema, acting as `role` where one is given.
 * Throws when the role is not a plain identifier, because it becomes part of the startup options.
 */
export function postgresConfig({ url, role }: PostgresSettings, limits: Limits) {
  if (role !== undefined && !/^[a-z_][a-z0-9_]{0,62}$/.test(role)) {
    throw new Error(
      `The queue's role ${JSON.stringify(role)} is not a plain lower-case identifier.`,
    );
  }
  // node-postgres lets the URL's own options win over ours, so they are merged here.
  const address = new URL(url);
  const options = [address.searchParams.get("options"), role && `-c role=${role}`];
  address.searchParams.delete("options");
  return {
    connectionString: address.href,
    options: options.filter(Boolean).join(" "),
    application_name: "ducat-queue",
    connectionTimeoutMillis: limits.connectMs,
    statement_timeout: limits.statementMs,
    // Also ends a wait on a connection whose server is gone without a word.
    query_timeout: limits.statementMs + 500,
    idleTimeoutMillis: 300_000,
    maxLifetimeSeconds: 1_800,
    keepAlive: true,
  };
}
