// `node infra/docker/make-secrets.mjs [folder]`: passwords and keys for compose.yaml, made once.
// Plain JavaScript, so that a machine with Docker needs nothing of this repository installed.
import { randomBytes } from "node:crypto";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const folder = resolve(process.argv[2] ?? fileURLToPath(new URL("secrets", import.meta.url)));
const make = () => randomBytes(32).toString("base64url");
const password = { admin: make(), app: make(), worker: make(), queue: make() };
const login = (user, secret) => `DATABASE_URL=postgres://${user}:${secret}@postgres:5432/ducat`;

const files = {
  postgres_password: [password.admin],
  "ducat.env": [
    "# For the API and the workers. Keys of payment providers, mail and storage belong here too.",
    `SECRET_KEYS=${make()}`,
    `METRICS_TOKEN=${make()}`,
  ],
  "api.env": [`ROOT_KEY=${make()}`, login("ducat_app", password.app)],
  "worker.env": [login("ducat_worker", password.worker)],
  "migrate.env": [
    login("postgres", password.admin),
    `DUCAT_APP_PASSWORD=${password.app}`,
    `DUCAT_WORKER_PASSWORD=${password.worker}`,
    `DUCAT_QUEUE_PASSWORD=${password.queue}`,
  ],
};

// The folder keeps others out. The files are read by users of the containers, who are nobody here.
const draft = `${folder}.${randomBytes(4).toString("hex")}`;
await mkdir(draft, { recursive: true, mode: 0o700 });
for (const [name, lines] of Object.entries(files)) {
  await writeFile(join(draft, name), `${lines.join("\n")}\n`, { mode: 0o444 });
}
try {
  // Fails over a folder that has something in it: what was sealed with old keys needs them.
  await rename(draft, folder);
  console.log(`wrote ${folder}`);
} catch {
  await rm(draft, { recursive: true });
  console.error(`${folder} is there already and stays as it is.`);
  process.exitCode = 1;
}
