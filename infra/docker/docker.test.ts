import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { validate } from "dockerfile-utils";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { Env as ApiEnv, parseEnv as parseApiEnv } from "../../apps/api/src/env.ts";
import { parseEnv as parseWorkerEnv, Env as WorkerEnv } from "../../apps/worker/src/env.ts";
import { makeScratch } from "../dev/test/scratch.ts";

const root = resolve(import.meta.dirname, "../..");
const read = (name: string) => readFile(join(import.meta.dirname, name), "utf8");

const text = await read("Dockerfile");
/** Each instruction as its word and the rest, lines that go on joined. */
const instructions = text
  .replaceAll(/^#.*\n/gm, "")
  .replaceAll("\\\n", " ")
  .split("\n")
  .filter((line) => line.trim() !== "")
  .map((line) => {
    const [word = "", ...rest] = line.trim().split(/\s+/);
    return { word, rest: rest.join(" ") };
  });
const lastStage = instructions.slice(instructions.findLastIndex(({ word }) => word === "FROM"));
const argumentOf = (word: string) => lastStage.find((each) => each.word === word)?.rest ?? "";

describe("the Dockerfile", () => {
  it("has no fault that a reader of Dockerfiles finds", () => {
    expect(validate(text).map(({ message }) => message)).toEqual([]);
  });

  it("copies only what exists, from the context and from the stage before", async () => {
    const ignored = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n");
    const built = instructions.filter(({ word }) => word === "RUN").map(({ rest }) => rest);
    const copies = instructions.filter(({ word }) => word === "COPY");
    const faults = copies.flatMap(({ rest }) => {
      const sources = rest.split(" ").filter((part) => !part.startsWith("--"));
      sources.pop();
      if (rest.includes("--from=build")) {
        return sources.filter((path) => !built.some((line) => line.includes(path)));
      }
      return sources.filter((path) => !existsSync(join(root, path)) || ignored.includes(path));
    });
    expect(faults).toEqual([]);
    expect(copies).toHaveLength(4);
  });

  it("leaves history, secrets and what is installed here out of the image's making", async () => {
    const ignored = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n");
    for (const path of [".git", ".env*", ".data*", "**/node_modules", "infra/docker/secrets"]) {
      expect(ignored).toContain(path);
    }
  });

  it("names the package manager that package.json names, and a Node that it allows", async () => {
    const manifest = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
    expect(text).toContain(`npm install --global ${manifest.packageManager}\n`);
    const major = Number(/^node:(\d+)-/.exec(/NODE_IMAGE=(.*)/.exec(text)?.[1] ?? "")?.[1]);
    expect(major).toBeGreaterThanOrEqual(Number(/\d+/.exec(manifest.engines.node)?.[0]));
  });

  it("runs as a number that is not root, without a shell, and is asked for its health", () => {
    expect(argumentOf("USER")).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(JSON.parse(argumentOf("CMD"))[0]).toBe("node");
    expect(argumentOf("HEALTHCHECK")).toContain('CMD ["node", "check-health.mjs"');
    expect(argumentOf("STOPSIGNAL")).toBe("SIGTERM");
  });

  it("sets only variables that the apps read, or the C library", () => {
    const names = [...argumentOf("ENV").matchAll(/(\w+)=/g)].map(([, name = ""]) => name);
    const known = ["NODE_ENV", "MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"];
    const unknown = names.filter((name) => !known.includes(name) && !(name in ApiEnv.shape));
    expect(unknown).toEqual([]);
  });
});

type Service = {
  image: string;
  user: string;
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  mem_limit: string;
  pids_limit: number;
  restart: string;
  command: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  networks: string[];
  ports?: string[];
  volumes?: string[];
  healthcheck?: { test?: string[]; disable?: boolean };
  stop_grace_period?: string;
  depends_on?: Record<string, { condition: string }>;
};
type Compose = {
  services: Record<string, Service>;
  networks: Record<string, { internal?: boolean }>;
  volumes: object;
  secrets: Record<string, { file: string }>;
};
const compose = parse(await read("compose.yaml"), { merge: true }) as Compose;
const services = Object.entries(compose.services);
const ours = services.filter(([, { image }]) => image === "ducat");

describe("compose.yaml", () => {
  it.each(services)("confines %s", (_name, service) => {
    expect(service).toMatchObject({
      read_only: true,
      cap_drop: ["ALL"],
      security_opt: ["no-new-privileges:true"],
    });
    expect(service.user).toMatch(/^[1-9]\d*:[1-9]\d*$/);
    expect(service.mem_limit).toMatch(/^\d+[gm]$/);
    expect(service.pids_limit).toBeLessThanOrEqual(512);
    expect(service.image).not.toMatch(/:latest$/);
  });

  it.each(services)("asks %s for its health, or waits for its end", (name, service) => {
    if (name === "migrate") expect(service.restart).toBe("no");
    else if (name !== "api") expect(service.healthcheck?.test?.[0]).toBe("CMD");
    const needed = Object.values(service.depends_on ?? {}).map(({ condition }) => condition);
    expect(needed.filter((condition) => condition === "service_started")).toEqual([]);
  });

  it("lets nobody reach the databases, and opens one port, on this machine only", () => {
    expect(compose.networks.inside).toEqual({ internal: true });
    for (const name of ["postgres", "redis"]) {
      expect(compose.services[name]?.networks).toEqual(["inside"]);
    }
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    expect(ports).toEqual([expect.stringMatching(/^..BIND:-127\.0\.0\.1\}:8787:8787$/)]);
  });

  it.each(ours)("gives %s only variables that it reads", (name, { environment = {} }) => {
    const known: Record<string, string[]> = {
      api: Object.keys(ApiEnv.shape),
      worker: Object.keys(WorkerEnv.shape),
      migrate: ["DUCAT_MODE", "REDIS_URL", "CATALOG", "PUBLIC_URL", "LOG_LEVEL"],
    };
    expect(Object.keys(environment).filter((key) => !known[name]?.includes(key))).toEqual([]);
  });

  it.each(ours)(
    "starts %s by a file of the image, with secrets that it has",
    async (_, service) => {
      const { command, secrets = [] } = service;
      const envFiles = command.flatMap((part) => /^--env-file=(.*)$/.exec(part)?.[1] ?? []);
      expect(envFiles).toEqual(secrets.map((name) => `/run/secrets/${name}`));
      const layout = await readFile(join(import.meta.dirname, "lay-out.ts"), "utf8");
      const file = command.at(-1) ?? "";
      const [, app, tool] = /^(?:apps\/(\w+)\/dist\/main|tools\/bin\/(\w+))\.js$/.exec(file) ?? [];
      expect(layout).toContain(app ? `"${app}"` : `  ${tool}: "`);
    },
  );

  it("gives the processes longer to stop than they take at most", () => {
    for (const [name, { stop_grace_period }] of ours) {
      if (name !== "migrate") expect(Number.parseInt(stop_grace_period ?? "0", 10)).toBe(40);
    }
  });

  it("mounts only volumes and secrets that it declares", () => {
    const used = services.flatMap(([, { volumes = [] }]) => volumes.map((v) => v.split(":")[0]));
    expect([...new Set(used)].sort()).toEqual(Object.keys(compose.volumes).sort());
    const secrets = services.flatMap(([, service]) => service.secrets ?? []);
    expect([...new Set(secrets)].sort()).toEqual(Object.keys(compose.secrets).sort());
  });
});

