/** A model that an item may be made by: the style's own first, then its fallbacks. */
export type Link = {
  index: number;
  /** The provider, by its name in our settings. */
  provider: string;
  params: Record<string, unknown>;
  /** How the style prices this model, where it says so. */
  pricing?: unknown;
};

/** Where an item is in its chain, as its row keeps it. */
export type Mark = {
  index: number;
  /** How often this model was asked in vain since its place was kept. */
  tries: number;
  /** What the provider calls the request; null: it has none, and may be asked. */
  id: string | null;
};

type Styled = {
  generator: string;
  style_params: Record<string, unknown>;
  pricing?: unknown;
  fallbacks?: unknown;
};

const mostLinks = 10;

/** The models of an item's style in their order. No provider is asked twice for one item. */
export function makeChain(item: Styled): Link[] {
  const { generator, style_params: params, pricing } = item;
  const fallbacks = Array.isArray(item.fallbacks) ? item.fallbacks : [];
  const all = [{ generator, params, pricing }, ...fallbacks].slice(0, mostLinks);
  const seen = new Set<string>();
  return all.flatMap((one, index) => {
    if (seen.has(one.generator)) return [];
    seen.add(one.generator);
    const link = { index, provider: String(one.generator), params: one.params ?? {} };
    return [one.pricing == null ? link : { ...link, pricing: one.pricing }];
  });
}

/**
 * A provider's request id as the row keeps it: with whose it is, so that whoever asks again asks
 * the one that has the work, whatever it was that another provider called its own.
 */
export function writeMark({ provider }: Link, { index, tries, id }: Mark): string {
  return `${index}.${tries}:${provider}:${id ?? ""}`;
}

/** Whether the row keeps a place in the chain and nothing else: no provider has work of it. */
export const isPlace = (stored: string | null): boolean =>
  stored !== null && /^\d\.\d{1,2}:[a-z][a-z0-9_-]{0,39}:$/.test(stored);

/** Reads what `writeMark` wrote; an id that is none of ours is the first model's. */
export function readMark(stored: string | null, chain: Link[]): Mark {
  const first = chain[0]?.index ?? 0;
  if (stored === null) return { index: first, tries: 0, id: null };
  const [, index, tries, provider, id] =
    /^(\d)\.(\d{1,2}):([a-z][a-z0-9_-]{0,39}):(.*)$/s.exec(stored) ?? [];
  const link = chain.find((one) => one.index === Number(index));
  if (link === undefined || link.provider !== provider) {
    return { index: first, tries: 0, id: stored };
  }
  return { index: link.index, tries: Number(tries), id: id || null };
}
