/** What S3 answers by name although asking again helps. BadDigest: bytes were lost on the way. */
const passingNames = new Set(["BadDigest", "RequestTimeout", "RequestTimeTooSkewed", "SlowDown"]);
const passingStatuses = new Set([408, 409, 429]);

/**
 * What went wrong, and no more: the SDK's own errors carry the whole exchange, with the signature
 * of its request, and may end up in a log.
 */
class S3Error extends Error {
  readonly status: number | undefined;

  constructor(name: string, message: string, status: number | undefined) {
    super(status === undefined ? message : `${message} (${name}, ${status})`);
    this.name = name;
    this.status = status;
  }
}

/** Runs a call of the SDK; what it throws are small errors. */
export async function ask<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    const { name, message, $metadata } = error as Error & {
      $metadata?: { httpStatusCode?: number };
    };
    throw new S3Error(name, message, $metadata?.httpStatusCode);
  }
}

/**
 * Whether asking again may help: nothing was answered, the answer was not whole, or the store is
 * busy or broken. A refusal (no such bucket, no right) stays.
 */
export function isPassing(error: unknown): boolean {
  const status = statusOf(error);
  if (status === undefined || status < 300 || status >= 500) return true;
  return passingStatuses.has(status) || passingNames.has((error as Error).name);
}

/** Whether the blob is not there. A HEAD has no body to say what is missing. */
export function isMissing(error: unknown): boolean {
  const { name } = error as Error;
  return statusOf(error) === 404 && (name === "NoSuchKey" || name === "NotFound");
}

const statusOf = (error: unknown) => (error instanceof S3Error ? error.status : undefined);
