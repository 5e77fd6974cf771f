import { createExternalIssuers, type ExternalIssuers } from "../src/external-issuers.ts";
import { IssuerSettings } from "../src/issuer-settings.ts";
import type { Issuer } from "./issuer.ts";

type Options = Parameters<typeof createExternalIssuers>[0];

const quiet = { warn: () => {}, debug: () => {} } as never;

/** What an API makes of tokens when these issuers, and no others, are in its settings. */
export function trustIssuers(
  issuers: Issuer[],
  { now = Date.now, log = quiet }: Partial<Pick<Options, "now" | "log">> = {},
): ExternalIssuers {
  const settings = issuers.map(({ issuer, jwksUrl, audience }) =>
    IssuerSettings.parse({ issuer, jwksUrl, audience }),
  );
  const secrets = ["s".repeat(32)];
  return createExternalIssuers({ issuers: settings, allowedOrigins: [], secrets, now, log });
}
