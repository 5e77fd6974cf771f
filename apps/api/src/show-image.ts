import type { Album as AlbumRow } from "@ducat/db/albums";
import type { Image as Row } from "@ducat/db/images";
import type { VendorPage as VendorRow } from "@ducat/db/portfolios";
import type { UrlSigner } from "@ducat/storage/signed-url";
import type { Album } from "@ducat/types/albums";
import type { Image, PublicImage } from "@ducat/types/images";
import type { VendorPage } from "@ducat/types/vendors";
import { toTime } from "./show-generation.ts";

/** An image as its account sees it, with URLs that open it for an hour. */
export const showImage = (row: Row, urlSigner: UrlSigner): Image => ({
  id: row.id,
  kind: row.kind,
  file_name: row.file_name,
  ...showPicture(row, urlSigner),
  sha256: row.sha256,
  is_public: row.is_public,
  tags: row.tags,
  metadata: row.metadata,
  album_id: row.album_id,
  generation_id: row.generation_id,
  generation_item_id: row.item_id,
  created_at: toTime(row.created_at),
  updated_at: toTime(row.updated_at),
});

/** A public image as everybody sees it. */
export const showPublicImage = (row: Row, urlSigner: UrlSigner): PublicImage => ({
  id: row.id,
  file_name: row.file_name,
  ...showPicture(row, urlSigner),
  tags: row.tags,
  album_id: row.album_id,
  created_at: toTime(row.created_at),
});

const showPicture = (row: Row, urlSigner: UrlSigner) => ({
  url: urlSigner.sign(row.key),
  type: row.type,
  width: row.width,
  height: row.height,
  size: row.size,
  thumbnail: {
    url: urlSigner.sign(row.thumbnail_key),
    width: row.thumbnail_width,
    height: row.thumbnail_height,
  },
});

export const showAlbum = (row: AlbumRow): Album => ({
  id: row.id,
  name: row.name,
  description: row.description,
  is_public: row.is_public,
  image_count: row.image_count,
  created_at: toTime(row.created_at),
  updated_at: toTime(row.updated_at),
});

/** A vendor as everybody sees it. */
export const showVendorPage = (row: VendorRow, urlSigner: UrlSigner): VendorPage => ({
  id: row.id,
  business_name: row.business_name,
  profile_info: row.profile_info,
  contact_info: row.contact_info,
  social_links: row.social_links,
  is_verified: row.verified_at !== null,
  avatar_url: row.avatar_key === null ? null : urlSigner.sign(row.avatar_key),
  albums: row.albums,
});
