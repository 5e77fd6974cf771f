import { z } from "zod";
import { jsonObject } from "./json-object.ts";
import { page, pageQuery } from "./pagination.ts";
import { Id, Time, text } from "./text.ts";

const isPlain = (value: string) => !/\p{Cc}/u.test(value);

/** One way to write what can be written in several: it is found however it is typed. */
const compose = (value: string) => value.normalize("NFC");

const FileName = text(255)
  .refine(isPlain, "Control characters are not accepted.")
  .transform(compose)
  .refine((value) => value.length <= 255, "At most 255 characters.")
  .meta({ description: "What people call it. No file is named after it." });

const mostTags = 20;
/** As they are compared and kept: without spaces around them, in small letters. */
const Tag = text(50)
  .refine(
    (value) => isPlain(value) && !value.includes(","),
    "Neither commas nor control characters.",
  )
  .transform((value) => compose(value).trim().toLowerCase())
  .refine((value) => value !== "", "A tag is not empty.");
const Tags = z
  .array(Tag)
  .max(mostTags)
  .transform((tags) => [...new Set(tags)]);

const Metadata = jsonObject({ bytes: 8192, members: 50, depth: 4 });

const details = {
  file_name: FileName.nullable(),
  is_public: z.boolean().meta({ description: "Shown in the portfolio of a vendor." }),
  tags: Tags,
  metadata: Metadata,
  album_id: Id.nullable().meta({ description: "An album of the account." }),
};

export const CreateImage = z
  .strictObject({
    upload_id: Id.optional().meta({ description: "An upload of the account; it then stays." }),
    generation_item_id: Id.optional().meta({
      description: "A completed item that is a picture; it outlives its generation then.",
    }),
    file_name: details.file_name.default(null),
    is_public: details.is_public.default(false),
    tags: details.tags.default([]),
    metadata: details.metadata.default({}),
    album_id: details.album_id.default(null),
  })
  .refine(
    ({ upload_id, generation_item_id }) =>
      (upload_id === undefined) !== (generation_item_id === undefined),
    "Exactly one of upload_id and generation_item_id.",
  )
  .meta({
    id: "CreateImage",
    examples: [
      {
        upload_id: "01a3c5e7-9b1d-7f3a-8c5e-7092b4d6f8a1",
        file_name: "terrace.jpg",
        tags: ["terrace", "summer"],
      },
    ],
  });

export const UpdateImage = z
  .strictObject({
    file_name: details.file_name.optional(),
    is_public: details.is_public.optional(),
    tags: details.tags.optional(),
    metadata: details.metadata.optional(),
    album_id: details.album_id.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "Name at least one thing to change.")
  .meta({ id: "UpdateImage", examples: [{ is_public: true, tags: ["terrace"] }] });

const Url = z.url().meta({ description: "Works for an hour; ask again for another." });
const size = { width: z.int().min(1), height: z.int().min(1) };

/** A picture and the small one that stands for it. */
const picture = {
  url: Url,
  type: z.string(),
  ...size,
  size: z.int().min(1).meta({ description: "Bytes." }),
  thumbnail: z
    .strictObject({ url: Url, ...size })
    .meta({ description: "WebP, at most 320 pixels a side." }),
};

export const Image = z
  .strictObject({
    id: Id,
    kind: z.enum(["user", "vendor", "result"]).meta({
      description: "Whose upload it is, or `result`: what a generation has made.",
    }),
    file_name: z.string().nullable(),
    ...picture,
    sha256: z.string(),
    is_public: z.boolean(),
    tags: z.array(z.string()),
    metadata: z.record(z.string(), z.unknown()),
    album_id: Id.nullable(),
    generation_id: Id.nullable().meta({ description: "It may be deleted by now." }),
    generation_item_id: Id.nullable(),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: "Image" });
export type Image = z.infer<typeof Image>;

const search = {
  album_id: z.uuid().optional(),
  tags: z
    .string()
    .max(1100)
    .transform((value) => value.split(","))
    .pipe(Tags)
    .optional()
    .meta({ description: "With commas between them; images that have all of them." }),
  query: text(100)
    .transform(compose)
    .optional()
    .meta({ description: "Part of the file's name or of a tag." }),
};

export const ImageQuery = z.strictObject({
  kind: Image.shape.kind.optional(),
  is_public: z.enum(["true", "false"]).optional(),
  ...search,
  ...pageQuery,
});
export const ImagePage = page(Image);

/** What anybody may see of a public image. */
export const PublicImage = z
  .strictObject({
    id: Id,
    file_name: z.string().nullable(),
    ...picture,
    tags: z.array(z.string()),
    album_id: Id.nullable().meta({ description: "Of public albums only." }),
    created_at: Time,
  })
  .meta({ id: "PublicImage" });
export type PublicImage = z.infer<typeof PublicImage>;

export const PortfolioQuery = z.strictObject({
  ...search,
  cursor: pageQuery.cursor,
  limit: pageQuery.limit,
});
export const Portfolio = page(PublicImage);
