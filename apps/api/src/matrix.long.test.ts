import { describeMatrix } from "../test/describe-matrix.ts";

describeMatrix({ every: 1 });
