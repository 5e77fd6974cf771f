import { z } from "zod";
import { Email, Phone } from "./accounts.ts";
import { Id, Time, text } from "./text.ts";

const Link = z
  .url({ protocol: /^https?$/, hostname: z.regexes.domain })
  .max(2048)
  .meta({ description: "http or https." });

const ContactInfo = z
  .strictObject({
    email: Email.optional(),
    phone: Phone.optional(),
    website: Link.optional(),
    address: text(500).optional(),
  })
  .meta({ description: "What customers may see." });

const SocialLinks = z
  .record(z.string().regex(/^[a-z0-9_-]{1,32}$/), Link)
  .refine((links) => Object.keys(links).length <= 20, "20 links at most.");

export const SaveVendor = z
  .strictObject({
    business_name: text(200).meta({ description: "Another one has to be verified again." }),
    profile_info: text(4000).nullable().default(null),
    contact_info: ContactInfo.default({}),
    social_links: SocialLinks.default({}),
  })
  .meta({
    id: "SaveVendor",
    examples: [
      {
        business_name: "Ada's Gardens",
        profile_info: "Gardens since 1843.",
        contact_info: { email: "hello@gardens.example", website: "https://gardens.example" },
        social_links: { instagram: "https://instagram.example/adas_gardens" },
      },
    ],
  });

export const Vendor = z
  .strictObject({
    account_id: z.uuid(),
    business_name: z.string().nullable().meta({ description: "null: nothing was said yet." }),
    profile_info: z.string().nullable(),
    contact_info: z.record(z.string(), z.string()),
    social_links: z.record(z.string(), z.string()),
    verified_at: Time.nullable(),
    created_at: Time.nullable(),
    updated_at: Time.nullable(),
  })
  .meta({ id: "Vendor" });
export type Vendor = z.infer<typeof Vendor>;

/** What anybody may see of a vendor. */
export const VendorPage = z
  .strictObject({
    id: z.uuid(),
    business_name: z.string().nullable(),
    profile_info: z.string().nullable(),
    contact_info: z.record(z.string(), z.string()),
    social_links: z.record(z.string(), z.string()),
    is_verified: z.boolean().meta({ description: "Somebody has seen that they are who they say." }),
    avatar_url: z.url().nullable().meta({ description: "Works for an hour." }),
    albums: z
      .array(
        z.strictObject({
          id: Id,
          name: z.string(),
          description: z.string().nullable(),
          image_count: z.int().min(0).meta({ description: "Public images in it." }),
        }),
      )
      .meta({ description: "Public ones, newest first, 100 at most." }),
  })
  .meta({ id: "VendorPage" });
export type VendorPage = z.infer<typeof VendorPage>;
