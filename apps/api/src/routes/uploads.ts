import { randomUUID } from "node:crypto";
import { insertUpload } from "@ducat/db/blobs";
import { inputKey } from "@ducat/storage/blob-key";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireAccount, requireScope } from "../auth.ts";
import { assertType, readBytes } from "../body.ts";
import type { AppEnv, Deps } from "../deps.ts";
import { readOnlyFile } from "../multipart.ts";
import * as operations from "../operations/uploads.ts";
import { toTime } from "../show-generation.ts";
import { createSlots } from "../slots.ts";

const fileBytes = 15 * 1024 * 1024;
/** The file, its boundaries and its part's headers. */
const bodyBytes = fileBytes + 16 * 1024;
const lifetimeSeconds = 24 * 3600;

export const uploadRoutes = (deps: Deps, findAccount: FindAccount) => {
  const { db, blobs, imageIntake } = deps;
  const holdBody = createSlots({ slots: 4, mostWaiting: 60 }, "Too many uploads at once.");
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("uploads"), requireAccount(findAccount));

  app.openapi(operations.create, async (c) => {
    const contentType = assertType(c, /^multipart\/form-data\s*;/i);
    const { bytes, type, width, height } = await holdBody(async () => {
      const body = await readBytes(c, bodyBytes);
      return imageIntake.intake(readOnlyFile(body, contentType, "file"));
    });
    const key = inputKey(c.var.accountId, randomUUID());
    // The file first: a file without a row is swept, a row without a file would be a lie.
    const { size, sha256 } = await blobs.put(key, bytes);
    const blob = { key, sha256, type, size, width, height, lifetimeSeconds };
    const { id, expires_at } = await insertUpload(db, c.var.accountId, blob);
    return c.json({ id, type, width, height, size, expires_at: toTime(expires_at) }, 201);
  });

  return app;
};
