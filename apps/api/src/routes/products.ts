import { findCatalogName } from "@ducat/db/catalog";
import { listAllProducts, listProducts, listProductsFor } from "@ducat/db/products";
import { OpenAPIHono } from "@hono/zod-openapi";
import { type FindAccount, requireScope } from "../auth.ts";
import { chooseLanguage } from "../choose-language.ts";
import type { AppEnv, Deps } from "../deps.ts";
import * as operations from "../operations/products.ts";
import { showAdminProduct, showProducts } from "../show-product.ts";

/** What is sold: to the account that is named, or to anybody. */
export const productRoutes = ({ db, payments }: Deps, findAccount: FindAccount) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("billing"));

  app.openapi(operations.list, async (c) => {
    const filter = c.req.valid("query");
    const named = c.req.header("ducat-account");
    const accountId = c.var.principal.accountId ?? (named && (await findAccount(named)));
    const { products, locale } = accountId
      ? await listProductsFor(db, accountId, filter)
      : { products: await listProducts(db, filter), locale: undefined };
    const language = chooseLanguage(c.req.header("accept-language"), locale);
    c.header("Content-Language", language);
    c.header("Vary", "Accept-Language, Ducat-Account", { append: true });
    const { providers } = payments;
    return c.json({ language, data: showProducts({ products, providers, language }) }, 200);
  });

  return app;
};

export const adminProductRoutes = ({ db }: Deps) => {
  const app = new OpenAPIHono<AppEnv>();
  app.use(requireScope("admin"));

  app.openapi(operations.listAll, async (c) => {
    const [catalog = null, products] = await Promise.all([
      findCatalogName(db),
      listAllProducts(db),
    ]);
    return c.json({ catalog, data: products.map(showAdminProduct) }, 200);
  });

  return app;
};
