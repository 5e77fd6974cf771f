/**
 * Bundles one package's entry into `dist/` for production, so that a server runs plain JavaScript:
 * `tsx ../../infra/build/bundle.ts [entry]`, called in that package's directory.
 * Start the result with `node --enable-source-maps dist/main.js`.
 */
import { basename, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { build } from "esbuild";

/**
 * What stays in node_modules. sharp and argon2 are native binaries, the next two are folders of
 * pages: an app whose bundle reaches them lists them in its own package.json, also when a package
 * imports them. The rest are optional parts of pg and BullMQ, asked for in a try block and not
 * installed.
 */
const native = ["sharp", "@node-rs/argon2"];
const pages = ["swagger-ui-dist", "@bull-board/ui"];
export const external = [...native, ...pages, "pg-native", "redis", "bullmq-otel"];

/**
 * CommonJS packages inside an ES module still call `require` for Node's own modules, and some read
 * `__dirname`. Names with a prefix, because the bundled code may import createRequire as well.
 */
const banner = `import { createRequire as ducatRequire } from "node:module";
const require = ducatRequire(import.meta.url);
const __filename = import.meta.filename;
const __dirname = import.meta.dirname;`;

/** Writes `<outDir>/<name>.js` and its source map; rejects when an import is not found. */
export async function bundle(
  entry: string,
  outDir: string,
  name = basename(entry, ".ts"),
): Promise<string> {
  await build({
    entryPoints: { [name]: entry },
    outdir: outDir,
    bundle: true,
    platform: "node",
    // The oldest Node that package.json's engines allow.
    target: "node20.19",
    format: "esm",
    sourcemap: true,
    legalComments: "linked",
    external,
    banner: { js: banner },
    logLevel: "warning",
    // A warning is a module that would only be missed at run time.
    logOverride: { "unsupported-require-call": "error" },
  });
  return resolve(outDir, `${name}.js`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  console.log(`built ${await bundle(process.argv[2] ?? "src/main.ts", "dist")}`);
}
