import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { connectDatabase } from "../../packages/db/src/connect.ts";
import { listTransactions, listWorks, spend } from "./bare.ts";

// The least that an HTTP API over PostgreSQL does: JSON in, one prepared call, JSON out. No key, no
// validation, no log, no metrics, no queue.
const { DATABASE_URL = "", PORT } = process.env;
const db = connectDatabase({ url: DATABASE_URL, role: "ducat_app" });

const app = new Hono()
  .get("/readyz", async (c) => c.json(await db`SELECT 1 AS ready`))
  .post("/spend", async (c) => {
    await c.req.json();
    const [row] = await spend(db, c.req.header("ducat-account") ?? "");
    return c.json(row, 201);
  })
  .get("/generations", async (c) =>
    c.json({ data: await listWorks(db, c.req.header("ducat-account") ?? "", 20) }),
  )
  .get("/transactions", async (c) =>
    c.json({ data: await listTransactions(db, c.req.header("ducat-account") ?? "", 20) }),
  );

serve({ fetch: app.fetch, port: Number(PORT), hostname: "127.0.0.1" });
