import type { JWTPayload } from "jose";
import { z } from "zod";

const Seconds = z.int().positive();
const Amr = z.array(z.looseObject({ method: z.string(), timestamp: Seconds })).min(1);
const Fva = z.array(z.int()).min(1);
/** Ways of Supabase by which nobody has shown who they are. */
const impersonal = ["token_refresh", "anonymous"];

/**
 * When somebody last showed their issuer who they are, in seconds since 1970, as a token tells:
 * `auth_time` (OpenID Connect Core, 2; Firebase), the times in Supabase's `amr`
 * (supabase.com/docs/guides/auth/jwt-fields) or the minutes in Clerk's `fva`
 * (clerk.com/docs/guides/sessions/session-tokens). Undefined when it doesn't tell.
 */
export function readSignInTime({ auth_time, amr, fva, iat = 0 }: JWTPayload): number | undefined {
  const told = Seconds.safeParse(auth_time);
  if (told.success) return told.data;
  const ways = Amr.safeParse(amr);
  if (ways.success) {
    const times = ways.data.filter(({ method }) => !impersonal.includes(method));
    return times.length > 0 ? Math.max(...times.map(({ timestamp }) => timestamp)) : undefined;
  }
  const [minutes = -1] = Fva.safeParse(fva).data ?? [];
  return minutes < 0 ? undefined : iat - minutes * 60;
}
