import { randomUUID } from "node:crypto";
import postgres from "postgres";
import { inject } from "vitest";
import { connectDatabase, type Db } from "../src/connect.ts";

declare module "vitest" {
  export interface ProvidedContext {
    /** A superuser's URL to the run's cluster; its database `ducat_template` is migrated. */
    postgres: string;
    /** The run's Redis, null where there is no redis-server. Tests use a prefix of their own. */
    redis: string | null;
  }
}

export type TestDatabase = {
  /** As the API sees it. */
  app: Db;
  /** As a worker sees it. */
  worker: Db;
  /** A superuser, for looking at everything and for breaking things. */
  admin: Db;
  /** The superuser's URL of this database. */
  url: string;
  close(): Promise<void>;
};

/** A migrated database of this file's own: a copy of the run's template. */
export async function cloneDatabase(): Promise<TestDatabase> {
  const cluster = inject("postgres");
  const name = `t_${randomUUID().replaceAll("-", "")}`;
  const root = postgres(cluster, { max: 1, onnotice: () => {} });
  await copyTemplate(root, name);
  const at = new URL(cluster);
  at.pathname = `/${name}`;
  const url = at.href;
  const app = connectDatabase({ url, role: "ducat_app" });
  const worker = connectDatabase({ url, role: "ducat_worker" });
  const admin = postgres(url, {
    max: 2,
    onnotice: () => {},
    types: { bigint: { to: 20, from: [20], serialize: String, parse: Number } },
  });
  return {
    app,
    worker,
    admin,
    url,
    close: async () => {
      await Promise.all([app, worker, admin].map((sql) => sql.end({ timeout: 1 })));
      await root.unsafe(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
      await root.end();
    },
  };
}

/** CREATE DATABASE refuses while another session copies or connects to the template: try again. */
async function copyTemplate(root: postgres.Sql, name: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await root.unsafe(`CREATE DATABASE ${name} TEMPLATE ducat_template STRATEGY file_copy`);
      return;
    } catch (error) {
      const busy = error instanceof postgres.PostgresError && error.code === "55006";
      if (!busy || tries >= 200) throw error;
      await root`SELECT pg_sleep(0.05)`;
    }
  }
}
