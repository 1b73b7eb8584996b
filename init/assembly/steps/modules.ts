import * as kernel from "../kernel";
import { Step } from "../plan";
import { because, outcome, problem } from "../report";
import { PATH_MAX, Text, Writer, path } from "../text";

/** One kernel module that the first stage carries. */
@final
class Module {
  loaded: bool = false;

  constructor(readonly name: Text) {}
}

const modules: Module[] = [];
const file = new Writer(PATH_MAX);
let loadedCount = 0;
/** Why the last module that was not loaded was not: -errno. */
let lastRefusal: i32 = 0;

/** How many modules have been loaded so far. */
export function modulesLoaded(): i32 {
  return loadedCount;
}

/** `modules NAME...`: loads these modules in this order. */
export function modulesStep(step: Step): bool {
  for (let i = 1; i < step.words.length; i++) if (!loadModule(step.words[i])) return false;
  outcome().number(step.words.length - 1).literal(" loaded");
  return true;
}

/**
 * `try-modules NAME...`: like `modules`, but one that answers that this machine has no use for it (ENODEV: a
 * processor without the instructions) is passed over.
 */
export function tryModulesStep(step: Step): bool {
  let loaded = 0;
  for (let i = 1; i < step.words.length; i++) {
    if (loadModule(step.words[i])) loaded++;
    else if (!foundNoUse()) return false;
  }
  outcome().number(loaded).literal(" loaded");
  return true;
}

/**
 * Loads /lazyrd/modules/NAME.ko unless that was done before. One that the kernel has already (loaded by an
 * earlier stage, or built in after all) is no fault.
 */
export function loadModule(name: Text): bool {
  const module = moduleOf(name);
  if (module.loaded) return true;
  file.reset().literal("/lazyrd/modules/").text(name).literal(".ko");
  const descriptor = kernel.openat(kernel.AT_FDCWD, file.path(), kernel.O_RDONLY | kernel.O_CLOEXEC, 0);
  lastRefusal = descriptor;
  if (descriptor < 0) return because(problem("cannot open the module ").text(file.toText()), descriptor);
  lastRefusal = kernel.finitModule(descriptor, path(""), 0);
  kernel.close(descriptor);
  if (lastRefusal < 0 && lastRefusal != -kernel.EEXIST) {
    return because(problem("the kernel refused the module ").text(name), lastRefusal);
  }
  module.loaded = true;
  loadedCount++;
  return true;
}

/** Whether the last module that was not loaded answered that this machine has no use for it. */
export function foundNoUse(): bool {
  return lastRefusal == -kernel.ENODEV;
}

function moduleOf(name: Text): Module {
  for (let i = 0; i < modules.length; i++) if (modules[i].name.same(name)) return modules[i];
  const module = new Module(name);
  modules.push(module);
  return module;
}
