const page = { "text/html": { schema: { type: "string" } } } as const;
const tags = ["Pages"];
const answers = (descriptions: Record<number, string>) =>
  Object.fromEntries(
    Object.entries(descriptions).map(([status, description]) => [
      status,
      { description, content: page },
    ]),
  );
const token = {
  name: "token",
  in: "query",
  required: true,
  schema: { type: "string" },
} as const;
const refusals = {
  410: "The link has been used or has expired.",
  429: "Too many tries.",
  503: "Not possible at the moment.",
};
const formOf = (properties: Record<string, object>) => ({
  content: {
    "application/x-www-form-urlencoded": {
      schema: { type: "object", properties, required: Object.keys(properties) },
    },
  },
});
const text = { type: "string" };
const open = { tags, security: [] };

export const showVerify = {
  ...open,
  method: "get",
  path: "/verify-email",
  operationId: "showVerifyEmailPage",
  summary: "Where the link leads that proves an address",
  description: "It shows a button, which does it.",
  parameters: [token],
  responses: answers({ 200: "The button." }),
} as const;

export const verify = {
  ...open,
  method: "post",
  path: "/verify-email",
  operationId: "submitVerifyEmailPage",
  summary: "Prove an address by a form",
  requestBody: formOf({ token: text }),
  responses: answers({ 200: "It is proven.", ...refusals }),
} as const;

export const showReset = {
  ...open,
  method: "get",
  path: "/reset-password",
  operationId: "showResetPasswordPage",
  summary: "Where the link for a new password leads",
  parameters: [token],
  responses: answers({ 200: "A form." }),
} as const;

export const reset = {
  ...open,
  method: "post",
  path: "/reset-password",
  operationId: "submitResetPasswordPage",
  summary: "Choose a new password by a form",
  requestBody: formOf({ token: text, password: text }),
  responses: answers({ 200: "It was changed.", 422: "It is too short.", ...refusals }),
} as const;