describe("make-secrets.mjs", () => {
  const script = join(import.meta.dirname, "make-secrets.mjs");
  const make = (folder: string) => promisify(execFile)(process.execPath, [script, folder]);
  const readEnv = async (...paths: string[]) => {
    const texts = await Promise.all(paths.map((path) => readFile(path, "utf8")));
    const lines = texts.join("").matchAll(/^(\w+)=(.*)$/gm);
    return Object.fromEntries([...lines].map(([, name, value]) => [name, value]));
  };

  it("makes every secret of compose.yaml, with which the apps start", async () => {
    const folder = join(await makeScratch(), "secrets");
    await make(folder);
    const files = Object.values(compose.secrets).map(({ file }) => file.replace("./secrets/", ""));
    expect((await readdir(folder)).sort()).toEqual(files.sort());
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    const mode = { DUCAT_MODE: "live", PUBLIC_URL: "https://ducat.example" };
    const both = join(folder, "ducat.env");
    const api = await readEnv(both, join(folder, "api.env"));
    const worker = await readEnv(both, join(folder, "worker.env"));
    const migrate = await readEnv(join(folder, "migrate.env"));
    expect(parseApiEnv({ ...mode, ...api }).DATABASE_URL).toContain(migrate.DUCAT_APP_PASSWORD);
    expect(parseWorkerEnv({ ...mode, ...worker }).DATABASE_URL).toContain(
      migrate.DUCAT_WORKER_PASSWORD,
    );
    expect(migrate.DATABASE_URL).toContain(
      await readFile(join(folder, "postgres_password"), "utf8").then((line) => line.trim()),
    );
  });

  it("never writes over secrets that are there", async () => {
    const folder = join(await makeScratch(), "secrets");
    await make(folder);
    const before = await readEnv(join(folder, "api.env"));
    await expect(make(folder)).rejects.toThrow("stays as it is");
    expect(await readEnv(join(folder, "api.env"))).toEqual(before);
  });
});
