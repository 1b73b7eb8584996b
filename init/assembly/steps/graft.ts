import { DirectoryReader, makeDirectory } from "../files";
import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Writer, path } from "../text";
import { copyFile } from "../copy";
import { Stat } from "../stat";

const entries = new DirectoryReader();
const from = new Writer(PATH_MAX);
const to = new Writer(PATH_MAX);
const stat = new Stat();

/**
 * `graft SOURCE TARGET`: shows every entry of SOURCE's top directory in TARGET: directories by bind mount,
 * symbolic links and files as copies. SOURCE itself is then detached.
 *
 * For an initrd that leaves with klibc's run-init or busybox's switch_root: these insist that "/" is a tmpfs or
 * ramfs and empty it, sparing what is on other file systems. So "/" is a tmpfs, and all content is elsewhere.
 */
export function graftStep(step: Step): bool {
  const source = step.word(1);
  const place = step.word(2);
  from.reset().text(source);
  const result = entries.open(kernel.AT_FDCWD, from.path());
  if (result < 0) return because(problem("cannot open ").text(source), result);
  while (entries.next()) {
    from.reset().text(source).literal("/").bytes(entries.name, entries.nameLength);
    to.reset().text(place).literal("/").bytes(entries.name, entries.nameLength);
    const grafted = graft();
    if (grafted < 0) {
      entries.close();
      return because(problem("cannot show ").text(from.toText()).literal(" at ").text(to.toText()), grafted);
    }
  }
  if (entries.fault < 0) return because(problem("cannot list ").text(source), entries.fault);
  outcome().text(source).literal(" at ").text(place);
  kernel.umount2(from.reset().text(source).path(), kernel.MNT_DETACH);
  return true;
}

/** 0 or -errno. */
function graft(): i32 {
  const result = stat.read(kernel.AT_FDCWD, from.path());
  if (result < 0) return result;
  if (!stat.isDirectory) return copyFile(kernel.AT_FDCWD, from.path(), to.path(), stat);
  const made = makeDirectory(to.path(), stat.mode & 0o7777);
  if (made < 0) return made;
  return kernel.mount(from.path(), to.path(), path(""), kernel.MS_BIND, 0);
}
