import { findExponent, type Money, mostMoney } from "./money.ts";
import type { Capabilities, CheckoutInput } from "./provider.ts";
import { refuseInput } from "./refusals.ts";

const orderRef = /^[\w-]{1,64}$/;
const longestTitle = 200;

/**
 * Whether a checkout can be asked of a provider at all; throws validation_failed where not. The
 * amount is positive here and compared again when the payment comes back: said twice, because
 * everything that is sold passes here.
 */
export function checkCheckout(input: CheckoutInput, caps: Capabilities): void {
  if (!orderRef.test(input.orderRef)) throw refuseInput("#/order", "This is no order reference.");
  checkPrice(input.price, caps);
  if (input.kind === "subscription" && caps.subscriptions === "none") {
    throw refuseInput("#/price", "This provider has no subscriptions.");
  }
  if (input.title.length < 1 || input.title.length > longestTitle) {
    throw refuseInput("#/title", `The title has 1 to ${longestTitle} characters.`);
  }
  checkAddress("#/return_url", input.returnUrl);
  if (input.cancelUrl !== undefined) checkAddress("#/cancel_url", input.cancelUrl);
}

/** Whether a provider can be asked for this much of this currency. */
export function checkPrice({ amount, currency }: Money, caps: Capabilities): void {
  if (!caps.currencies.includes(currency) || findExponent(currency) === undefined) {
    throw refuseInput("#/currency", `This provider doesn't take ${currency}.`);
  }
  if (!Number.isSafeInteger(amount) || amount < 1 || amount > mostMoney) {
    throw refuseInput("#/amount", "The amount is a whole number of at least 1.");
  }
}

/** Customers are sent there: to the web and never to a script. Whose site it is, the API checks. */
function checkAddress(pointer: string, address: string): void {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== "https:" && url?.protocol !== "http:") {
    throw refuseInput(pointer, "This is no address of a web page.");
  }
}
