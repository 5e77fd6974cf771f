import { setTimeout as wait } from "node:timers/promises";
import { connectLoginStore, type LoginStore } from "@ducat/db/logins";
import { createApp } from "../src/app.ts";
import { createIdentity } from "../src/logins/identity.ts";
import { createPasswordHasher } from "../src/logins/password-hasher.ts";
import { createPhonePasswords } from "../src/logins/phone-password.ts";
import { type Compared, compareTimes, type Kind, timeOf } from "./compare-times.ts";
import { askAuth, makeEmail, password } from "./person.ts";
import { ask, type Stage, setStage } from "./stage.ts";
import { makePhone } from "./telephone.ts";

const atOnce = 4;
const slowMs = 25;
const wrong = "wrong horse battery";

type Way = {
  path: string;
  column: "email" | "phone";
  makeName: () => string;
  body: (name: string) => object;
  /** Whether those whom we know have proven their address. */
  isVerified: boolean;
};
const byMail = (path: string, more: object = {}, isVerified = true): Way => ({
  ...{ path, column: "email", makeName: makeEmail, isVerified },
  body: (email) => ({ email, ...more }),
});

/** What anybody may ask with an address or a number, known or not. */
export const ways: Way[] = [
  byMail("register", { password: wrong }),
  byMail("login", { password: wrong }),
  byMail("forgot-password"),
  byMail("resend-verification", {}, false),
  {
    ...{ path: "login", column: "phone", makeName: makePhone, isVerified: false },
    body: (phone) => ({ phone, password: wrong }),
  },
];

export type EvenStage = {
  /**
   * How far apart the two kinds are, and all statuses that were answered. The least time of an
   * answer is `factor` times what the work took before.
   */
  compare(way: Way, pairs: number, factor: number): Promise<Compared & { statuses: number[] }>;
  close(): Promise<void>;
};

/**
 * The API where what is done for people whom it knows takes some milliseconds more than what is
 * done for others: so that it is seen when nothing hides that.
 */
export async function setEvenStage(): Promise<EvenStage> {
  const stage = await setStage();
  const store = connectLoginStore({ url: stage.db.url });
  await stage.deps.cache.ready();
  await slowWrites(stage);
  const { identity, phonePasswords } = slowPasswords(store);
  const logins = { ...stage.deps.logins, identity, phonePasswords };
  const stageWith = (floorMs: number): Stage => {
    const app = createApp({ ...stage.deps, logins: { ...logins, floorMs } });
    return { ...stage, app, call: (path, how = {}) => ask(app, path, how) };
  };
  return {
    async compare(way, pairs, factor) {
      const { path, makeName, body } = way;
      const names = (count: number) => Array.from({ length: count }, makeName);
      const [known, unknown] = [names(pairs), names(pairs)];
      const [warm, cold] = [names(2 * atOnce), names(2 * atOnce)];
      await makeKnown(stage, [...known, ...warm], way);
      const statuses = new Set<number>();
      const request = async (on: Stage, name = "") => {
        statuses.add((await askAuth(on, path, body(name))).status);
      };
      // As where people use it: what it does takes less than the least time of an answer.
      const plain = stageWith(0);
      const tryBoth = (n: number) =>
        Promise.all([warm[n], cold[n]].map((name) => timeOf(() => request(plain, name))));
      await Promise.all(Array.from({ length: atOnce }, (_, n) => tryBoth(n)));
      const times = await Promise.all(
        Array.from({ length: atOnce }, (_, n) => tryBoth(n + atOnce)),
      );
      const even = stageWith(Math.ceil(factor * Math.max(...times.flat())));
      const compared = await compareTimes({ pairs, atOnce }, (kind: Kind, n) =>
        request(even, (kind === "known" ? known : unknown)[n]),
      );
      return { ...compared, statuses: [...statuses] };
    },
    async close() {
      await store.close();
      await stage.close();
    },
  };
}

/**
 * The two kinds as far apart as they are with the first least time that is long enough: a machine
 * may become slower than it was measured. Nothing helps where there is no least time.
 */
export async function findDifference(stage: EvenStage, way: Way, pairs: number) {
  let compared = await stage.compare(way, pairs, 1.5);
  for (const factor of [4, 8]) {
    if (compared.difference < compared.noise) break;
    compared = await stage.compare(way, pairs, factor);
  }
  return compared;
}

/** Mails and links are written for people whom we know, and take their time. */
async function slowWrites({ db }: Stage): Promise<void> {
  await db.admin.unsafe(`
    CREATE FUNCTION public.be_slow() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      PERFORM pg_sleep(${slowMs / 1000}) FROM ducat.logins
      WHERE email = NEW.recipient AND name = 'known';
      RETURN NEW;
    END $$;
    CREATE TRIGGER be_slow BEFORE INSERT ON ducat.messages
      FOR EACH ROW EXECUTE FUNCTION public.be_slow()`);
}

/** Checking a password takes longer than making a hash for nobody. */
function slowPasswords(store: LoginStore) {
  const cheap = createPasswordHasher({ memoryKib: 8, passes: 1 });
  const hasher: typeof cheap = {
    ...cheap,
    async verify(hashed, text) {
      await wait(slowMs);
      return cheap.verify(hashed, text);
    },
  };
  const secret = "x".repeat(32);
  const how = { store, hasher, secret, publicUrl: "http://ducat.test", resetSeconds: 60 };
  return { identity: createIdentity(how), phonePasswords: createPhonePasswords(how) };
}

/** People who have a password. */
async function makeKnown(
  { db, deps }: Stage,
  names: string[],
  { column, isVerified }: Way,
): Promise<void> {
  const hash = await deps.logins.phonePasswords.hash(password);
  await db.admin`
    WITH made AS (
      INSERT INTO ducat.logins (name, ${db.admin(column)}, email_verified)
      SELECT 'known', unnest(${names}::text[]), ${isVerified} RETURNING id)
    INSERT INTO ducat.login_credentials (login_id, provider_id, provider_account_id, password)
    SELECT id, 'credential', id::text, ${hash} FROM made`;
}
