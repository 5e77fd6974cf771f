import type { Catalog, Feature } from "./catalog.ts";
import type { Product } from "./catalog-products.ts";

type Fault = { path: PropertyKey[]; message: string };
type Price = Product["prices"][number];
const audiences = ["user", "vendor"] as const;

/** What is wrong with a catalog whose parts are each of the right form; nothing when it is fine. */
export function findFaults(catalog: Catalog): Fault[] {
  const { products } = catalog;
  const keys = products.map(({ key }) => key);
  const inProducts = products.flatMap((product, index) => {
    const faults = [...checkProduct(product, catalog.features), ...checkPrices(product)];
    if (keys.indexOf(product.key) < index) faults.push(fault(["key"], "is used twice"));
    return faults.map(({ path, message }) => fault(["products", index, ...path], message));
  });
  const inFeatures = [...checkLimits(catalog.features), ...checkGallery(catalog.features)];
  return [...inFeatures, ...inProducts, ...checkDefaults(products)];
}

/** What generations take of a limit is counted, and is either paid for or free. */
function checkLimits(features: Catalog["features"]): Fault[] {
  return Object.entries(features).flatMap(([key, feature]) => {
    if (feature.kind !== "limit") return [];
    const { period, reset, styles, of, free_styles, beyond } = feature;
    const faults: Fault[] = [];
    const at = (member: string, message: string) =>
      faults.push(fault(["features", key, member], message));
    if (styles && free_styles) at("styles", "go without free_styles");
    if (period === "request" && free_styles) at("free_styles", "take of an hour, a day or a month");
    if (of && !(period === "request" && styles)) at("of", "goes with styles, of a request");
    if (beyond && !free_styles) at("beyond", "goes with free_styles");
    if (reset === "anchor" && period !== "month") at("reset", "of anchor goes with a month");
    return faults;
  });
}

/** The gallery counts its pictures by the feature of this name. */
function checkGallery({ gallery_images: gallery }: Catalog["features"]): Fault[] {
  if (!gallery || (gallery.kind === "stock" && gallery.counts === "held")) return [];
  return [fault(["features", "gallery_images"], "is a stock that is held")];
}

const fault = (path: PropertyKey[], message: string): Fault => ({ path, message });

function checkDefaults(products: Product[]): Fault[] {
  return audiences.flatMap((audience) => {
    const found = products.filter(
      (product) =>
        product.kind === "plan" &&
        product.is_default &&
        (product.audience ?? audience) === audience,
    );
    if (found.length === 1) return [];
    const names = found.length === 0 ? "none" : found.map(({ key }) => key).join(" and ");
    return [fault(["products"], `have one default plan for each ${audience}, not ${names}`)];
  });
}

function checkProduct(product: Product, features: Catalog["features"]): Fault[] {
  const faults = [...checkAllowances(product, features), ...checkFeatures(product, features)];
  if (product.kind === "plan") return [...faults, ...checkPlan(product)];
  if (product.prices.length === 0) faults.push(fault(["prices"], "are missing"));
  const bonus = product.kind === "pack" ? product.bonus : 0;
  if (product.credits + bonus > 1e12) faults.push(fault(["bonus"], "makes it over 10^12 credits"));
  const given = [product.allowances, product.kind === "pass" ? product.features : {}];
  if (product.credits + bonus === 0 && given.every((one) => Object.keys(one).length === 0)) {
    faults.push(fault(["credits"], "are missing, and it gives nothing else either"));
  }
  return faults;
}

function checkPlan(plan: Extract<Product, { kind: "plan" }>): Fault[] {
  const faults: Fault[] = [];
  const isCapped = plan.rollover === "capped";
  if (isCapped !== (plan.rollover_cap !== undefined)) {
    faults.push(fault(["rollover_cap"], "goes with rollover capped, and only with that"));
  }
  if (plan.trial_credits > 0 && plan.trial_days === 0) {
    faults.push(fault(["trial_days"], "are missing, although there are trial_credits"));
  }
  if (!plan.is_default) return faults;
  if (plan.prices.length > 0) faults.push(fault(["prices"], "are none for the default plan"));
  if (plan.trial_days > 0) faults.push(fault(["trial_days"], "are none for the default plan"));
  return faults;
}

function checkAllowances(product: Product, features: Catalog["features"]): Fault[] {
  return Object.keys(product.allowances)
    .filter((key) => {
      const feature = features[key];
      return feature?.kind !== "stock" || feature.counts !== "spent";
    })
    .map((key) => fault(["allowances", key], "is no stock of `features` that is spent"));
}

function checkFeatures(product: Product, features: Catalog["features"]): Fault[] {
  if (product.kind === "pack") return [];
  return Object.entries(product.features).flatMap(([key, value]) => {
    const message = checkValue(features[key], value);
    return message === undefined ? [] : [fault(["features", key], message)];
  });
}

function checkValue(
  feature: Feature | undefined,
  value: boolean | number | null,
): string | undefined {
  if (!feature) return "is not among the catalog's features";
  if (feature.kind === "flag") return typeof value === "boolean" ? undefined : "is true or false";
  if (feature.kind === "stock" && feature.counts === "spent") return "is given by allowances";
  return typeof value === "boolean" ? "is a number, or null for no end" : undefined;
}

function checkPrices(product: Product): Fault[] {
  const slot = (price: Price) => [price.provider, price.currency, price.interval].join();
  const slots = product.prices.map(slot);
  return product.prices.flatMap((price, index) => {
    const faults = [...checkInterval(product, price), ...checkProvider(price)];
    if (slots.indexOf(slot(price)) < index) {
      faults.push(fault([], "is the second one for its provider, currency and interval"));
    }
    return faults.map(({ path, message }) => fault(["prices", index, ...path], message));
  });
}

function checkInterval({ kind }: Product, { interval }: Price): Fault[] {
  const isOnce = interval === "once";
  if (isOnce !== (kind === "plan")) return [];
  return [fault(["interval"], isOnce ? "of a plan is month or year" : `of a ${kind} is once`)];
}

/** Lemon Squeezy sells variants only; ZarinPal has no prices of its own and counts in rials. */
function checkProvider({ provider, currency, ref }: Price): Fault[] {
  const faults: Fault[] = [];
  const isRial = currency === "IRR";
  if (provider === "zarinpal" && !isRial) faults.push(fault(["currency"], "of zarinpal is IRR"));
  if ((provider === "stripe" || provider === "lemonsqueezy") && isRial) {
    faults.push(fault(["currency"], `is not taken by ${provider}`));
  }
  if (provider === undefined && ref !== undefined) {
    faults.push(fault(["provider"], "is missing, although there is its ref"));
  }
  if (provider === "zarinpal" && ref !== undefined) {
    faults.push(fault(["ref"], "is nothing that zarinpal has"));
  }
  const refs = typeof ref === "object" ? Object.values(ref) : [ref];
  if (provider === "lemonsqueezy" && !refs.every((one) => /^\d{1,15}$/.test(one ?? ""))) {
    faults.push(fault(["ref"], "is the number of a Lemon Squeezy variant"));
  }
  return faults;
}
