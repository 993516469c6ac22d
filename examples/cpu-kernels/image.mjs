#!/usr/bin/env node
// Makes the image of this sweep in the engine of DOCKER_HOST: the Node that runs this script, and its libraries.
import Docker from "dockerode";
import { buildHostImage } from "../host-image.mjs";

const TAG = "gridpost-cpu-kernels:1";

try {
  console.log(`${TAG}: ${await buildHostImage(new Docker(), TAG, { node: process.execPath })}`);
} catch (error) {
  console.error(`${TAG}: ${String(error)}`);
  process.exitCode = 1;
}
