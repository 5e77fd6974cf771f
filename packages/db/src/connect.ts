import postgres from "postgres";

/** A connection pool. Parsers: bigint to number (amounts stay below 2^53), timestamptz to Date. */
export type Db = postgres.Sql<{ bigint: number }>;

export type Role = "ducat_app" | "ducat_worker";

export type ConnectOptions = {
  url: string;
  /** The role to act as. A login of another name switches to it when it connects. */
  role: Role;
  max?: number;
  name?: string;
  onNotice?: (notice: postgres.Notice) => void;
};

/**
 * Opens a pool (lazily: the first query connects). A login that is the role itself has its limits
 * from the database (bootstrap.sql) and needs no start-up parameter, so that it also works through
 * a transaction pooler.
 */
export function connectDatabase(options: ConnectOptions): Db {
  const login = decodeURIComponent(new URL(options.url).username);
  const settings: Record<string, string | number> = {
    application_name: options.name ?? options.role,
  };
  if (login !== options.role) {
    Object.assign(settings, {
      role: options.role,
      timezone: "UTC",
      statement_timeout: 60_000,
      lock_timeout: 10_000,
      idle_in_transaction_session_timeout: 60_000,
    });
  }
  return postgres(options.url, {
    max: options.max ?? 10,
    idle_timeout: 300,
    max_lifetime: 30 * 60,
    connect_timeout: 10,
    backoff: (tries) => Math.min(2 ** tries * 0.05, 1),
    connection: settings,
    onnotice: options.onNotice ?? (() => {}),
    types: {
      bigint: { to: 20, from: [20], serialize: String, parse: parseBigint },
    },
  });
}

function parseBigint(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number)) throw new RangeError("a bigint is beyond 2^53");
  return number;
}
