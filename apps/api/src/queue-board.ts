import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, extname, join, sep } from "node:path";
import { createBullBoard } from "@bull-board/api";
import { BullMQAdapter } from "@bull-board/api/bullMQAdapter";
import type {
  AppControllerRoute,
  AppViewRoute,
  BullBoardQueues,
  ControllerHandlerReturnType,
  IServerAdapter,
  UIConfig,
} from "@bull-board/api/typings/app";
import type { Queue } from "@ducat/queue/queue";

const types: Record<string, string> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".woff2": "font/woff2",
};

/** Job data are ids of ours and nobody else's to write: what the worker gets is what rows say. */
const left = /\/(?:add|update-data)$|\/job-schedulers\//;

type Asked = {
  params: Record<string, string>;
  query: Record<string, string>;
  body: Record<string, unknown>;
};

export type QueueBoard = {
  /** Its requests: what each answers to, as in `/api/queues/:queueName`. */
  acts: {
    method: string;
    path: string;
    run(asked: Asked): Promise<{ status: number; body: unknown }>;
  }[];
  /** Where its page is shown. */
  pages: string[];
  /** The page: all that it loads is below `base`. */
  page(base: string): string;
  /** A file of the page; undefined when there is none of this name. */
  findFile(name: string): { type: string; bytes: Buffer } | undefined;
};

/**
 * bull-board over the queues, without its own server: it would ask another site for fonts, and find
 * its files by the directory that the process was started in.
 */
export function createQueueBoard(queue: Queue): QueueBoard {
  const folder = dirname(createRequire(import.meta.url).resolve("@bull-board/ui/package.json"));
  const files = listFiles(join(folder, "dist/static"));
  const parts = collectParts();
  createBullBoard({
    queues: (["run-item", "process-webhook"] as const).map(
      (name) => new BullMQAdapter(queue.bull(name), { allowRetries: false }),
    ),
    serverAdapter: parts.adapter,
    options: {
      uiBasePath: folder,
      uiConfig: { boardTitle: "Ducat queues", hideDocsLink: true },
    },
  });
  const template = readFileSync(join(folder, "dist/index.ejs"), "utf8");
  const { queues, uiConfig, routes, errorHandler, entry } = parts.get();
  const run = async (route: AppControllerRoute, asked: Asked) => {
    const request = { ...asked, queues, uiConfig, headers: {} };
    try {
      const { status = 200, body } = await route.handler(request);
      return { status, body };
    } catch (error) {
      const { status = 500, body } = errorHandler(error as Error);
      return { status, body };
    }
  };
  return {
    acts: routes.flatMap((route) =>
      [route.route].flat().flatMap((path) =>
        left.test(path)
          ? []
          : [route.method].flat().map((method) => ({
              method: method.toUpperCase(),
              path,
              run: (asked: Asked) => run(route, asked),
            })),
      ),
    ),
    pages: [entry.route].flat(),
    page: (base) => fillIn(template, entry.handler({ basePath: base, uiConfig }).params),
    findFile(name) {
      const path = files.get(name);
      const type = types[extname(name)];
      return path && type ? { type, bytes: readFileSync(path) } : undefined;
    },
  };
}

/** By the name that the page asks for, so that no name leads anywhere else. */
function listFiles(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  return new Map(names.map((name) => [name.split(sep).join("/"), join(folder, name)]));
}

/** Its template has names in two kinds of brackets; what would come from other hosts goes. */
function fillIn(template: string, params: Record<string, string>): string {
  return template
    .replace(/<link[^>]+href="https?:[^>]*>/g, "")
    .replace(/<%[=-]\s*(\w+)\s*%>/g, (_, name: string) => params[name] ?? "");
}

type Parts = {
  queues: BullBoardQueues;
  uiConfig: UIConfig;
  routes: AppControllerRoute[];
  entry: AppViewRoute;
  errorHandler(error: Error): ControllerHandlerReturnType;
};

/** Takes from bull-board what it would tell a server. */
function collectParts(): { adapter: IServerAdapter; get(): Parts } {
  const told: Partial<Parts> = {};
  const adapter: IServerAdapter = {
    setQueues: (queues) => keep({ queues }),
    setUIConfig: (uiConfig) => keep({ uiConfig }),
    setApiRoutes: (routes) => keep({ routes }),
    setEntryRoute: (entry) => keep({ entry }),
    setErrorHandler: (errorHandler) => keep({ errorHandler }),
    setViewsPath: () => adapter,
    setStaticPath: () => adapter,
  };
  const keep = (part: Partial<Parts>) => {
    Object.assign(told, part);
    return adapter;
  };
  return {
    adapter,
    get() {
      const { queues, uiConfig, routes, entry, errorHandler } = told;
      if (!queues || !uiConfig || !routes || !entry || !errorHandler) {
        throw new Error("bull-board has not told all that a server needs");
      }
      return { queues, uiConfig, routes, entry, errorHandler };
    },
  };
}
