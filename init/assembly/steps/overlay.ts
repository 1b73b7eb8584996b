import { makeDirectory } from "../files";
import { detachMount, mountAt } from "../mounts";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";

const target = new Writer(PATH_MAX);
const writable = new Writer(PATH_MAX);
const options = new Writer(PATH_MAX);

const COLON: u8 = 0x3a;

/** Where the file system of memory is mounted while the overlay is made. */
const WRITABLE: string = "/lazyrd/writable";

/**
 * `overlay TARGET lower=PATH[:PATH...] [size=LIMIT]`: the read-only file systems at `lower`, the first on top, with a
 * file system of memory over them, at TARGET.
 *
 * The overlay holds all of them by itself, so the mounts it was made from are detached: when the next stage leaves the
 * overlay, the kernel frees the memory and closes the image without anybody's help.
 */
export function overlayStep(step: Step): bool {
  const place = step.word(1);
  const from = step.option("lower");
  if (from === null) {
    problem("the plan's line lacks lower=");
    return false;
  }
  if (!mountWritable(step.option("size"))) return false;

  target.reset().text(place);
  let result = makeDirectory(target.path(), 0o755);
  if (result < 0) return because(problem("cannot make ").text(place), result);
  options.reset().literal("lowerdir=").text(from);
  options.literal(",upperdir=").text(writable.toText()).literal("/upper");
  options.literal(",workdir=").text(writable.toText()).literal("/work");
  const data = options.path();
  result = mountAt(path("lazyrd"), place, typeName("overlay"), 0, data);
  if (result < 0) return because(problem("cannot mount the overlay at ").text(place), result);
  outcome().text(place).literal(" over ").text(from);
  detachMount(writable.toText());
  detachAll(from, place);
  return true;
}

/** Detaches what is mounted at the layers' places; not at the overlay's own, where by now the overlay is. */
function detachAll(layers: Text, place: Text): void {
  let from = 0;
  for (let i = 0; i <= layers.length; i++) {
    if (i < layers.length && layers.at(i) != COLON) continue;
    const layer = layers.slice(from, i);
    from = i + 1;
    if (!layer.same(place)) detachMount(layer);
  }
}

/** The file system of memory that takes what is written, with the two folders an overlay needs. */
function mountWritable(size: Text | null): bool {
  writable.reset().literal(WRITABLE);
  const base = writable.length;
  let result = makeDirectory(writable.path(), 0o755);
  if (result < 0) return because(problem("cannot make ").text(writable.toText()), result);
  options.reset().literal("mode=0755");
  if (size !== null) options.literal(",size=").text(size);
  const data = options.path();
  result = mountAt(path("lazyrd"), writable.toText(), typeName("tmpfs"), 0, data);
  if (result < 0) return because(problem("cannot mount a tmpfs"), result);
  result = makeDirectory(writable.literal("/upper").path(), 0o755);
  if (result >= 0) result = makeDirectory(writable.truncate(base).literal("/work").path(), 0o755);
  writable.truncate(base);
  return result >= 0 || because(problem("cannot prepare the tmpfs"), result);
}

const type = new Writer(16);

function typeName(name: string): usize {
  return type.reset().literal(name).path();
}
