/**
 * What operators are told of a failure: its kind and code. Its words stay out, because they may
 * repeat what a person wrote; the log says where it came from.
 */
export function nameFailure(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, code } = error as Error & { code?: unknown };
  return typeof code === "string" || typeof code === "number" ? `${name} ${code}` : name;
}
