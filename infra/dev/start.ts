import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readEnvironment } from "./environment.ts";
import { supervise } from "./supervise.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const envFile = join(root, ".env");
if (existsSync(envFile)) process.loadEnvFile(envFile);

// Lines may still come when the terminal or the pipe that reads them is gone.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {});

try {
  const environment = readEnvironment(process.env, root);
  const entries = {
    api: join(root, "apps/api/src/main.ts"),
    worker: join(root, "apps/worker/src/main.ts"),
  };
  process.exitCode = await supervise({ entries, environment, inherited: process.env });
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  console.error(`\nDucat did not start.\n${message}`);
  if (code === "EACCES" || code === "EPERM") {
    console.error(
      "That belongs to another user: make it yours, or give another folder with DATA_DIR.",
    );
  }
  process.exitCode = 1;
}
