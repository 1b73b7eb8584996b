import { inFile } from "../host/index.ts";
import type { PlannedModule } from "../kernel/index.ts";
import {
  type ModuleSelection,
  modulesOf,
  type NextStage,
  type SelectionOptions,
  selectModules,
} from "../plan/index.ts";
import type { Tree } from "../tree/index.ts";
import type { ModuleFile, ModuleTreatment } from "./first-stage.ts";
import type { ProgressListener } from "./progress.ts";
import {
  findModules,
  lookForModules,
  type ModuleSource,
  type ModuleTree,
  readModules,
  requireSameRelease,
} from "./sources.ts";

/** The modules of a first stage, ready for it. */
export interface ChosenModules {
  readonly source: ModuleSource;
  readonly selection: ModuleSelection;
  readonly modules: readonly PlannedModule[];
  readonly files: readonly ModuleFile[];
}

export interface ModuleWishes extends SelectionOptions {
  readonly release: string;
  /** Where to look for them, in this order. */
  readonly modules: readonly ModuleTree[];
  /** Whether the initrd's own will do where none of these has any. */
  readonly acceptInitrdModules: boolean;
  readonly treatment: ModuleTreatment;
}

/** What is to be known of the initrd, once it has been read. */
interface InitrdFacts {
  readonly path: string;
  readonly tree: Tree;
  readonly nextStage: NextStage;
}

/**
 * Chooses the modules of a first stage and reads them. Mostly that needs nothing of the initrd, and is done while threads
 * unpack it: it waits for `initrd` only where it cannot do without.
 * @throws UsageError for what is not there or does not fit the kernel.
 */
export async function chooseModules(
  wishes: ModuleWishes,
  initrd: Promise<InitrdFacts>,
  progress: ProgressListener,
): Promise<ChosenModules> {
  const { release } = wishes;
  const source = (await lookForModules(wishes.modules, release)) ?? (await findInAll(wishes, initrd));
  const nextStage = wishes.preload ? (await initrd).nextStage : undefined;
  return inFile(source.path, async () => {
    const selection = selectModules(source.database, nextStage, wishes);
    const modules = modulesOf(selection);
    const files = await readModules(source, modules, wishes.treatment, progress);
    requireSameRelease(files, release);
    return { source, selection, modules, files };
  });
}

async function findInAll(wishes: ModuleWishes, initrd: Promise<InitrdFacts>): Promise<ModuleSource> {
  const { path, tree } = await initrd;
  return findModules([...wishes.modules, ...(wishes.acceptInitrdModules ? [{ path, tree }] : [])], wishes.release);
}
