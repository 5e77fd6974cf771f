import { DucatError } from "./errors.ts";

/** A key of a server, or a token that is asked for when it is needed. */
export type Credentials =
  | { key: string; token?: undefined }
  | {
      key?: undefined;
      /**
       * Called for the first request and again when the API says that the token has ended; the
       * answer is kept until then.
       */
      token(): string | Promise<string>;
    };

export type Bearer = {
  get(): Promise<string>;
  /** Forgets this token; false when there is no other to be had. */
  renew(refused: string): boolean;
};

/** Keeps a token for all requests, and asks for one at a time. */
export function createBearer({ key, token }: Credentials): Bearer {
  if (!token) {
    const checked = checkBearer(key ?? "");
    return { get: async () => checked, renew: () => false };
  }
  let asked: Promise<string> | undefined;
  let known: string | undefined;
  const ask = async () => {
    try {
      known = checkBearer(await token());
      return known;
    } catch (error) {
      asked = undefined;
      throw error;
    }
  };
  return {
    get() {
      asked ??= ask();
      return asked;
    },
    renew(refused) {
      // Of several requests that were refused together, the first one asks.
      if (known === refused) {
        known = undefined;
        asked = undefined;
      }
      return true;
    },
  };
}

/** What fetch says of a header that it can't send has the header in it, and ends up in logs. */
function checkBearer(text: string): string {
  const bearer = typeof text === "string" ? text.trim() : undefined;
  if (bearer === undefined || !/^[!-~]*$/.test(bearer)) {
    throw new DucatError("unauthenticated", { message: "This is no key and no token." });
  }
  return bearer;
}
