import type { Fault } from "../contract/fault.ts";

/** Thrown inside of a verification to end it at the first fault. */
export class FaultFound extends Error {
  readonly where: Partial<Omit<Fault, "problem">>;

  constructor(problem: string, where: Partial<Omit<Fault, "problem">> = {}) {
    super(problem);
    this.name = "FaultFound";
    this.where = where;
  }
}
