import { Command } from "commander";
import { encodeProfile, mergeProfiles, type Profile } from "../../profile/index.ts";
import { counted } from "../../text/index.ts";
import { profileOfReads, profileOfTouched } from "../../trace/index.ts";
import { printResult } from "../terminal.ts";
import { writeTextFile } from "../text-file.ts";
import { IMAGE_OPTION, mapOf, readTrace } from "../traces.ts";

interface ProfileFlags {
  readonly output: string;
  readonly image?: string;
}

export function profileCommand(): Command {
  return new Command("profile")
    .summary("make of traces the order in which an image should hold its files")
    .description(
      "Turns traces into a profile: which files were used, in which order. lazyrd build --profile puts these first, " +
        "in that order. Several traces are merged: what later ones have beyond the first follows it.",
    )
    .argument("<traces...>", "what lazyrd trace wrote")
    .requiredOption("-o, --output <file>", "the profile")
    .addOption(IMAGE_OPTION())
    .action(run);
}

async function run(paths: string[], flags: ProfileFlags): Promise<void> {
  const profiles: Profile[] = [];
  for (const path of paths) {
    const trace = await readTrace(path);
    profiles.push(profileOfTouched(trace) ?? profileOfReads(trace, await mapOf(trace, flags.image)));
  }
  const profile = mergeProfiles(profiles);
  writeTextFile(flags.output, encodeProfile(profile), { beginning: "lazyrd-profile " });
  const files = new Set(profile.entries.map(({ path }) => path)).size;
  printResult(`${flags.output}: ${counted(files, "entry", "entries")} of the image`);
}
