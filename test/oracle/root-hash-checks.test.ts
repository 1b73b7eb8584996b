import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { decompress, detectCompression } from "../../src/formats/compression/index.ts";
import { parseKernelConfig, rootHashChecks } from "../../src/kernel/index.ts";
import { type KernelFlavour, kernelFixture } from "../support/fixtures.ts";

/** The module as the kernel loads it. */
async function verityModule(flavour: KernelFlavour): Promise<Uint8Array> {
  const folder = join(kernelFixture(flavour).modules, "kernel/drivers/md");
  const name = readdirSync(folder).find((entry) => entry.startsWith("dm-verity.ko"));
  if (name === undefined) throw new Error(`${folder} has no dm-verity`);
  const file = readFileSync(join(folder, name));
  return detectCompression(file) === undefined ? file : (await decompress(file)).output;
}

test.each<KernelFlavour>(["6.12-amd64", "6.1-amd64", "6.1-cloud-amd64"])(
  "the code of dm_verity in %s says the same as its configuration",
  async (flavour) => {
    const config = parseKernelConfig(readFileSync(kernelFixture(flavour).config));
    const isSet = (symbol: string) => config.get(`CONFIG_DM_VERITY_VERIFY_ROOTHASH_SIG${symbol}`) === "y";
    expect(rootHashChecks(await verityModule(flavour))).toEqual({
      checksSignatures: isSet(""),
      trustsPlatform: isSet("_PLATFORM_KEYRING"),
    });
  },
);
