import { z } from "zod";
import { ByteSize, Duration, durationUpTo, moreThanNothing } from "../contract/duration.ts";
import { Name } from "../contract/ids.ts";
import { areApart, isEachOnce, OutsideIssuer } from "./identity/outside-rules.ts";

/** `127.0.0.1:7411`, `[::1]:7411`, `localhost:0`. */
const Listen = z.string().transform((text, context) => {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined && port <= 65_535) return { host, port };
  context.addIssue({
    code: "custom",
    message: `"${text}" is not HOST:PORT, such as 127.0.0.1:7411`,
  });
  return z.NEVER;
});

const NOT_A_COUNT = "is not a whole number from 1 on";

/** A number of things; also as text, as `--set` gives it. */
const Count = z.preprocess(
  (value) => (typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value),
  z.int(NOT_A_COUNT).min(1, NOT_A_COUNT),
);

/** Networks that the router of proxies knows by name (proxy-addr 2). */
const NETWORKS = ["loopback", "linklocal", "uniquelocal"] as const;

/** Every setting of the server: in `<data>/config.yaml`, the environment, `--set` and flags. */
export const Settings = z.strictObject({
  /** The folder of database, keys, blobs and archive. */
  data: z.string().min(1),
  listen: Listen.prefault("127.0.0.1:7411"),
  log: z
    .strictObject({ level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info") })
    .prefault({}),
  leases: z
    .strictObject({
      /** The shortest lease that is granted; the longest is 7 days. */
      minTtl: durationUpTo(7).prefault("60s"),
      /** How long after a restart, or after half the fleet fell silent at once, nothing expires. */
      startFreeze: Duration.prefault("300s"),
      /** How long a resource stays ungrantable after an expiry or force-release; unset: 30s for files, 60s for others. */
      lockDelay: Duration.optional(),
    })
    .prefault({}),
  sweeps: z
    .strictObject({
      /** A sweep of which nothing is taken up and nothing ends for so long is cancelled. */
      idleTimeout: Duration.pipe(moreThanNothing).prefault("7d"),
    })
    .prefault({}),
  archive: z
    .strictObject({
      /** Where the archive is pushed to, by name; a remote should refuse everything but fast-forwards. */
      remotes: z
        .record(
          Name,
          z.strictObject({
            url: z.string().min(1),
            repository: z
              .string()
              .regex(
                /^(journal|project\/[A-Za-z0-9][A-Za-z0-9._-]{0,63})$/,
                "is journal or project/NAME",
              )
              .default("journal"),
            /** A file that holds the token for the remote; SSH needs none. */
            tokenFile: z.string().optional(),
          }),
        )
        .default({}),
    })
    .prefault({}),
  /** HTTPS by these PEM files; without them plain HTTP, which is for loopback or behind a proxy. */
  tls: z.strictObject({ cert: z.string().min(1), key: z.string().min(1) }).optional(),
  /** Addresses and networks (`10.0.0.0/8`) of proxies whose X-Forwarded-For is believed; separated by commas in --set. */
  trustProxy: z
    .preprocess(
      (value) => (typeof value === "string" ? value.split(",") : value),
      z.array(
        z.union([z.ipv4(), z.ipv6(), z.cidrv4(), z.cidrv6(), z.enum(NETWORKS)], {
          error: `is an address, a network (10.0.0.0/8), or one of ${NETWORKS.join(", ")}`,
        }),
      ),
    )
    .default([]),
  /** Outside issuers (OpenID Connect) whose tokens are accepted; in config.yaml only. */
  oidc: z
    .array(OutsideIssuer)
    .refine(isEachOnce, "each issuer may stand here once")
    .refine(
      areApart,
      "no userPrefix may begin with another: one issuer could name users of the other",
    )
    .default([]),
  limits: z
    .strictObject({
      /** Requests a minute of one principal. */
      requests: Count.default(600_000),
      /** Requests a minute of one address without a token. */
      strangers: Count.default(6_000),
      /** Bytes of request bodies a minute, of one principal or of one address without a token. */
      bytes: ByteSize.prefault("4GiB"),
      /** Open leases of one holder, with its requests that wait for one. */
      leases: Count.default(10_000),
      /** Unread messages in one inbox. */
      unread: Count.default(1_000_000),
    })
    .prefault({}),
});
export type Settings = z.output<typeof Settings>;

/** The environment variables of the server and the settings that they give. */
export const SETTINGS_ENV = {
  GRIDPOST_DATA: "data",
  GRIDPOST_LISTEN: "listen",
  GRIDPOST_LOG_LEVEL: "log.level",
} as const;
