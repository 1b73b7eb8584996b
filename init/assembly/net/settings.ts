/** More name servers are not asked: whoever has three that fail has another problem. */
export const MOST_NAME_SERVERS: i32 = 3;

/** How this machine takes part in an IPv4 network, whoever said so: the plan, the command line, a DHCP server. */
@final
export class Settings {
  /** 0 is none, for all addresses. */
  address: u32 = 0;
  prefix: i32 = 0;
  gateway: u32 = 0;
  /** 0: as the driver has it. */
  mtu: i32 = 0;
  readonly nameServers: StaticArray<u32> = new StaticArray<u32>(MOST_NAME_SERVERS);
  nameServerCount: i32 = 0;

  addNameServer(address: u32): void {
    if (address == 0 || this.nameServerCount == MOST_NAME_SERVERS) return;
    this.nameServers[this.nameServerCount++] = address;
  }
}

export const settings = new Settings();
