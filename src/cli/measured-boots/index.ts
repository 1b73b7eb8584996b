export {
  type PreparedBoot,
  preparedGeneration,
  type VariantInputs,
  VariantMaker,
  type WantedVariant,
} from "./maker.ts";
export { counting, ENDS, endOf, type MeasureFlags, measureBoot, readsOfImage } from "./measure.ts";
export { type RootDisk, writeRootDisk } from "./root-disk.ts";
