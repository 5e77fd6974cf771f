import { randomBytes } from "node:crypto";
import { link, open, readFile, rm } from "node:fs/promises";
import { join } from "node:path";

/** What a deployment on the embedded database makes for itself, once. */
export interface Secrets {
  rootKey: string;
  secretKeys: string;
  passwords: { ducat_app: string; ducat_worker: string; ducat_queue: string };
}

const FILE = "secrets.json";
const ROLES = ["ducat_app", "ducat_worker", "ducat_queue"] as const;

/**
 * The secrets of DATA_DIR, made and stored (mode 0600) when there are none. They are never made
 * anew over existing data: what they sealed could not be opened again. Throws then, and when the
 * file is damaged or belongs to the other mode.
 */
export async function loadSecrets(
  dataDir: string,
  options: { mode: "test" | "live"; hasData?: boolean },
): Promise<Secrets> {
  const path = join(dataDir, FILE);
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (text !== undefined) return checkMode(parseSecrets(text, path), options.mode, path);
  if (options.hasData) {
    throw new Error(
      `${path} is missing, but ${dataDir} holds a database made with it. Put the file back, ` +
        "or give another folder (DATA_DIR=.data2), or delete the folder to start afresh.",
    );
  }
  await store(path, JSON.stringify(makeSecrets(options.mode), undefined, 2));
  return parseSecrets(await readFile(path, "utf8"), path);
}

// 32 bytes are 43 characters.
const makeToken = () => randomBytes(32).toString("base64url");

function makeSecrets(mode: "test" | "live"): Secrets {
  return {
    rootKey: `dk_${mode}_root_${makeToken()}`,
    secretKeys: makeToken(),
    passwords: {
      ducat_app: makeToken(),
      ducat_worker: makeToken(),
      ducat_queue: makeToken(),
    },
  };
}

function parseSecrets(text: string, path: string): Secrets {
  try {
    const secrets = JSON.parse(text) as Secrets;
    const values = [secrets.rootKey, secrets.secretKeys];
    values.push(...ROLES.map((role) => secrets.passwords[role]));
    if (values.every((value) => typeof value === "string" && value.length >= 32)) return secrets;
  } catch {
    // Said below, the same way as for a missing key.
  }
  throw new Error(`${path} is damaged. Put back a good copy; it cannot be made anew.`);
}

function checkMode(secrets: Secrets, mode: "test" | "live", path: string): Secrets {
  if (secrets.rootKey.startsWith(`dk_${mode}_root_`)) return secrets;
  throw new Error(
    `${path} was not made for DUCAT_MODE=${mode}. A deployment keeps its mode: ` +
      "give the other one a folder of its own (DATA_DIR=.data2).",
  );
}

// Written in full under another name first, and never over an existing file.
async function store(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomBytes(4).toString("hex")}`;
  const file = await open(draft, "wx", 0o600);
  try {
    await file.writeFile(`${text}\n`);
    await file.sync();
    await link(draft, path);
  } catch (error) {
    // Another process was quicker: its secrets are as good.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    await file.close();
    await rm(draft, { force: true });
  }
}
