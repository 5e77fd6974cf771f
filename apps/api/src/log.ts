import { type DestinationStream, type Logger, pino } from "pino";

/**
 * Lines of JSON, on stdout unless told otherwise. Of an error only its name, code, message and
 * stack are written, with its causes: a driver's error also carries rows and parameters, which
 * are people's prompts.
 */
export function createLog(level: string, destination?: DestinationStream): Logger {
  const options = { level, base: { app: "api" }, serializers: { err: describeError } };
  return destination ? pino(options, destination) : pino(options);
}

type Described = {
  type: string;
  message: string;
  code?: unknown;
  stack?: string;
  cause?: Described;
};

function describeError(error: unknown, depth = 0): Described {
  if (!(error instanceof Error)) return { type: typeof error, message: "not an Error" };
  const { name, message, stack, cause } = error;
  const { code } = error as { code?: unknown };
  return {
    type: name,
    message,
    ...(code !== undefined && { code }),
    ...(stack !== undefined && { stack }),
    ...(cause !== undefined && depth < 3 && { cause: describeError(cause, depth + 1) }),
  };
}
