/**
 * Rules about the source tree that no compiler knows. A rule that is kept neither here nor in
 * biome.json does not exist. Each test collects all faults and expects none.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { errors } from "./packages/types/src/errors.ts";

const root = import.meta.dirname;
const skipped = new Set(["node_modules", "dist", "coverage", ".git", ".data", ".turbo"]);

function listFiles(directory: string): string[] {
  const entries = readdirSync(join(root, directory), { withFileTypes: true });
  return entries
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = join(directory, entry.name);
      return entry.isDirectory() ? listFiles(path) : [path];
    });
}

const read = (path: string) => readFileSync(join(root, path), "utf8");
const files = listFiles(".");
const isTest = (path: string) => /\.test\.ts$|(^|\/)test\//.test(path);
// drizzle-kit writes the migrations and db:snapshot the schema: only packages/db/sql is by hand.
// The client's types are made from /openapi.json.
const isGenerated = (path: string) =>
  /^packages\/(?:db\/(?!sql\/).*\.sql|sdk\/src\/types\.ts)$/.test(path);
const sources = files.filter((path) => /\.(tsx?|mjs|js|sql|sh)$/.test(path) && !isGenerated(path));
const code = sources.filter((path) => /\.(tsx?|mjs|js)$/.test(path));
const manifests = files.filter((path) => /^((packages|apps)\/[^/]+\/)?package\.json$/.test(path));
const docs = files.filter((path) => /^[A-Z]+\.md$|^docs\/.*\.md$/.test(path));

/** Every match in a file, with the place as an editor opens it: `path:line`. */
function findAll(path: string, pattern: RegExp) {
  const text = read(path);
  return [...text.matchAll(pattern)].map((match) => ({
    place: `${path}:${text.slice(0, match.index).split("\n").length}`,
    found: match[1] ?? match[0],
  }));
}

const findIn = (paths: string[], pattern: RegExp) =>
  paths.flatMap((path) => findAll(path, pattern).map(({ place, found }) => `${place} ${found}`));

