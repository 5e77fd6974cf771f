/** What there is to say of a product; `features` are as the caller wrote them. */
export type Product = { name: string; features: string[] };
export type Sentence = (product: Product) => string;
export type Choice<T> = readonly [T, ...T[]];

/** How a text may sound; anything else is plain. */
export const tones = ["plain", "warm", "formal", "playful", "luxury"] as const;
export type Tone = (typeof tones)[number];

/** The sentences of a language. Each works for one thing and for several. */
export type ProductPhrases = {
  /** What the product is called when nobody says. */
  product: string;
  headlines: Choice<Sentence>;
  openings: Record<Tone, Choice<Sentence>>;
  featureLeads: Choice<string>;
  /** In place of features where there are none. */
  middles: Choice<Sentence>;
  /** Of a long text. */
  details: Choice<Sentence>;
  closings: Record<Tone, Choice<Sentence>>;
  category: (name: string) => string;
  /** What a prompt begins with that is an order and no product. */
  request: RegExp;
  /** Between a product's name and its features, and between features. */
  separator: RegExp;
  and: RegExp;
  /** Words in front of a name or a feature that don't belong to it. */
  article: RegExp;
  filler: RegExp;
};
