import { generateKeyPairSync, sign } from "node:crypto";

/** DER (ITU-T X.690): a tag, the length, the contents. */
function der(tag: number, ...contents: Buffer[]): Buffer {
  const body = Buffer.concat(contents);
  const length = body.length < 128 ? [body.length] : [0x82, body.length >> 8, body.length & 255];
  return Buffer.concat([Buffer.from([tag, ...length]), body]);
}
const sequence = (...contents: Buffer[]) => der(0x30, ...contents);
const hex = (text: string) => Buffer.from(text, "hex");

const ecdsaWithSha256 = sequence(hex("06082a8648ce3d040302"));
const commonName = hex("0603550403");
const subjectAltName = hex("0603551d11");

/** A certificate for 127.0.0.1 that its own key signed (RFC 5280), so that nobody trusts it. */
export function makeCertificate(): { key: string; cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const nameText = der(0x0c, Buffer.from("127.0.0.1"));
  const name = sequence(der(0x31, sequence(commonName, nameText)));
  const time = (text: string) => der(0x17, Buffer.from(text));
  const ipAddress = sequence(der(0x87, Buffer.from([127, 0, 0, 1])));
  const body = sequence(
    der(0xa0, hex("020102")),
    hex("020101"),
    ecdsaWithSha256,
    name,
    sequence(time("200101000000Z"), time("491231235959Z")),
    name,
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(sequence(subjectAltName, der(0x04, ipAddress)))),
  );
  const signature = der(0x03, hex("00"), sign("sha256", body, privateKey));
  const encoded = sequence(body, ecdsaWithSha256, signature).toString("base64");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${encoded}\n-----END CERTIFICATE-----\n`,
  };
}
