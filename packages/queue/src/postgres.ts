import {
  assertSchemaCompatibility,
  LATEST_SCHEMA_VERSION,
  PostgresConnection,
  type PostgresConnectionOptions,
  PostgresQueueBackend,
  SchemaMigrationRequiredError,
  SchemaVersionMismatchError,
  withBackend,
} from "bullmq";
import type { Backend, BullQueue, BullWorker, Log } from "./backend.ts";
import { CALL_LIMIT_MS } from "./backend.ts";
import { withDeadline } from "./deadline.ts";
import { logErrors } from "./log-errors.ts";
import { type PostgresSettings, postgresConfig } from "./postgres-settings.ts";

const POOL_MAX = 4;
const producer = { statementMs: 1_500, connectMs: 1_500 };
const consumer = { statementMs: 10_000, connectMs: 5_000 };

/** BullMQ on PostgreSQL. Runs no DDL; connects when first used, and again after any failure. */
export function openPostgres(settings: PostgresSettings & { log: Log }): Backend {
  const { schema, log } = settings;
  const connect = (limits: typeof producer) => {
    const config = postgresConfig(settings, limits);
    return retryUntilReady(new PostgresConnection({ ...config, max: POOL_MAX, schema }));
  };
  const shared = connect(producer);
  shared.on("error", logErrors(log, "postgres producer"));

  // The backend reads more of its options than their type says: lock and stall times among them.
  const producers = withBackend<PostgresQueueBackend, PostgresConnectionOptions>(
    (name, options) => new PostgresQueueBackend(shared, name, options, false),
  );
  const consumers = withBackend<PostgresQueueBackend, PostgresConnectionOptions>(
    (name, options) => new PostgresQueueBackend(connect(consumer), name, options, true, name),
  );

  return {
    kind: "postgres",
    firstAttempt: Promise.resolve(),
    openQueue(name) {
      const options = { connection: {}, streams: { events: { maxLen: 1_000 } } };
      return new producers.Queue(name, options) as unknown as BullQueue;
    },
    openWorker(name, processor, options) {
      const worker = new consumers.Worker(name, processor, { ...options, connection: {} });
      return {
        worker: worker as unknown as BullWorker,
        force: () => worker.getBackend().close(true),
        release: () => undefined,
      };
    },
    assertReady: () => assertSchema(shared, new URL(settings.url).host),
    close: () => withDeadline(shared.close(), CALL_LIMIT_MS, "closing").catch(() => undefined),
  };
}

/**
 * BullMQ 6.7.0 remembers the first attempt to connect, also when it failed: a process that starts
 * before its database would never work. This remembers only success.
 */
function retryUntilReady(connection: PostgresConnection): PostgresConnection {
  let ready: Promise<void> | undefined;
  connection.waitUntilReady = () => {
    ready ??= assertSchemaCompatibility(connection.pool, connection.schema).then(
      () => undefined,
      (error) => {
        ready = undefined;
        throw error;
      },
    );
    return ready;
  };
  return connection;
}

async function assertSchema({ pool, schema }: PostgresConnection, place: string) {
  const check = assertSchemaCompatibility(pool, schema);
  const version = await withDeadline(check, CALL_LIMIT_MS, "the schema check").catch((error) => {
    throw new Error(describe(error, schema, place), { cause: error });
  });
  if (version < LATEST_SCHEMA_VERSION) {
    throw new Error(
      `The queue's schema ${schema} is at version ${version}, this release needs ` +
        `${LATEST_SCHEMA_VERSION}: run the migrations.`,
    );
  }
}

function describe(error: Error & { code?: string }, schema: string, place: string): string {
  if (error instanceof SchemaMigrationRequiredError) {
    return `The queue's schema ${schema} has no tables: run the migrations.`;
  }
  if (error instanceof SchemaVersionMismatchError) {
    return `The queue's schema ${schema} was made by a newer release: ${error.message}`;
  }
  if (error.code === "42501") {
    return `The queue's role may not use the schema ${schema}: ${error.message}`;
  }
  return `The queue's PostgreSQL (${place}) is not reachable: ${error.message}`;
}
