import { expect, it } from "vitest";
import { newId } from "../../contract/ids.ts";
import type { SearchIndex } from "../../storage/search.ts";
import { drivers } from "../support/drivers.ts";
import { openMigrated } from "../support/log-bench.ts";
import { openPostOffice } from "../support/post-office.ts";

/** An index in which everything fits. */
const endless: Pick<SearchIndex, "search"> = {
  search: ({ limit }) =>
    Promise.resolve({
      hits: Array.from({ length: limit }, () => ({ id: newId(), snippet: null })),
      newestOnly: false,
    }),
};

it.each(drivers)("a search that ends before all is found says so on $name", async (driver) => {
  const opened = await openMigrated(driver);
  const office = openPostOffice({ ...opened, search: endless as SearchIndex });
  const { red } = await office.agents("red");
  const page = async (skip: number) =>
    red.search({ query: { q: "x", order: "recent", limit: 100, after: `${skip}:${newId()}` } });
  expect(await page(1_800)).toMatchObject({ next: expect.any(String), notes: [] });
  const last = await page(1_900);
  expect(last.next).toBeNull();
  expect(last.notes.join()).toContain("only the first 2000");
  await opened.close();
});
