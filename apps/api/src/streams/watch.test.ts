import type { Db } from "@ducat/db/connect";
import { pino } from "pino";
import { expect, it, vi } from "vitest";
import type { Open, Opening } from "./hub.ts";
import { createSeat } from "./seat.ts";
import { createWatch } from "./watch.ts";

it("looks for streams only where what is dropped is about callers", async () => {
  const stream: Opening = {
    ...{ accountId: "a", actor: "key:1", sessionId: undefined },
    ...{ kind: "account", generationId: undefined, endsAt: undefined },
  };
  const seat = createSeat(stream, () => {});
  const accounts = new Map([["a", new Set<Open>([{ seat, stream }])]]);
  const asked = vi.fn(async () => []);
  const watch = createWatch(
    { db: asked as unknown as Db, log: pino({ level: "silent" }) },
    accounts,
  );
  const visited = vi.spyOn(accounts, "values");
  watch.dropped(["entitlements:a", "settings", "alerts:a"]);
  expect(visited).not.toHaveBeenCalled();
  watch.dropped(["entitlements:a", "key:1"]);
  await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(1));
  watch.dropped(undefined);
  await vi.waitFor(() => expect(asked).toHaveBeenCalledTimes(2));
  seat.leave("left");
});
