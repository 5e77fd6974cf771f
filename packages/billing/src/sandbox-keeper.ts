import { DomainError } from "@ducat/types/errors";
import type { Fetch } from "./fetch-json.ts";
import type { SandboxDocument, SandboxStore } from "./sandbox-store.ts";
import { findNext } from "./sandbox-subscriptions.ts";

export type SandboxSettings = {
  store: SandboxStore;
  /** Where its own webhooks go, and the secret that signs them (whsec_ and base64). */
  webhookUrl: string;
  webhookSecret: string;
  fetch?: Fetch;
  now?: () => number;
};

type Kind = SandboxDocument["kind"];
export type DocumentOf<K extends Kind> = Extract<SandboxDocument, { kind: K }>;

/** The sandbox's documents and how they are written: one at a time, whole, nobody overwritten. */
export type SandboxKeeper = Pick<SandboxStore, "listDue" | "listChanged"> & {
  settings: SandboxSettings;
  now: () => number;
  /**
   * The time by which a document lives: a subscription's is its account's, which a test may move,
   * all else is the machine's.
   */
  timeOf(document: Timed): Promise<number>;
  find<K extends Kind>(kind: K, id: string): Promise<DocumentOf<K> | undefined>;
  /** Throws not_found. */
  get<K extends Kind>(kind: K, id: string): Promise<DocumentOf<K>>;
  read(id: string): Promise<SandboxDocument>;
  /** Writes a new document; false when there is one with its id. */
  create(document: SandboxDocument): Promise<boolean>;
  /** Reads, edits and writes; starts over when somebody else was faster. */
  change<K extends Kind>(
    kind: K,
    id: string,
    edit: (document: DocumentOf<K>) => void,
  ): Promise<DocumentOf<K>>;
};

type Timed = { kind: Kind; orderRef?: string | undefined };

/** Writers of one document that may be in each other's way before one gives up. */
const mostTries = 20;

export function createSandboxKeeper(settings: SandboxSettings): SandboxKeeper {
  const { store, now = Date.now } = settings;
  const timeOf = async ({ kind, orderRef }: Timed) => {
    if (kind !== "subscription" || orderRef === undefined) return now();
    return (await store.readTime?.(orderRef)) ?? now();
  };
  const write = async (document: SandboxDocument, version: number) => {
    const dueAt = findDue(document, (await timeOf(document)) - now());
    return store.put(document, { version, dueAt, now: now() });
  };
  const load = async <K extends Kind>(kind: K, id: string) => {
    const found = await store.get(id);
    if (found?.document.kind !== kind) return undefined;
    return { document: found.document as DocumentOf<K>, version: found.version };
  };
  const find: SandboxKeeper["find"] = async (kind, id) => (await load(kind, id))?.document;
  return {
    settings,
    now,
    timeOf,
    find,
    listDue: store.listDue,
    listChanged: store.listChanged,
    get: async (kind, id) => (await find(kind, id)) ?? refuseMissing(),
    read: async (id) => (await store.get(id))?.document ?? refuseMissing(),
    create: (document) => write(document, 0),
    change: async (kind, id, edit) => {
      for (let attempt = 0; attempt < mostTries; attempt += 1) {
        const { document, version } = (await load(kind, id)) ?? refuseMissing();
        edit(document);
        if (await write(document, version)) return document;
      }
      throw new DomainError("unavailable");
    },
  };
}

function refuseMissing(): never {
  throw new DomainError("not_found");
}

/**
 * When something is to be done about a document, by the machine's time: a webhook, a date that
 * comes by itself. Its own time is `ahead` of that.
 */
function findDue(document: SandboxDocument, ahead: number): number | undefined {
  const times = document.events.map(({ nextAttemptAt }) => nextAttemptAt);
  if (document.kind === "payment") times.push(document.settlesAt, document.expiresAt);
  if (document.kind === "subscription") times.push(findNext(document) - ahead);
  const known = times.filter((time) => time !== undefined && Number.isFinite(time)) as number[];
  return known.length > 0 ? Math.min(...known) : undefined;
}
