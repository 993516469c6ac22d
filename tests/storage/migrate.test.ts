import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { migrate } from "../../storage/migrate.ts";
import { drivers, type OpenedDb } from "../support/drivers.ts";

describe.each(drivers)("migrations on $name", (driver) => {
  let folder: string;
  let opened: OpenedDb;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "gridpost-migrations-"));
    opened = await driver.open();
  });
  afterEach(async () => {
    await opened.close();
    await rm(folder, { recursive: true });
  });

  const file = (name: string, text: string): Promise<void> => writeFile(join(folder, name), text);
  const run = (): Promise<number[]> => migrate(opened.db, pathToFileURL(`${folder}/`));
  const names = async (): Promise<string[]> =>
    (await opened.db.query<{ name: string }>("select name from e_migrations order by number")).map(
      ({ name }) => name,
    );

  it("applies each file once, in order, and later ones later", async () => {
    await file("0002_second.sql", "alter table one add column b text; create index i on one (b);");
    await file("0001_first.sql", "create table one (a text);");
    expect(await run()).toEqual([1, 2]);
    await file("0003_third.sql", "insert into one values ('x', 'y');");
    expect(await run()).toEqual([3]);
    expect(await run()).toEqual([]);
    expect(await names()).toEqual(["first", "second", "third"]);
  });

  it("keeps nothing of a file that fails, and names the file", async () => {
    await file("0001_first.sql", "create table one (a text);");
    await file("0002_second.sql", "create table two (a text); create table one (a text);");
    await expect(run()).rejects.toThrow(/0002_second.sql: .*one already exists/);
    expect(await names()).toEqual(["first"]);
    await file("0002_second.sql", "create table two (a text);");
    expect(await run()).toEqual([2]);
  });

  it("takes the files of its own database and leaves those of others", async () => {
    await file(`0001_own.${driver.name}.sql`, "create table own (a text);");
    await file("0002_other.nothing.sql", "this is not SQL");
    await file(`0003_other.${driver.name === "sqlite" ? "postgres" : "sqlite"}.sql`, "nor this");
    expect(await run()).toEqual([1]);
  });

  it("refuses a database that a newer version wrote", async () => {
    await file("0001_first.sql", "create table one (a text);");
    await file("0002_second.sql", "create table two (a text);");
    await run();
    await rm(join(folder, "0002_second.sql"));
    await expect(run()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: "this data folder was written by a newer gridpost (schema 2; this version knows 1)",
    });
  });
});
