import type { Db } from "./connect.ts";

/**
 * Binary values as one bytea[] of a query. By way of text: the driver takes an array of buffers for
 * one buffer, and the text form of each for its bytes.
 */
export const toBinary = (db: Db, values: readonly Buffer[]) => {
  const texts = values.map((value) => value.toString("hex"));
  return db`ARRAY(SELECT decode(t, 'hex') FROM unnest(${texts}::text[]) AS t)`;
};
