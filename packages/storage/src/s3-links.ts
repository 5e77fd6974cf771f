import { GetObjectCommand, HeadObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";
import type { Link, LinkWish } from "./blobs.ts";
import { describeFile } from "./file-headers.ts";

/**
 * Signed as of the last full step, so that everybody who asks within the same five minutes gets
 * the same URL and a browser's cache can serve it. A link lives for one step at least, two at most.
 */
const stepMs = 300_000;
const lifeMs = 2 * stepMs;

/**
 * Makes presigned URLs. They open one blob with one method, and the store answers with our content
 * type and disposition, whatever it keeps. No request is made.
 */
export function createS3Linker(options: {
  client: S3Client;
  bucket: string;
  prefix: string;
  cacheControl: string;
  now?: (() => number) | undefined;
}) {
  const { client, bucket, prefix, cacheControl, now = Date.now } = options;
  return async function link(key: string, wish: LinkWish): Promise<Link> {
    const { type, disposition } = describeFile({ ...wish, key });
    const input = {
      Bucket: bucket,
      Key: prefix + key,
      ResponseContentType: type,
      ResponseContentDisposition: disposition,
      ResponseCacheControl: cacheControl,
    };
    const signedAt = Math.floor(now() / stepMs) * stepMs;
    const leftMs = Math.min(lifeMs, wish.expiresAt.getTime() - signedAt);
    const expiresIn = Math.max(1, Math.floor(leftMs / 1000));
    const command =
      wish.method === "HEAD" ? new HeadObjectCommand(input) : new GetObjectCommand(input);
    const url = await getSignedUrl(client, command, {
      expiresIn,
      signingDate: new Date(signedAt),
    });
    return { url, expiresAt: new Date(signedAt + expiresIn * 1000) };
  };
}
