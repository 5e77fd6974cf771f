import type { Fetch } from "@ducat/billing/fetch-json";
import type { Mode } from "@ducat/billing/provider";
import type { SandboxOptions } from "@ducat/billing/sandbox";
import type { SandboxDocument, SandboxStore } from "@ducat/billing/sandbox-store";
import type { Db } from "@ducat/db/connect";
import {
  findSandboxDocument,
  listChangedSandboxDocuments,
  listDueSandboxDocuments,
  putSandboxDocument,
  readOrderTime,
} from "@ducat/db/sandbox-documents";
import { deriveKey } from "./derive-key.ts";

export type SandboxPlace = {
  db: Db;
  mode: Mode;
  publicUrl: string;
  secretKeys: readonly string[];
  fetch?: Fetch;
  now?: () => number;
};

/** The sandbox's books in our database: API and worker have the same ones. */
export const createSandboxStore = (db: Db): SandboxStore => ({
  get: async (id) => {
    const found = await findSandboxDocument(db, id);
    return found && { ...found, document: found.document as SandboxDocument };
  },
  put: (document, { version, dueAt, now }) =>
    putSandboxDocument(db, {
      id: document.id,
      document,
      version,
      dueAt: dueAt === undefined ? undefined : new Date(dueAt),
      changedAt: new Date(now),
    }),
  listDue: (now, limit) => listDueSandboxDocuments(db, new Date(now), limit),
  listChanged: (since, limit, after) =>
    listChangedSandboxDocuments(db, { since: new Date(since), limit, after }),
  readTime: (orderRef) => readOrderTime(db, orderRef),
});

/** Where the sandbox answers and how it signs: what every process must say alike. */
export function describeSandbox(place: SandboxPlace): SandboxOptions {
  const { db, mode, publicUrl, secretKeys, fetch, now } = place;
  const [secret, ...oldSecrets] = secretKeys.map(
    (key) => `whsec_${deriveKey(key, "sandbox webhooks").toString("base64")}`,
  );
  if (secret === undefined) throw new Error("The sandbox needs a secret key.");
  return {
    store: createSandboxStore(db),
    mode,
    baseUrl: `${publicUrl}/sandbox`,
    webhookUrl: `${publicUrl}/webhooks/sandbox`,
    webhookSecret: secret,
    oldSecrets,
    ...(fetch && { fetch }),
    ...(now && { now }),
  };
}
