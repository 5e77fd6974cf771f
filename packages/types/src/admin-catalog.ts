import { z } from "zod";
import { page, pageQuery } from "./pagination.ts";
import { Time } from "./text.ts";

const Members = z.record(z.string(), z.unknown());

/** One thing that a push changes. */
export const CatalogChange = z
  .strictObject({
    action: z.enum(["add", "change", "retire", "restore"]),
    what: z.enum(["product", "price", "setting"]),
    product: z.string().optional(),
    setting: z.string().optional(),
    price: Members.optional(),
    before: z.unknown().optional(),
    after: z.unknown().optional(),
  })
  .meta({ id: "CatalogChange" });

/** One thing that a push changes at the provider that has the prices too. */
export const PriceChange = z
  .strictObject({
    action: z.enum(["create", "update", "restore", "archive"]),
    what: z.enum(["product", "price"]),
    product: z.string(),
    ref: z.string().optional(),
    price: Members.optional(),
  })
  .meta({ id: "PriceChange" });

const summary = {
  version: z.int().min(1),
  catalog: z.string(),
  pushed_by: z.string().meta({
    description: "`start`: with a start of the deployment; `command`: by `pnpm catalog push`.",
  }),
  pushed_at: Time,
};

/** A catalog as it was pushed. */
export const CatalogVersion = z
  .strictObject({
    ...summary,
    document: Members.nullable().meta({
      description: "The catalog's file. Null: it was pushed before files were kept.",
    }),
    changes: z.array(CatalogChange),
  })
  .meta({ id: "CatalogVersion" });
export type CatalogVersion = z.infer<typeof CatalogVersion>;

const ListedCatalogVersion = z
  .strictObject({ ...summary, changes: z.int().min(0).meta({ description: "How many." }) })
  .meta({ id: "ListedCatalogVersion" });
export const CatalogVersionPage = page(ListedCatalogVersion);
export const CatalogVersionQuery = z.strictObject({
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
});

export const CatalogPush = z
  .strictObject({
    dry_run: z.boolean(),
    catalog: z.string(),
    changes: z.array(CatalogChange),
    prices: z.array(PriceChange).nullable().meta({
      description: "At the provider that has the prices too; null: none has.",
    }),
  })
  .meta({ id: "CatalogPush" });
export type CatalogPush = z.infer<typeof CatalogPush>;

export const DryRunQuery = z.strictObject({
  dry_run: z
    .enum(["true", "false"])
    .optional()
    .meta({ description: "`true`: tells what would change and writes nothing." }),
});

/** The members at the top of a catalog's file; what is in them is checked as the command does. */
export const CatalogFile = z
  .strictObject({
    catalog: z.string().min(1).max(50),
    note: z.string().optional(),
    trial_credits: z.int().min(0).optional(),
    features: Members.optional(),
    products: z.array(Members).min(1).max(200),
  })
  .meta({
    id: "CatalogFile",
    examples: [
      {
        catalog: "corner_shop",
        trial_credits: 3,
        products: [
          {
            key: "free",
            kind: "plan",
            name: { en: "Free" },
            description: { en: "For everybody." },
            is_default: true,
          },
          {
            key: "pack_10",
            kind: "pack",
            name: { en: "Ten credits" },
            description: { en: "They never end." },
            credits: 10,
            prices: [{ currency: "USD", interval: "once", amount: 500 }],
          },
        ],
      },
    ],
  });

export const RestoreCatalog = z
  .strictObject({ version: z.int().min(1).max(2_147_483_647) })
  .meta({ id: "RestoreCatalog", examples: [{ version: 1 }] });
