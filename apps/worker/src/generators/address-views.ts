import type { ImageIntake } from "@ducat/storage/image-intake";
import { type Called, callProvider } from "./call-provider.ts";
import { asObject } from "./facts.ts";
import type { Failure } from "./generator.ts";

const googleUrl = "https://maps.googleapis.com";
const timeoutMs = 15_000;
const maxBytes = 8 * 1024 * 1024;
/** The largest that both APIs draw; `scale` doubles the map. */
const size = "640x640";

/** A photo of an address, or why there is none; `message` is public. */
export type AddressViews = (
  address: string,
  signal: AbortSignal,
) => Promise<{ photo: Buffer } | Failure>;

type Options = {
  key: string;
  /** Where Google Maps is, if not at its own address. */
  url?: string | undefined;
  imageIntake: Pick<ImageIntake, "intake">;
};

const words = {
  address_not_found: "The address can't be found on the map.",
  address_unavailable: "Pictures of addresses can't be had at the moment.",
} as const;

/**
 * Pictures of addresses by Google: Street View Static where it has one from outdoors, else Maps
 * Static from above (developers.google.com/maps/documentation/streetview/metadata, …/maps-static).
 * Whether there is one is asked first, which is free. The key is only ever in the request.
 */
export function createAddressViews({ key, url = googleUrl, imageIntake }: Options): AddressViews {
  const ask = async (path: string, query: Record<string, string>, signal: AbortSignal) => {
    const target = new URL(`${url.replace(/\/$/, "")}/maps/api/${path}`);
    target.search = String(new URLSearchParams({ ...query, key }));
    return await callProvider(target, { signal, timeoutMs, maxBytes });
  };
  const take = async ({ seen, body }: Called): Promise<{ photo: Buffer } | Failure> => {
    if (seen.status !== 200) return judgeStatus(seen.status);
    const picture = await imageIntake.intake(body).catch(() => undefined);
    return picture ? { photo: picture.bytes } : failWith("address_unavailable", true);
  };
  const lookDown = async (address: string, signal: AbortSignal) => {
    const map = { center: address, zoom: "20", scale: "2", maptype: "satellite", format: "png" };
    const called = await ask("staticmap", { ...map, size }, signal);
    // It draws a map of somewhere else, and says so here.
    const warning = String(called.headers["x-staticmap-api-warning"] ?? "");
    if (/geocod/i.test(warning)) return failWith("address_not_found", false);
    return await take(called);
  };
  return async (address, signal) => {
    const place = { location: address, source: "outdoor" };
    const { seen, json } = await ask("streetview/metadata", place, signal);
    const { status } = asObject(json);
    if (status === "ZERO_RESULTS") return await lookDown(address, signal);
    if (status !== "OK") return judgeMetadata(status, seen.status);
    const view = { ...place, size, return_error_code: "true" };
    const called = await ask("streetview", view, signal);
    // It was there a moment ago.
    if (called.seen.status === 404) return await lookDown(address, signal);
    return await take(called);
  };
}

/** https://developers.google.com/maps/documentation/streetview/metadata#status-codes */
function judgeMetadata(said: unknown, status: number | undefined): Failure {
  switch (said) {
    case "NOT_FOUND":
    case "INVALID_REQUEST":
      return failWith("address_not_found", false);
    case "OVER_QUERY_LIMIT":
    case "UNKNOWN_ERROR":
      return failWith("address_unavailable", true);
    case "REQUEST_DENIED":
      return failWith("address_unavailable", false);
    default:
      return judgeStatus(status);
  }
}

/** A key that is refused is refused the next time too; all else may pass. */
function judgeStatus(status: number | undefined): Failure {
  if (status === 400) return failWith("address_not_found", false);
  return failWith("address_unavailable", status !== 401 && status !== 403);
}

/** Nothing was asked of a model yet, and none would do better: no failover. */
function failWith(code: keyof typeof words, retryable: boolean): Failure {
  return { status: "failed", code, message: words[code], retryable };
}
