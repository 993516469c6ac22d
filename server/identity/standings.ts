import type { Scope } from "../../contract/scopes.ts";
import type { Query } from "../../storage/db.ts";
import { agentScopes, parsePrincipal, type RoleGrant, scopesOf } from "./rules.ts";
import type { AgentsPort } from "./ports.ts";
import { generationOf, projectByName, rolesOf } from "./store.ts";

/** What the log says about a principal now: the part of authentication that can change while a token lives. */
export interface Standing {
  /** 0: it has no key of its own. */
  readonly generation: number;
  readonly roles: readonly RoleGrant[];
  /** The owner of an agent; null for others and for an agent that does not exist. */
  readonly owner: string | null;
}

/** Standings and scope sets in memory, until an event of identity or of an agent makes them doubtful. */
export interface Standings {
  of(principal: string): Standing | Promise<Standing>;
  /** Scopes of a principal, or of `act` as that agent, for a project (null: on the server). */
  scopes(
    who: { id: string; act: string | null },
    project: string | null,
  ): ReadonlySet<Scope> | Promise<ReadonlySet<Scope>>;
  projectExists(name: string): boolean | Promise<boolean>;
  /** Forgets everything: called after each commit that may have changed a standing. */
  clear(): void;
  /** Changes with each `clear`: what was concluded from standings holds while it is the same. */
  epoch(): number;
}

const MAX_REMEMBERED = 50_000;

export function createStandings(query: Query, agents: AgentsPort): Standings {
  const standings = new Map<string, Standing>();
  const scopes = new Map<string, ReadonlySet<Scope>>();
  const projects = new Set<string>();
  // A read that began before `clear` must not be remembered after it.
  let epoch = 0;
  const of = async (id: string): Promise<Standing> => {
    const begun = epoch;
    const standing = await readStanding(query, agents, id);
    if (begun === epoch) remember(standings, id, standing);
    return standing;
  };
  const compute = async (
    { id, act }: { id: string; act: string | null },
    project: string | null,
  ): Promise<ReadonlySet<Scope>> => {
    const parts = parsePrincipal(id);
    if (parts?.kind === "node") return new Set<Scope>(["node:self"]);
    if (parts?.kind === "agent") {
      const user = act ?? (await known(id)).owner ?? id;
      const owner = user === id ? null : (await known(user)).roles;
      return agentScopes(parts.project ?? "", project, { owner, ownKey: act === null });
    }
    return scopesOf((await known(id)).roles, project);
  };
  const known = (id: string): Standing | Promise<Standing> => standings.get(id) ?? of(id);
  return {
    of: known,
    scopes: (who, project) => {
      const key = `${who.act ?? ""} ${who.id} ${project ?? ""}`;
      const found = scopes.get(key);
      if (found !== undefined) return found;
      const begun = epoch;
      return compute(who, project).then((set) => {
        if (begun === epoch) remember(scopes, key, set);
        return set;
      });
    },
    // Only those that exist are remembered: nothing makes a project cease to exist.
    projectExists: (name) => {
      if (projects.has(name)) return true;
      return projectByName(query, name).then((row) => {
        if (row !== undefined) projects.add(name);
        return row !== undefined;
      });
    },
    clear: () => {
      epoch += 1;
      standings.clear();
      scopes.clear();
    },
    epoch: () => epoch,
  };
}

async function readStanding(query: Query, agents: AgentsPort, id: string): Promise<Standing> {
  const parts = parsePrincipal(id);
  const agent = parts?.kind === "agent" && parts.project !== null;
  return {
    generation: (await generationOf(query, id)) ?? 0,
    roles: await rolesOf(query, id),
    owner: agent
      ? ((await agents.find(query, parts.project ?? "", parts.name))?.owner ?? null)
      : null,
  };
}

function remember<T>(map: Map<string, T>, key: string, value: T): void {
  if (map.size >= MAX_REMEMBERED) map.clear();
  map.set(key, value);
}
