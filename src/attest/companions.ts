import { EVENT_TYPES } from "../formats/tpm/index.ts";
import { type ExpectedEvent, measured, wideText } from "./expected.ts";
import { type StubFile, stubArchive } from "./stub-archive.ts";

/** The PCR of what changes a boot from outside of the image: command line, credentials, settings. */
export const KERNEL_CONFIG_PCR = 12;
/** The PCR of system extensions. */
export const EXTENSION_PCR = 13;

/** What systemd-stub finds beside a unified kernel image, and is told. */
export interface Companions {
  /** What the boot loader passes on; a stub takes it for the command line, unless Secure Boot protects the image's own. */
  readonly loadOptions?: string | undefined;
  /** Command lines of addons, in the stub's order: those for all images first, each by name. */
  readonly addonCommandLines?: readonly string[] | undefined;
  readonly credentials?: readonly StubFile[] | undefined;
  readonly globalCredentials?: readonly StubFile[] | undefined;
  readonly systemExtensions?: readonly StubFile[] | undefined;
  readonly configurationExtensions?: readonly StubFile[] | undefined;
}

/** Which command line counts, for the stub's versions and Secure Boot. */
export interface CompanionFacts {
  readonly profile: number;
  readonly secureBoot: boolean;
  readonly hasCommandLine: boolean;
}

/** What the stub measures besides its sections, in its order. */
export function companionEvents(companions: Companions, facts: CompanionFacts): ExpectedEvent[] {
  const { profile, secureBoot, hasCommandLine } = facts;
  const { loadOptions = "", addonCommandLines = [] } = companions;
  const config = (type: number, content: Uint8Array, what: string) => measured(KERNEL_CONFIG_PCR, type, content, what);
  const { EV_IPL, EV_EVENT_TAG } = EVENT_TYPES;
  const replaces = loadOptions !== "" && !(secureBoot && hasCommandLine);
  const addons = addonCommandLines.map(clean).filter((line) => line !== "");
  return [
    ...(profile === 0 ? [] : [config(EV_EVENT_TAG, wideText(String(profile)), `number of the profile, ${profile}`)]),
    ...(replaces ? [config(EV_IPL, wideText(loadOptions), `command line of the boot loader, ${loadOptions}`)] : []),
    ...(addons.length === 0
      ? []
      : [config(EV_IPL, wideText(addons.join(" ")), `command line of addons, ${addons.join(" ")}`)]),
    ...archive(KERNEL_CONFIG_PCR, "credentials", companions.credentials),
    ...archive(KERNEL_CONFIG_PCR, "global_credentials", companions.globalCredentials),
    ...archive(EXTENSION_PCR, "sysext", companions.systemExtensions),
    ...archive(KERNEL_CONFIG_PCR, "confext", companions.configurationExtensions),
  ];
}

function archive(
  pcr: number,
  folder: Parameters<typeof stubArchive>[0],
  files: readonly StubFile[] = [],
): ExpectedEvent[] {
  if (files.length === 0) return [];
  const names = files.map(({ name }) => name).join(", ");
  return [measured(pcr, EVENT_TYPES.EV_IPL, stubArchive(folder, files), `archive of ${folder}: ${names}`)];
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what the stub replaces
const CONTROL_CHARACTERS = /[\x01-\x1f]/g;

/** As the stub cleans a command line (mangle_stub_cmdline). */
function clean(line: string): string {
  return (line.split("\0", 1)[0] ?? "").replaceAll(CONTROL_CHARACTERS, " ").trim();
}
