import { z } from "zod";
import { page, pageQuery } from "./pagination.ts";
import { Id, Time, text } from "./text.ts";

const Name = text(200).refine(
  (value) => !/\p{Cc}/u.test(value) && value.trim() === value,
  "Neither control characters nor spaces around it.",
);
const isPublic = z.boolean().meta({
  description: "Named in the portfolio of a vendor; its images are shown where they are public.",
});

export const CreateAlbum = z
  .strictObject({
    name: Name.meta({ description: "No two albums of an account have the same." }),
    description: text(2000).nullable().default(null),
    is_public: isPublic.default(false),
  })
  .meta({ id: "CreateAlbum", examples: [{ name: "Terraces", description: "Summer of 2026" }] });

export const UpdateAlbum = z
  .strictObject({
    name: Name.optional(),
    description: text(2000).nullable().optional(),
    is_public: isPublic.optional(),
  })
  .refine((change) => Object.keys(change).length > 0, "Name at least one thing to change.")
  .meta({ id: "UpdateAlbum", examples: [{ description: "Spring of 2027" }] });

export const Album = z
  .strictObject({
    id: Id,
    name: z.string(),
    description: z.string().nullable(),
    is_public: z.boolean(),
    image_count: z.int().min(0),
    created_at: Time,
    updated_at: Time,
  })
  .meta({ id: "Album" });
export type Album = z.infer<typeof Album>;

export const AlbumQuery = z.strictObject(pageQuery);
export const AlbumPage = page(Album);
