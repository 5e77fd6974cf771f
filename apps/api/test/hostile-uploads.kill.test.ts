import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { makeHostileImages } from "../../../packages/storage/test/hostile-images.ts";
import { type ChildApi, startChildApi } from "./child-api.ts";
import { makeForm, makePhoto } from "./pictures.ts";
import { rootKey, type Stage, setStage } from "./stage.ts";

const mebibyte = 1024 * 1024;

describe("hostile images, eight at a time", () => {
  let stage: Stage;
  let api: ChildApi;
  beforeAll(async () => {
    stage = await setStage();
    api = await startChildApi(stage.db.url);
  });
  afterAll(async () => {
    await api.stop();
    await stage.close();
  });

  it("are each refused with 422 within 300 MiB, and good ones pass meanwhile", async () => {
    const account = await stage.makeAccount();
    const upload = async (bytes: Uint8Array, type: string) => {
      const { raw, headers } = makeForm([{ bytes, type }]);
      const response = await fetch(`${api.url}/v1/uploads`, {
        method: "POST",
        body: raw,
        headers: { ...headers, authorization: `Bearer ${rootKey}`, "ducat-account": account },
      });
      return { status: response.status, body: (await response.json()) as { code?: string } };
    };
    const good = await makePhoto(1600, 1200);
    const images = await makeHostileImages();
    expect(images.length).toBeGreaterThanOrEqual(25);
    expect((await upload(good, "image/jpeg")).status).toBe(201);
    const idle = (await api.readMemory()).rss;

    const waiting = [...images];
    const outcomes: Record<string, string> = {};
    const uploadHostile = async () => {
      for (let image = waiting.shift(); image; image = waiting.shift()) {
        const { status, body } = await upload(image.bytes, image.type);
        outcomes[image.name] = `${status} ${body.code}`;
      }
    };
    const goodOnes: number[] = [];
    const uploadGood = async () => {
      while (waiting.length > 0) goodOnes.push((await upload(good, "image/jpeg")).status);
    };
    await Promise.all([...Array.from({ length: 8 }, uploadHostile), uploadGood()]);

    const refused = images.map(({ name }) => [name, "422 validation_failed"]);
    expect(outcomes).toEqual(Object.fromEntries(refused));
    expect(goodOnes.length).toBeGreaterThan(0);
    expect(new Set(goodOnes)).toEqual(new Set([201]));
    const { peak } = await api.readMemory();
    expect((peak - idle) / mebibyte).toBeLessThan(300);
  });
});
