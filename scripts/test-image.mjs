// Makes the image of the engine tests: Node, a shell and a few small programs of this host. Prints its name.
import Docker from "dockerode";
import { buildHostImage } from "../examples/host-image.mjs";

const TAG = "gridpost-test:1";
const SMALL = [
  "sh",
  "sleep",
  "cat",
  "echo",
  "env",
  "id",
  "ls",
  "mkdir",
  "head",
  "seq",
  "true",
  "false",
];

const programs = Object.fromEntries(SMALL.map((name) => [name, name]));
await buildHostImage(new Docker(), TAG, { node: process.execPath, ...programs });
console.log(TAG);
