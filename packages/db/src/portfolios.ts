import type { Db } from "./connect.ts";
import { type Image, type ImageFilter, listImages } from "./images.ts";
import type { Vendor } from "./vendors.ts";
import { withAccount } from "./with-account.ts";

/** As many public albums a vendor's page shows. */
const mostAlbums = 100;

/** What anybody may see of a vendor. */
export type VendorPage = Pick<
  Vendor,
  "profile_info" | "contact_info" | "social_links" | "verified_at"
> & {
  id: string;
  business_name: string | null;
  avatar_key: string | null;
  albums: { id: string; name: string; description: string | null; image_count: number }[];
};

/**
 * The page of a vendor whose account is active, with its public albums and how many public images
 * are in each; undefined when there is no such vendor.
 */
export async function findVendorPage(db: Db, vendorId: string): Promise<VendorPage | undefined> {
  const [row] = await withAccount(
    db,
    vendorId,
    (sql) => sql<VendorPage[]>`
      SELECT a.id, v.business_name, v.profile_info, coalesce(v.contact_info, '{}') AS contact_info,
        coalesce(v.social_links, '{}') AS social_links, v.verified_at, b.key AS avatar_key,
        coalesce((SELECT json_agg(album ORDER BY album.id DESC) FROM (
          SELECT o.id, o.name, o.description, (
            SELECT count(*) FROM ducat.images i
            WHERE i.account_id = o.account_id AND i.album_id = o.id AND i.is_public) AS image_count
          FROM ducat.albums o WHERE o.account_id = a.id AND o.is_public
          ORDER BY o.id DESC LIMIT ${mostAlbums}) AS album), '[]') AS albums
      FROM ducat.accounts a
      LEFT JOIN ducat.vendors v ON v.account_id = a.id
      LEFT JOIN ducat.blobs b ON b.account_id = a.id AND b.id = a.avatar::uuid
      WHERE a.id = ${vendorId} AND a.kind = 'vendor' AND a.is_active`,
  );
  return row;
}

/**
 * The public images of a vendor whose account is active, newest first; undefined when there is no
 * such vendor. `albumId` finds what is in a public album only.
 */
export async function listPortfolio(
  db: Db,
  vendorId: string,
  filter: Omit<ImageFilter, "isPublic"> & { beforeId?: string | undefined; limit: number },
): Promise<Image[] | undefined> {
  const [vendor] = await withAccount(
    db,
    vendorId,
    (sql) => sql<{ albums: string[] }[]>`
      SELECT ARRAY(SELECT o.id FROM ducat.albums o
        WHERE o.account_id = a.id AND o.is_public) AS albums
      FROM ducat.accounts a WHERE a.id = ${vendorId} AND a.kind = 'vendor' AND a.is_active`,
  );
  if (!vendor) return undefined;
  const isShown = (album: string | null) => album !== null && vendor.albums.includes(album);
  if (filter.albumId !== undefined && !isShown(filter.albumId)) return [];
  const found = await listImages(db, vendorId, { ...filter, isPublic: true });
  return found.map((image) => (isShown(image.album_id) ? image : { ...image, album_id: null }));
}