describe("names and sizes", () => {
  it("no path uses a word that says nothing", () => {
    const empty = "utils?|helpers?|common|misc|shared|lib|core|base|managers?|services?|v2|new|old";
    const word = new RegExp(`(^|[/.-])(${empty})($|[/.-])`, "i");
    const faults = files.filter((path) => path !== "tsconfig.base.json" && word.test(path));
    expect(faults).toEqual([]);
  });

  it("no file is a barrel", () => {
    expect(code.filter((path) => /(^|\/)index\.\w+$/.test(path))).toEqual([]);
  });

  it("a file stops at 400 lines; contracts, schema, SQL, case tables and tests at 500", () => {
    const isLonger = /^packages\/types\/|\/schema\/|\.sql$|\.cases\.ts$/;
    const limit = (path: string) => (isLonger.test(path) || isTest(path) ? 500 : 400);
    const length = (path: string) => read(path).trimEnd().split("\n").length;
    expect(sources.filter((path) => length(path) > limit(path))).toEqual([]);
  });

  it("a line stops at 100 characters, unless it holds an address or a test's title", () => {
    const kept = /https?:\/\/|^\s*(?:it|describe|test)[.\w]*\(["'`]/;
    const long = sources.flatMap((path) =>
      read(path)
        .split("\n")
        .filter((line) => line.length > 100 && !kept.test(line))
        .map((line) => `${path}: ${line}`),
    );
    expect(long).toEqual([]);
  });
});

describe("edges", () => {
  const arrows: Record<string, string[]> = {
    types: [],
    billing: ["types"],
    db: ["types"],
    queue: ["types"],
    storage: ["types"],
    cache: ["types"],
    events: ["types", "queue"],
    egress: [],
    messages: ["types"],
    payments: ["types", "billing", "db", "queue", "messages"],
    sdk: ["types"],
    entitlements: ["types", "cache", "billing", "db", "queue", "storage"],
    api: [
      "types",
      "cache",
      "events",
      "egress",
      "billing",
      "db",
      "queue",
      "storage",
      "messages",
      "payments",
      "entitlements",
    ],
    worker: [
      "types",
      "cache",
      "events",
      "egress",
      "billing",
      "db",
      "queue",
      "storage",
      "messages",
      "payments",
      "entitlements",
    ],
  };
  const ownerOf = (path: string) => /^(?:packages|apps)\/([^/]+)\//.exec(path)?.[1] ?? "";
  const may = (from: string, to: string) => from === to || arrows[from]?.includes(to);

  it("package.json files keep the arrows", () => {
    const faults = manifests.filter(ownerOf).flatMap((path) => {
      const { dependencies = {} } = JSON.parse(read(path)) as { dependencies?: object };
      return Object.keys(dependencies)
        .filter((name) => name.startsWith("@ducat/"))
        .filter((name) => !may(ownerOf(path), name.slice("@ducat/".length)))
        .map((name) => `${path} ${name}`);
    });
    expect(faults).toEqual([]);
  });

  it("imports keep the same arrows, and a relative path never leaves its package", () => {
    const imported = /(?:\bfrom|\bimport)\s*\(?\s*["']([^"']+)["']/g;
    const isFault = (path: string, name: string) => {
      const target = relative(root, resolve(root, dirname(path), name));
      if (name.startsWith(".")) return ownerOf(target) !== ownerOf(path);
      const other = /^@ducat\/([^/]+)/.exec(name)?.[1];
      return other !== undefined && !may(ownerOf(path), other);
    };
    const inside = code.filter((path) => ownerOf(path) && !isTest(path));
    const faults = inside.flatMap((path) =>
      findAll(path, imported)
        .filter(({ found }) => isFault(path, found))
        .map(({ place, found }) => `${place} ${found}`),
    );
    expect(faults).toEqual([]);
  });

  it("no module keeps a value that changes: processes may have several apps, tests share them", () => {
    const isLoaded = (path: string) => ownerOf(path) && !isTest(path) && !/\/main\.ts$/.test(path);
    const inside = code.filter(isLoaded);
    expect(findIn(inside, /^(?:export )?let (\w+)/gm)).toEqual([]);
  });

  it("only an entry point reads the environment: main.ts, infra and *.config.ts", () => {
    const isEntry = /(^|\/)main\.ts$|^infra\/|\.config\.ts$/;
    const others = code.filter((path) => !isEntry.test(path) && !isTest(path));
    const reading =
      /\bprocess(?:\.|\?\.|\[")env\b|\{[^}\n]*\benv\b.*(?:= process\b|"node:process")/g;
    expect(findIn(others, reading)).toEqual([]);
  });

  it(".env.example has exactly the keys that the apps and `npm start` read", async () => {
    const schemas = files.filter((path) => /^apps\/[^/]+\/src\/env\.ts$/.test(path));
    const modules = await Promise.all(schemas.map((path) => import(join(root, path))));
    const keys = (modules as { Env: { shape: object } }[]).flatMap(({ Env }) =>
      Object.keys(Env.shape),
    );
    const start = findAll("infra/dev/environment.ts", /\bread\("(\w+)"\)/g);
    keys.push(...start.map(({ found }) => found));
    const example = findAll(".env.example", /^(?:# ?)?([A-Z][A-Z0-9_]*)=/gm);
    expect(schemas.length).toBeGreaterThan(0);
    expect(example.map(({ found }) => found).sort()).toEqual([...new Set(keys)].sort());
  });
});

describe("texts", () => {
  it("every document that a reader is promised exists", () => {
    const promised = "README ARCHITECTURE CONTRIBUTING CHANGELOG".split(" ");
    const paths = [...promised, "docs/credits", "docs/errors", "docs/operations"];
    expect(paths.map((path) => `${path}.md`).filter((path) => !files.includes(path))).toEqual([]);
  });

  it("every path that a document or a package script names exists", () => {
    const ours = /(?<![\w./-])((?:packages|apps|infra|docs|catalogs|\.ci)\/[\w./-]*\w)/g;
    const fromRoot = [...docs, "package.json"].flatMap((path) => findAll(path, ours));
    const missing = fromRoot.filter(({ found }) => !existsSync(join(root, found)));
    const broken = docs.flatMap((path) =>
      findAll(path, /\]\((?!\w+:|#)([^)#\s]+)/g).filter(
        ({ found }) => !existsSync(join(root, dirname(path), found)),
      ),
    );
    expect([...missing, ...broken]).toEqual([]);
  });

  it("every script that a document names exists", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: object };
    const builtIn = ["install", "add", "exec", "deploy", ...Object.keys(scripts)];
    const command = /(?:^(?:\$ )?|`)(?:npm run|npm|pnpm|npx --yes pnpm@[\d.]+) ([a-z][\w:]*)/gm;
    const named = docs.flatMap((path) => findAll(path, command));
    expect(named.filter(({ found }) => !builtIn.includes(found))).toEqual([]);
  });

  it("every error code has a heading in docs/errors.md, and no heading is left over", () => {
    const headings = findAll("docs/errors.md", /^###* `?([a-z]+(?:_[a-z]+)*)`?/gm);
    expect(headings.map(({ found }) => found).sort()).toEqual(Object.keys(errors).sort());
  });

  it("nothing is left for later, and nothing names one machine", () => {
    const texts = [...sources, ...docs, ...manifests, "pnpm-workspace.yaml"];
    // Written in groups, so that this file passes its own test.
    const later = /\b(?:TO(?:DO)|FIX(?:ME)|X(?:XX))\b/g;
    const machine = /(?<![\w.$}])\/(?:work|home|Users|root)\/[\w.-]+/g;
    expect([...findIn(texts, later), ...findIn(texts, machine)]).toEqual([]);
  });
});

describe("SQL and tests", () => {
  /** The functions of a file: name, the comment lines directly above, and all up to the next. */
  function findFunctions(path: string) {
    // At the line's start only: what a DO block creates has one definition on each server.
    const start = /^CREATE (?:OR REPLACE )?(?:FUNCTION|PROCEDURE) ([\w.]+)/i;
    const lines = read(path).split("\n");
    const starts = lines.flatMap((line, index) => (start.test(line) ? [index] : []));
    return starts.map((at, index) => {
      const above = lines.slice(0, at).reverse();
      const length = above.findIndex((line) => !line.startsWith("--"));
      const header = (length < 0 ? above : above.slice(0, length)).join("\n");
      const body = lines.slice(at, starts[index + 1]).join("\n");
      return { path, name: start.exec(lines[at] ?? "")?.[1] ?? "", header, body };
    });
  }
  const functions = files
    .filter((path) => /^packages\/db\/sql\/.*\.sql$/.test(path))
    .flatMap(findFunctions);

  it("an SQL function has one definition", () => {
    const names = functions.map(({ name }) => name);
    expect(names.length).toBeGreaterThan(0);
    expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  });

  it("a contract stands above each SQL function and lists the codes that it raises", () => {
    const faults = functions.flatMap(({ path, name, header, body }) => {
      if (header === "") return [`${path} ${name} has none`];
      const raised = new Set([...body.matchAll(/'(DU\w{3})'/g)].map(([, found = ""]) => found));
      return [...raised]
        .filter((found) => !header.includes(found))
        .map((c) => `${path} ${name} ${c}`);
    });
    expect(faults).toEqual([]);
  });

  it("what runs in the long form alone has a sample in every run", () => {
    const samples: Record<string, string> = {
      "apps/api/src/batches/batches": "apps/api/src/routes/batches.test.ts",
      "apps/worker/src/storm": "apps/worker/src/points.kill.test.ts",
      "infra/backup/drill": "infra/backup/restore-backup.test.ts",
    };
    const long = files.flatMap((path) => /^(.*)\.long\.test\.ts$/.exec(path)?.[1] ?? []);
    const sampled = (name: string) =>
      [`${name}.test.ts`, `${name}.kill.test.ts`, samples[name]].some(
        (path) => path !== undefined && files.includes(path),
      );
    expect(long.length).toBeGreaterThan(0);
    expect(long.filter((name) => !sampled(name))).toEqual([]);
  });

  it("a test is left out only where its title says why, and none is left alone", () => {
    const tests = files.filter((path) => isTest(path) && path !== "tidy.test.ts");
    const partial = /\b(?:it|test|describe)\b[.\w]*\.(?:skip|skipIf|runIf)\b/;
    const why = /needs |as root|ordinary user|on (?:Linux|macOS|Windows)|\(\$\{\w+\}\)/;
    const partly = tests.flatMap((path) => {
      const lines = read(path).split("\n");
      const around = (at: number) => lines.slice(Math.max(0, at - 1), at + 2).join("\n");
      const isFault = (line: string, at: number) => partial.test(line) && !why.test(around(at));
      return lines.flatMap((line, at) => (isFault(line, at) ? [`${path}:${at + 1}`] : []));
    });
    const alone = /\b(?:it|test|describe)\b[.\w]*\.(?:only|todo)\b.*/g;
    expect([...partly, ...findIn(tests, alone)]).toEqual([]);
  });
});
