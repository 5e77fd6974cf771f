import { z } from "zod";
import type { Blobs } from "./blobs.ts";
import { createDiskBlobs } from "./disk.ts";

const isOrigin = (text: string) => /^https?:\/\/[^/?#@\s]+$/.test(text);
const origin = z.string().refine(isOrigin, "is an origin as in https://s3.example.com").optional();

/** Where files are kept, the same in the API and the worker. */
export const StorageSettings = z.object({
  DATA_DIR: z.string().default(".data"),
  /** With it, files are in this bucket and not in DATA_DIR. */
  S3_BUCKET: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "is the name of a bucket")
    .optional(),
  S3_REGION: z
    .string()
    .regex(/^[a-z0-9-]{1,50}$/, "is a region as in eu-central-1")
    .optional(),
  S3_ENDPOINT: origin,
  /** Where browsers reach what S3_ENDPOINT is. */
  S3_PUBLIC_ENDPOINT: origin,
  S3_ACCESS_KEY_ID: z.string().min(3, "has at least 3 characters").optional(),
  S3_SECRET_ACCESS_KEY: z.string().min(6, "has at least 6 characters").optional(),
  S3_FORCE_PATH_STYLE: z.enum(["true", "false"]).optional(),
  S3_PREFIX: z
    .string()
    .regex(/^(?:[\w-][\w.-]{0,49}\/){1,4}$/, "is a folder with a slash at its end, as in ducat/")
    .optional(),
});
export type StorageSettings = z.infer<typeof StorageSettings>;

const needs: [keyof StorageSettings, keyof StorageSettings][] = [
  ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"],
  ["S3_SECRET_ACCESS_KEY", "S3_ACCESS_KEY_ID"],
  ["S3_PUBLIC_ENDPOINT", "S3_ENDPOINT"],
];

/**
 * What one variable can't say alone, for `superRefine`: half a store, files that would go to the
 * disk although a bucket was meant, keys in clear text over the network in live mode.
 */
export function checkStorageSettings(
  settings: StorageSettings & { DUCAT_MODE: "test" | "live" },
  context: z.RefinementCtx,
): void {
  const refuse = (name: keyof StorageSettings, message: string) =>
    context.addIssue({ code: "custom", path: [name], message });
  const names = Object.keys(StorageSettings.shape) as (keyof StorageSettings)[];
  const given = names.filter((name) => name.startsWith("S3_") && settings[name] !== undefined);
  if (given[0] !== undefined && settings.S3_BUCKET === undefined) {
    refuse("S3_BUCKET", `is needed with ${given[0]}`);
  }
  for (const [name, other] of needs) {
    const isAlone = settings[name] !== undefined && settings[other] === undefined;
    if (isAlone) refuse(other, `is needed with ${name}`);
  }
  const links = settings.S3_PUBLIC_ENDPOINT ?? settings.S3_ENDPOINT;
  if (settings.DUCAT_MODE === "live" && links?.startsWith("http:")) {
    const name = settings.S3_PUBLIC_ENDPOINT ? "S3_PUBLIC_ENDPOINT" : "S3_ENDPOINT";
    refuse(name, "begins with https:// in live mode, because links of files lead there");
  }
}

/** The store that the settings name. The client of S3 is only loaded where it is used. */
export async function openBlobs(settings: StorageSettings): Promise<Blobs> {
  const { S3_BUCKET: bucket, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = settings;
  if (bucket === undefined) return createDiskBlobs({ dir: settings.DATA_DIR });
  const { createS3Blobs } = await import("./s3.ts");
  return createS3Blobs({
    bucket,
    region: settings.S3_REGION ?? "us-east-1",
    endpoint: settings.S3_ENDPOINT,
    publicEndpoint: settings.S3_PUBLIC_ENDPOINT,
    ...(S3_ACCESS_KEY_ID !== undefined &&
      S3_SECRET_ACCESS_KEY !== undefined && {
        credentials: { accessKeyId: S3_ACCESS_KEY_ID, secretAccessKey: S3_SECRET_ACCESS_KEY },
      }),
    forcePathStyle: settings.S3_FORCE_PATH_STYLE === "true",
    ...(settings.S3_PREFIX !== undefined && { prefix: settings.S3_PREFIX }),
  });
}
