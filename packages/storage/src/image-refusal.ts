import { DomainError } from "@ducat/types/errors";

/** The refusal of an upload. Only sentences written here are public, never a decoder's message. */
export function refuseImage(detail: string, cause?: unknown): DomainError {
  const errors = [{ pointer: "/file", detail }];
  return new DomainError("validation_failed", { detail, errors }, { cause });
}

export const cutShort = "The picture is cut short.";
export const damaged = "The picture is damaged.";
