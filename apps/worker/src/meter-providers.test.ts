import { Registry } from "prom-client";
import { expect, it } from "vitest";
import { meterProviders } from "./meter-providers.ts";

it("tells of each provider what it answered, cost and was not asked for", async () => {
  const registry = new Registry();
  const meter = meterProviders(registry);
  meter.asked("openai", { result: "completed", ms: 1_500 });
  meter.turnedAway("openai", "breaker");
  meter.fellBack("openai", "provider_limit");
  meter.spent("openai", 42_000);
  meter.breaker("openai", "open");
  const text = await registry.metrics();
  for (const line of [
    'ducat_worker_provider_seconds_sum{provider="openai",result="completed"} 1.5',
    'ducat_worker_provider_turned_away_total{provider="openai",reason="breaker"} 1',
    'ducat_worker_provider_fallbacks_total{provider="openai",code="provider_limit"} 1',
    'ducat_worker_provider_spent_dollars_total{provider="openai"} 0.042',
    'ducat_worker_provider_breaker_state{provider="openai"} 2',
  ]) {
    expect(text).toContain(line);
  }
});
