import { type ExportRow, exportLists, readExport } from "@ducat/db/account-export";
import { listAccountLogins } from "@ducat/db/admin-accounts";
import { findProfile } from "@ducat/db/profiles";
import { findVendor } from "@ducat/db/vendors";
import { DomainError } from "@ducat/types/errors";
import type { HttpBindings } from "@hono/node-server";
import type { Deps } from "./deps.ts";
import { showMe, showVendor } from "./show-account.ts";
import { showOutput } from "./show-generation.ts";
import { streamText } from "./stream-text.ts";

const mostAtOnce = 4;
const brokenOff = "an export broke off";

type ExportDeps = Pick<Deps, "db" | "urlSigner" | "log">;

/**
 * Exports of accounts as streams of JSON: one per account and few per process at a time. A page is
 * read when the reader wants it, so that a slow one costs neither memory nor a connection. Errors
 * before the first byte: not_found, rate_limited (this account has one running), unavailable.
 */
export function createExporter(
  deps: ExportDeps,
): (accountId: string, outgoing?: HttpBindings["outgoing"]) => Promise<ReadableStream> {
  const running = new Set<string>();
  return async (accountId, outgoing) => {
    if (running.has(accountId)) throw new DomainError("rate_limited");
    if (running.size >= mostAtOnce) {
      throw new DomainError("unavailable", {
        ...{ detail: "Too many exports at once.", extra: { reason: "busy" } },
      });
    }
    running.add(accountId);
    const release = () => running.delete(accountId);
    const onEnd = (error?: unknown) => {
      release();
      if (error !== undefined) deps.log.warn({ account: accountId, err: error }, brokenOff);
    };
    try {
      const head = await writeHead(deps, accountId);
      return streamText(writeExport(deps, { accountId, head }), { onEnd, outgoing });
    } catch (error) {
      release();
      throw error;
    }
  };
}

/** What there is once, without the brace that ends the document. */
async function writeHead({ db, urlSigner }: ExportDeps, accountId: string): Promise<string> {
  const profile = await findProfile(db, accountId);
  if (!profile) throw new DomainError("not_found");
  const vendor = await findVendor(db, accountId);
  const head = {
    exported_at: new Date(),
    account: showMe(profile, urlSigner),
    vendor: vendor ? showVendor(accountId, vendor) : null,
    logins: await listAccountLogins(db, accountId),
  };
  return JSON.stringify(head).slice(0, -1);
}

async function* writeExport(
  { db, urlSigner }: ExportDeps,
  { accountId, head }: { accountId: string; head: string },
): AsyncGenerator<string, void> {
  yield head;
  for (const list of exportLists) {
    let before = `,\n"${list}":[\n`;
    for await (const rows of readExport(db, accountId, list)) {
      yield before + rows.map((row) => JSON.stringify(showRow(row, urlSigner))).join(",\n");
      before = ",\n";
    }
    yield before === ",\n" ? "]" : `${before}]`;
  }
  yield "}\n";
}

/** Where a row has a file, its key becomes a URL that opens it for an hour. */
function showRow({ key, output, ...row }: ExportRow, urlSigner: Deps["urlSigner"]) {
  return {
    ...row,
    ...(output !== undefined && { output: output && showOutput(output, urlSigner) }),
    ...(key !== undefined && { url: urlSigner.sign(key) }),
  };
}
