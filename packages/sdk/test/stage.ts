import { randomUUID } from "node:crypto";
import { startServer } from "../../../apps/api/src/server.ts";
import {
  type Stage as ApiStage,
  rootKey,
  setStage as setApiStage,
} from "../../../apps/api/test/stage.ts";
import { createLocalGenerator } from "../../../apps/worker/src/generators/local.ts";
import { setStage as setWorkerStage } from "../../../apps/worker/test/stage.ts";
import { createDucat, type Ducat, type DucatOptions } from "../src/ducat.ts";

export { rootKey };

export type Stage = ApiStage & {
  /** Where the API listens. */
  baseUrl: string;
  port: number;
  /** A client with the root key, acting for the account named, or a new one with credits. */
  createClient(options?: Partial<DucatOptions>, credits?: number): Promise<Client>;
};
export type Client = Ducat & { account: string };

type StageOptions = {
  hasWorker?: boolean;
  /** host:port that webhooks may be sent to. */
  webhookHosts?: string[];
  /** Whose pages may call. */
  allowedOrigins?: string[];
};

/** The API on a port of its own, and a worker with the local generator where one is asked for. */
export async function setStage(options: StageOptions = {}): Promise<Stage> {
  const { hasWorker = false, webhookHosts = [], allowedOrigins = [] } = options;
  const deps = { fetchAllowHosts: webhookHosts, allowedOrigins };
  const stage = await setApiStage({ deps });
  const server = await startServer(stage.app, { host: "127.0.0.1", port: 0 });
  const baseUrl = `http://127.0.0.1:${server.port}`;
  const worker = hasWorker ? await startWorker(stage, webhookHosts) : undefined;
  return {
    ...stage,
    baseUrl,
    port: server.port,
    async createClient(options, credits = 20) {
      const account = options?.account ?? (await stage.makeAccount(credits));
      const given = { baseUrl, key: rootKey, ...options, account } as DucatOptions;
      return { ...createDucat(given), account };
    },
    async close() {
      await worker?.close();
      await server.close(0);
      await stage.close();
    },
  };
}

async function startWorker({ db, deps }: ApiStage, webhookHosts: string[]) {
  // Its database is the API's to close.
  const shared = { ...db, close: async () => undefined };
  const stage = await setWorkerStage("postgres", { db: shared, blobs: deps.blobs });
  stage.webhookHosts.push(...webhookHosts);
  const local = createLocalGenerator({ simulate: true });
  await stage.createWorker({ generators: { local } }).start();
  return stage;
}

/** What a generation of one text is asked with: no picture is made as quickly. */
export const order = () => ({
  style: "product_description",
  input: { type: "text" as const, prompt: `a garden chair ${randomUUID()}` },
  params: {},
});
