import { expect, it } from "vitest";
import { createWebhookSecrets } from "./webhook-secrets.ts";

const [one, two] = ["a".repeat(32), "b".repeat(32)];

it("each secret is new, has 256 bits, and comes out of its seal as it was", () => {
  const secrets = createWebhookSecrets([one]);
  const made = [secrets.make(), secrets.make()];
  expect(made[0]?.secret).not.toBe(made[1]?.secret);
  for (const { secret, sealed } of made) {
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    expect(JSON.stringify(sealed)).not.toContain(secret.slice(6));
    expect(secrets.open(sealed)).toBe(secret);
    expect(createWebhookSecrets([two, one]).open(sealed)).toBe(secret);
    expect(() => createWebhookSecrets([two]).open(sealed)).toThrow("can't be unsealed");
    expect(secrets.canOpen(sealed)).toBe(true);
    expect(createWebhookSecrets([two]).canOpen(sealed)).toBe(false);
  }
});
