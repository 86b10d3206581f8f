import { cpuUsage } from "node:process";

/** Return how many milliseconds of CPU work takes, whatever runs beside it. */
export function cpuMsOf(work: () => void): number {
  const before = cpuUsage();
  work();
  const { user, system } = cpuUsage(before);
  return (user + system) / 1000;
}
