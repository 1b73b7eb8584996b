import type { ByteString } from "../bytes/index.ts";
import type { ModuleDatabase } from "./database.ts";

/** How the kernel calls the plain C implementation of an algorithm, next to those for special processors. */
const GENERIC_SUFFIX = "_generic";

export type Providers =
  | { readonly kind: "builtin"; readonly name: ByteString }
  | { readonly kind: "modules"; readonly names: readonly ByteString[] }
  | { readonly kind: "absent" };

/**
 * Which of the modules behind a name or alias to load. One rule for all aliases:
 * 1. something built in provides it: nothing to load;
 * 2. one module provides it: that one;
 * 3. several do: the one called `*_generic`, since it works on every processor, where the others refuse to load on
 *    the wrong one, and each module loaded costs boot time;
 * 4. several without a generic one: all, in the order of modules.alias, as modprobe does.
 */
export function chooseProviders(database: ModuleDatabase, alias: ByteString): Providers {
  const candidates = database.resolveAlias(alias);
  // A file counts before what is built in, in case both are called the same (resolveAlias looks in this order).
  const builtin = candidates.find((name) => database.isBuiltin(name) && !database.has(name));
  if (builtin !== undefined) return { kind: "builtin", name: builtin };
  if (candidates.length === 0) return { kind: "absent" };
  const generic = candidates.find((name) => name.endsWith(GENERIC_SUFFIX));
  return { kind: "modules", names: generic === undefined ? candidates : [generic] };
}
