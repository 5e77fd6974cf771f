/**
 * What may be logged of an error that we don't know: its kind and where it came from. Messages,
 * SQL parameters and bodies stay out, because a provider's answer may repeat what a person wrote.
 */
export function safeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause, message, stack = "" } = error as Error & { code?: unknown };
  // A message of several lines may hold some that look like frames.
  const frames = stack.replace(message, "").split("\n");
  return {
    type: error.name,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    stack: frames
      .filter((line) => /^\s+at /.test(line))
      .slice(0, 8)
      .join("\n"),
    ...(cause instanceof Error ? { cause: safeError(cause) } : {}),
  };
}
