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
  "billing",
  "keys",
  "admin",
] as const;
export type Scope = (typeof scopes)[number];

/** What a caller that is one account may be allowed at most: a browser, an account's own key. */
export const accountScopes: readonly Scope[] = [
  "profile",
  "styles",
  "uploads",
  "gallery",
  "generations",
  "credits",
  "usage",
  "billing",
];

export const isScope = (text: string): text is Scope =>
  (scopes as readonly string[]).includes(text);
