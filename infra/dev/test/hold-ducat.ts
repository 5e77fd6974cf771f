// What `npm start` does, in the given folder, with tiny apps.
import { fileURLToPath } from "node:url";
import { readEnvironment } from "../environment.ts";
import { supervise } from "../supervise.ts";

const entry = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const source = { ...process.env, DATA_DIR: process.argv[2], PORT: process.argv[3] };
process.exitCode = await supervise({
  entries: { api: entry("./tiny-api.ts"), worker: entry("./tiny-worker.ts") },
  environment: readEnvironment(source, "/"),
  inherited: process.env,
});
