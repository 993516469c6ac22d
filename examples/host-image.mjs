// Container images without a registry: programs of this Linux host and the libraries that they load, nothing else.
import { createHash } from "node:crypto";
import { execFileSync, spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const CONTENT_LABEL = "gridpost.content";
const SEARCH = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/** Where this host keeps a program; a path is taken as it is. */
function locate(program) {
  if (program.startsWith("/")) return realpathSync(program);
  const found = SEARCH.map((folder) => join(folder, program)).find((path) => existsSync(path));
  if (!found) throw new Error(`${program} is not on this host; looked in ${SEARCH.join(", ")}`);
  return realpathSync(found);
}

/** The libraries of a program and its loader; none for one that is linked statically. */
function librariesOf(binary) {
  try {
    const text = execFileSync("ldd", [binary], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return text.match(/\/[^ ]+\.so[^ ]*/g) ?? [];
  } catch {
    return [];
  }
}

/** `{ path in the image: path on the host }` for the programs, all in /usr/bin, and their libraries. */
function contents(programs) {
  const files = {};
  for (const [name, source] of Object.entries(programs)) {
    const binary = locate(source);
    files[`/usr/bin/${name}`] = binary;
    for (const library of librariesOf(binary)) files[library] = realpathSync(library);
  }
  return files;
}

function digest(files) {
  const hash = createHash("sha256");
  for (const path of Object.keys(files).toSorted()) {
    hash
      .update(`${path}\0`)
      .update(createHash("sha256").update(readFileSync(files[path])).digest());
  }
  return hash.digest("hex");
}

/** A tar of the files, the same bytes for the same files. */
async function withTar(files, use) {
  const folder = mkdtempSync(join(tmpdir(), "gridpost-image-"));
  try {
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      cpSync(source, join(folder, path));
    }
    const same = [
      "--sort=name",
      "--mtime=@0",
      "--owner=0",
      "--group=0",
      "--numeric-owner",
      "--mode=a+rX",
    ];
    const tar = spawn("tar", ["-C", folder, ...same, "-c", "."], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    return await use(tar.stdout);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function labelOf(docker, tag) {
  try {
    return (await docker.getImage(tag).inspect()).Config?.Labels?.[CONTENT_LABEL];
  } catch (error) {
    if (error.statusCode === 404) return undefined;
    throw error;
  }
}

/**
 * Makes the image `tag` (`name:version`) hold these programs, unless it already does.
 * @param docker a dockerode client
 * @param {string} tag
 * @param {Record<string, string>} programs name in the image -> program of this host, by name or absolute path
 * @returns {Promise<"built" | "present">}
 */
export async function buildHostImage(docker, tag, programs) {
  if (process.platform !== "linux")
    throw new Error("an image of host programs can be made on Linux only");
  const files = contents(programs);
  const content = digest(files);
  if ((await labelOf(docker, tag)) === content) return "present";
  const [repo, version] = tag.split(":");
  const changes = ["ENV PATH=/usr/bin", `LABEL ${CONTENT_LABEL}=${content}`];
  await withTar(files, async (tar) => {
    const reply = await docker.importImage(tar, { fromSrc: "-", repo, tag: version, changes });
    await new Promise((resolve, reject) =>
      docker.modem.followProgress(reply, (error) => (error ? reject(error) : resolve())),
    );
  });
  return "built";
}
