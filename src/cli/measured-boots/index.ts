export {
  type PreparedBoot,
  type VariantInputs,
  VariantMaker,
  type WantedVariant,
  withPreparedGeneration,
} from "./maker.ts";
export {
  counting,
  ENDS,
  endOf,
  type MeasureFlags,
  measureBoot,
  readsOfImage,
  requireReachable,
  withSignsOf,
} from "./measure.ts";
export { type RootDisk, writeRootDisk } from "./root-disk.ts";
