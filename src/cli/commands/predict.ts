import { Command, Option } from "commander";
import { BANK, type PcrPrediction, type PhaseValue, type Prediction, predict } from "../../attest/index.ts";
import { MemorySource, toHex } from "../../bytes/index.ts";
import { readPe, sectionSource } from "../../formats/pe/index.ts";
import { parsePcrSignatures, policyPcrDigest } from "../../formats/tpm/index.ts";
import { isSignedByPolicyKey } from "../../keys/index.ts";
import { alignedLines } from "../../text/index.ts";
import { sectionText } from "../../uki/index.ts";
import { addPredictionOptions, type PredictionFlags, readPredictionInputs } from "../prediction-inputs.ts";
import { printJson, printResult, printWarnings } from "../terminal.ts";

export function predictCommand(): Command {
  const command = new Command("predict")
    .summary("say what the TPM's PCRs will be")
    .description(
      "Predicts the PCRs (SHA-256) of a machine that boots a unified kernel image, and says what each consists of: 4 the " +
        "programs, 7 Secure Boot, 11 the image's sections and the phases of the boot, 12 and 13 what lies beside it and " +
        "what the first stage measures.",
    )
    .argument("<image>", "a unified kernel image, or the folder of a generation that has one");
  return addPredictionOptions(command).addOption(new Option("--json", "print as JSON").default(false)).action(run);
}

async function run(path: string, flags: PredictionFlags & { readonly json: boolean }): Promise<void> {
  const inputs = await readPredictionInputs(path, flags);
  const prediction = predict(inputs);
  const signed = signedPolicies(inputs.uki.program);
  const isSigned = (pcr: PcrPrediction, { value }: PhaseValue): boolean =>
    signed.has(toHex(policyPcrDigest(BANK, new Map([[pcr.pcr, value]]))));
  printWarnings(prediction.warnings);
  if (flags.json) printJson(factsOf(prediction, isSigned));
  else printResult(describe(inputs.uki.name, prediction, isSigned));
}

type IsSigned = (pcr: PcrPrediction, value: PhaseValue) => boolean;

/** The digests of the policies that the image brings along, with signatures by the key that it brings along, too. */
function signedPolicies(program: Uint8Array): ReadonlySet<string> {
  const source = new MemorySource(program);
  const image = readPe(source);
  const publicKey = sectionText(program, image, ".pcrpkey");
  if (publicKey === undefined) return new Set();
  const signatures = image.sections
    .filter(({ name }) => name === ".pcrsig")
    .flatMap((section) => {
      const content = sectionSource(source, section);
      const text = Buffer.from(content.read(0, content.size)).toString("utf8").replace(/\0+$/, "");
      return parsePcrSignatures(text)[BANK] ?? [];
    });
  const key = Buffer.from(publicKey, "utf8");
  const sound = signatures.filter(({ policyDigest, signature }) => isSignedByPolicyKey(key, policyDigest, signature));
  return new Set(sound.map(({ policyDigest }) => toHex(policyDigest)));
}

function factsOf({ stubVersion, secureBoot, pcrs, warnings }: Prediction, isSigned: IsSigned): object {
  return {
    bank: BANK,
    stubVersion,
    secureBoot,
    pcrs: pcrs.map((pcr) => ({
      pcr: pcr.pcr,
      events: pcr.events.map(({ what, digest }) => ({ what, digest: toHex(digest) })),
      values: pcr.values.map((value) => ({
        phase: value.phase,
        value: toHex(value.value),
        signed: isSigned(pcr, value),
      })),
    })),
    warnings,
  };
}

function describe(name: string, { stubVersion, secureBoot, pcrs }: Prediction, isSigned: IsSigned): string {
  const blocks = pcrs.map((pcr) => {
    const events = pcr.events.map(({ what, digest }) => [toHex(digest), what]);
    const values = pcr.values.map((value) => {
      const phase = value.phase === "" ? "" : `after ${value.phase.replaceAll(":", ", ")}`;
      return [toHex(value.value), [phase, isSigned(pcr, value) ? "policy signed" : ""].filter(Boolean).join("; ")];
    });
    return [`PCR ${pcr.pcr}`, ...alignedLines(events).map((line) => `  ${line}`), ...alignedLines(values)].join("\n");
  });
  const head = `${name}: stub of systemd ${stubVersion}, Secure Boot ${secureBoot ? "on" : "off"}, bank ${BANK}`;
  return [head, ...blocks].join("\n");
}
