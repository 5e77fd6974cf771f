import type { Account as AccountRow } from "@ducat/db/accounts";
import type { AccountRow as FoundRow, ListedAccount as ListedRow } from "@ducat/db/admin-accounts";
import type { Profile } from "@ducat/db/profiles";
import type { Vendor as VendorRow } from "@ducat/db/vendors";
import type { UrlSigner } from "@ducat/storage/signed-url";
import type { Account } from "@ducat/types/accounts";
import type { FoundAccount, ListedAccount } from "@ducat/types/admin-accounts";
import type { Me } from "@ducat/types/me";
import type { Vendor } from "@ducat/types/vendors";
import { toTime } from "./show-generation.ts";
import { toMoment } from "./show-payment.ts";

export const showAccount = (row: AccountRow): Account => ({
  id: row.id,
  external_id: row.external_id,
  kind: row.kind,
  name: row.name,
  email: row.email,
  phone: row.phone,
  locale: row.locale,
  is_active: row.is_active,
  created_at: toTime(row.created_at),
});

/** An account as its own person sees it. */
export const showMe = (row: Profile, urlSigner: UrlSigner): Me => ({
  ...showAccount(row),
  avatar:
    row.avatar !== null && row.avatar_key !== null
      ? { id: row.avatar, url: urlSigner.sign(row.avatar_key) }
      : null,
  bio: row.bio,
  last_login_at: toMoment(row.last_login_at),
});

/** An account as support sees it. */
export const showFound = (row: FoundRow): FoundAccount => ({
  ...showAccount(row),
  bio: row.bio,
  last_login_at: toMoment(row.last_login_at),
  erased_at: toMoment(row.erased_at),
});

/** … with what a list says of it beside. */
export const showListed = (row: ListedRow): ListedAccount => ({
  ...showFound(row),
  plan: row.plan,
  frozen: row.frozen,
  available: row.available,
  held: row.held,
  debt: row.debt,
});

/** A vendor's profile; one that has written none yet has an empty one. */
export const showVendor = (accountId: string, row: VendorRow | undefined): Vendor => ({
  account_id: accountId,
  business_name: row?.business_name ?? null,
  profile_info: row?.profile_info ?? null,
  contact_info: row?.contact_info ?? {},
  social_links: row?.social_links ?? {},
  verified_at: toMoment(row?.verified_at ?? null),
  created_at: toMoment(row?.created_at ?? null),
  updated_at: toMoment(row?.updated_at ?? null),
});
