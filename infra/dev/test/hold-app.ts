// Starts an app the way `npm start` does, prints its pid, and stays until it is killed.
import { fileURLToPath } from "node:url";
import { startApp } from "../app-process.ts";

const entry = fileURLToPath(new URL("./idle-app.ts", import.meta.url));
const app = startApp({
  name: "idle",
  entry,
  env: process.env,
  write: (line) => {
    if (line.includes("idling")) console.log(JSON.stringify({ pid: app.pid }));
  },
});
