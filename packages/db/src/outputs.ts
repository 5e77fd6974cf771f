/** A picture that is stored. */
export type PictureFile = {
  key: string;
  type: string;
  width: number;
  height: number;
  size: number;
  sha256: string;
};

/** What an item has made, as its row says it. */
export type Output =
  | { kind: "text"; text: string }
  /** Without a thumbnail: it is an older one, or none could be made. */
  | ({ kind: "image"; thumbnail?: PictureFile } & PictureFile);
