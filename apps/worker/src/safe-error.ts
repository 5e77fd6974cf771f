/**
 * What may be logged of an error that we don't know: its kind and where it came from. Messages,
 * SQL parameters and bodies stay out, because a provider's answer may repeat what a person wrote.
 */
export function safeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const { code, cause } = error as Error & { code?: unknown };
  const frames = error.stack?.split("\n").filter((line) => /^\s+at /.test(line)) ?? [];
  return {
    type: error.name,
    ...(typeof code === "string" || typeof code === "number" ? { code } : {}),
    stack: frames.slice(0, 8).join("\n"),
    ...(cause instanceof Error ? { cause: safeError(cause) } : {}),
  };
}
