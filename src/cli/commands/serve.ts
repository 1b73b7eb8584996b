import { Command, InvalidArgumentError } from "commander";
import { readGeneration } from "../../build/index.ts";
import { onInterrupt, type ServerAddress } from "../../host/index.ts";
import { serveGeneration } from "../served-image.ts";
import { printResult, printStep } from "../terminal.ts";

const DEFAULT_ADDRESS = "0.0.0.0:8080";
const LAST_PORT = 65535;

interface ServeFlags {
  readonly listen: ServerAddress;
}

export function serveCommand(): Command {
  return new Command("serve")
    .summary("serve a generation's image to machines that boot over the network")
    .description(
      "Serves the image by HTTP, with ranges, until it is interrupted: as image.raw, and under the names that the plan " +
        "asks for. For trying; any web server does the same.",
    )
    .argument("<generation>", "the folder that lazyrd build wrote")
    .option("--listen <host:port>", "where to listen", parseAddress, parseAddress(DEFAULT_ADDRESS))
    .action(run);
}

async function run(folder: string, { listen }: ServeFlags): Promise<void> {
  const generation = readGeneration(folder);
  const server = await serveGeneration(generation, listen, ({ path, status, from }) =>
    printStep(`${from} ${path} ${status}`),
  );
  const { host, port } = server.address;
  printResult(`Serving ${generation.path("image")} on http://${host}:${port}/image.raw`);
  onInterrupt(() => server.close());
}

function parseAddress(text: string): ServerAddress {
  const [, host = "", digits = ""] = /^([^\s:]+):(\d{1,5})$/.exec(text) ?? [];
  const port = Number(digits);
  if (host === "" || port > LAST_PORT) throw new InvalidArgumentError("Expected HOST:PORT, for instance 0.0.0.0:8080.");
  return { host, port };
}
