import { table } from "../former-tables.ts";
import { findAmountFaults, grantOf, oneOf, readWho } from "../read-person.ts";
import { readText, readTime } from "../read-values.ts";
import type { System } from "../system.ts";

/** The API in front of the landscape app: a trial on the user, tokens, and no plans. */
export const generationApi: System = {
  tables: {
    users: table(`
      id! email! trial_credits|trial_remaining! email_verified|is_verified|is_email_verified
      name|full_name hashed_password|password_hash is_active created_at last_login_at`),
    token_accounts: table("id user_id! balance|token_balance!"),
    generations: table("user_id! status! credit_type", { isOptional: true }),
  },
  drives: [
    {
      name: "users",
      kind: "user",
      ids: [["users", "id"]],
      parts: {
        profile: [{ table: "users", owner: "id" }],
        credits: [{ table: "token_accounts", owner: "user_id" }],
      },
      counts: [{ table: "generations", owner: "user_id", by: "status" }],
    },
  ],
  lists: [],
  controls: [
    { source: "trial", table: "users", column: "trial_credits" },
    { source: "purchase", table: "token_accounts", column: "balance" },
  ],
  plans: [],
  read(person, context) {
    const user = oneOf(person, "users");
    const tokens = person.rows.token_accounts ?? [];
    const name = readText(user.name, 200);
    const who = readWho(
      {
        name,
        email: user.email,
        isEmailVerified: user.email_verified,
        password: user.hashed_password,
      },
      context,
    );
    return {
      account: {
        name,
        email: who.email,
        is_active: user.is_active !== false,
        created_at: readTime(user.created_at),
        last_login_at: readTime(user.last_login_at),
      },
      login: who.login,
      grants: [
        ...grantOf("users", person.id, {
          source: "trial",
          amount: user.trial_credits,
          description: "Free trial",
        }),
        ...tokens.flatMap((row) =>
          grantOf("token_accounts", row.id ?? person.id, {
            source: "purchase",
            amount: row.balance,
            description: "Credits from before",
          }),
        ),
      ],
      faults: findAmountFaults(user.trial_credits, ...tokens.map((row) => row.balance)),
      warnings: who.warnings,
    };
  },
};
