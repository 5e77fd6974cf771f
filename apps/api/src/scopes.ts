/** What a caller may do; each file of routes asks for one of these. */
export const scopes = [
  "accounts",
  "profile",
  "styles",
  "uploads",
  "gallery",
  "generations",
  "credits",
  "usage",
  "events",
  "billing",
  "keys",
  "webhooks",
  "admin",
] as const;
export type Scope = (typeof scopes)[number];

/** What a browser that acts for one account may be allowed at most. */
export const accountScopes: readonly Scope[] = [
  "profile",
  "styles",
  "uploads",
  "gallery",
  "generations",
  "credits",
  "usage",
  "events",
  "billing",
];

/** What an account's own key may be allowed at most: secrets are for servers. */
export const accountKeyScopes: readonly Scope[] = [...accountScopes, "webhooks"];

export const isScope = (text: string): text is Scope =>
  (scopes as readonly string[]).includes(text);
