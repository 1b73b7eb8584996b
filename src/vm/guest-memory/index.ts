export { GuestMemory, SHARED_MEMORY_MACHINE, sharedMemoryArguments } from "./open.ts";
