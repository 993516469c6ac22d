import type { Dialect } from "../storage/db.ts";
import { fold } from "./names.ts";
import { isGroup } from "./recipients.ts";
import type { SearchFilters } from "./search-query.ts";
import { type Viewer, visible } from "./visibility.ts";

export interface SearchScope {
  readonly viewer: Viewer;
  /** The highest id of a message to find. */
  readonly newest: string;
  readonly wanted: SearchFilters;
  readonly unwanted: SearchFilters;
}

/** A condition over `m`, a row of `p_messages`. */
export interface Condition {
  readonly where: string;
  readonly values: readonly unknown[];
}

/** What a found message must be beside its text: visible to the caller, and as the filters say. */
export function searchCondition(
  dialect: Dialect,
  { viewer, newest, wanted, unwanted }: SearchScope,
): Condition {
  const values: unknown[] = [viewer.project, JSON.stringify(viewer.agents), newest];
  const bind = (value: unknown): string => `$${values.push(value)}`;
  const agents = dialect.list("$2");
  const parts = ["m.project = $1", visible("m", agents), "m.id <= $3"];
  const predicates = predicatesOf({ dialect, agents, bind });
  parts.push(...predicates(wanted), ...predicates(unwanted).map((part) => `not ${part}`));
  return { where: parts.join(" and "), values };
}

interface Binding {
  readonly dialect: Dialect;
  readonly agents: string;
  readonly bind: (value: unknown) => string;
}

const predicatesOf =
  ({ dialect, agents, bind }: Binding) =>
  ({ from, to, thread, importance, before, after, attachment }: SearchFilters): string[] => {
    const any = (names: readonly string[]): string => dialect.list(bind(JSON.stringify(names)));
    // A bcc counts only for those who see it: the sender and the recipient itself.
    const addressed = (names: readonly string[]): string => {
      const wanted = any(names);
      const delivered = `exists (select 1 from p_deliveries td where td.message = m.id and lower(td.agent) in ${wanted}
        and (td.kind <> 'bcc' or td.agent in ${agents} or m.sender in ${agents}))`;
      if (!names.some(isGroup)) return delivered;
      // A group, and everybody, stand nowhere but in what the sender wrote.
      const written = (list: string): string =>
        `exists (select 1 from ${dialect.list(`m.${list}`)} one where lower(one.value) in ${wanted})`;
      return `(${delivered} or ${written("to_list")} or ${written("cc_list")}
        or (m.sender in ${agents} and ${written("bcc_list")}))`;
    };
    return [
      ...(from.length > 0 ? [`lower(m.sender) in ${any(from.map(fold))}`] : []),
      ...(to.length > 0 ? [addressed(to.map(fold))] : []),
      ...(thread.length > 0 ? [`m.thread in ${any(thread)}`] : []),
      ...(importance.length > 0 ? [`m.importance in ${any(importance)}`] : []),
      ...before.map((at) => `m.at < ${bind(at)}`),
      ...after.map((at) => `m.at >= ${bind(at)}`),
      ...(attachment.length > 0
        ? ["exists (select 1 from p_attachments ta where ta.message = m.id)"]
        : []),
    ];
  };
