import type { ByteSource } from "../bytes/index.ts";
import type { Architecture } from "../formats/gpt/index.ts";
import type { DriverSelection } from "../kernel/index.ts";
import type { Signer } from "../keys/index.ts";
import type { BuildConfig } from "./config.ts";
import type { SignRootHash } from "./image.ts";
import type { ImageInputs } from "./image-tree.ts";
import type { PreviousGeneration } from "./previous.ts";
import type { ModuleTree } from "./sources.ts";
import type { UkiInputs } from "./uki.ts";

/** A file that was read, and its name for messages. */
export interface InputFile {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** The same of a file that is too large to be held beside what is made of it. */
export interface InputSource {
  readonly path: string;
  readonly source: ByteSource;
}

/** What a generation is made from: bytes, so that the result depends on nothing else. */
export interface BuildInputs {
  readonly kernel: InputFile;
  readonly initrd: InputSource;
  /** Where to look for the kernel's modules, in this order. */
  readonly modules: readonly ModuleTree[];
  /** Whether the initrd's own modules will do where none of these has any; not when somebody named the place. */
  readonly acceptInitrdModules: boolean;
  /** The first stage's program for the kernel's architecture, the one that knows the network or the other one. */
  readonly firstStageProgram: (architecture: Architecture, hasNetwork: boolean) => Uint8Array;
  readonly drivers: DriverSelection;
  /** The disk image that [location] usr names. */
  readonly usr?: InputSource | undefined;
  /** The program that [first-stage] shell names. */
  readonly shell?: InputFile | undefined;
  /** Generations whose images the plan falls back to, in this order. */
  readonly previous?: readonly PreviousGeneration[];
  readonly config: BuildConfig;
  /** What a boot of this initrd read (docs/formats/profile.md): the image is laid out for it. */
  readonly profile?: InputFile | undefined;
  /** What the settings in [image] name. */
  readonly imageInputs?: ImageInputs;
  /** Signs modules, where the settings want that. */
  readonly moduleSigner?: Signer | undefined;
  /** Signs the image's root hash; without it, nobody does. */
  readonly signRootHash?: SignRootHash | undefined;
  /** For a unified kernel image; without them there is none. */
  readonly uki?: UkiInputs | undefined;
  /** For the manifest: "lazyrd 0.1.0". */
  readonly generator: string;
}
