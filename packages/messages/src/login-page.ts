import { z } from "zod";

const list = (text: string) => text.split(",").flatMap((part) => part.trim() || []);
const isLoopback = ({ hostname }: URL) => ["localhost", "127.0.0.1", "[::1]"].includes(hostname);

/** The page's address without a slash at its end, if links can be made of it. */
function readPage(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.username || url.password || url.search || url.hash) return undefined;
  const isSafe = url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url));
  return isSafe && text.length <= 500 ? url.href.replace(/\/+$/, "") : undefined;
}

/** Whose pages people see, the same in the API and the worker. */
export const LoginPageSettings = z.object({
  /** Web pages that may call the API from a browser. */
  ALLOWED_ORIGINS: z
    .string()
    .default("")
    .transform(list)
    .refine((origins) => origins.every((text) => /^https?:\/\/[^/?#\s*]+$/.test(text)), {
      error: "are origins as in https://app.example.com, with commas between them",
    }),
  /** Where mailed links lead; unset, to the API's own pages. */
  LOGIN_PAGE_URL: z
    .string()
    .transform((text, context) => {
      const page = readPage(text);
      if (page === undefined) {
        const message = "is as in https://app.example.com/account, with nothing behind the path";
        context.addIssue({ code: "custom", message });
      }
      return page ?? z.NEVER;
    })
    .optional(),
});
export type LoginPageSettings = z.infer<typeof LoginPageSettings>;

/**
 * What one variable can't say alone, for `superRefine`: secrets are mailed to nowhere but where the
 * API is called from anyway, and a page that may not call it could do nothing with them.
 */
export function checkLoginPage(
  { ALLOWED_ORIGINS, LOGIN_PAGE_URL }: LoginPageSettings,
  context: z.RefinementCtx,
): void {
  if (LOGIN_PAGE_URL === undefined) return;
  if (ALLOWED_ORIGINS.includes(new URL(LOGIN_PAGE_URL).origin)) return;
  const message = "is a page of one of the ALLOWED_ORIGINS";
  context.addIssue({ code: "custom", path: ["LOGIN_PAGE_URL"], message });
}
