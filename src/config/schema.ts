/** The settings of a node: what each may be, and what it is where nobody says anything. */
import { isIP } from 'node:net'
import { join, resolve } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import bs58 from 'bs58'
import envPaths from 'env-paths'
import { z } from 'zod'
import { koiiToRoe, roeToKoii } from './koii.ts'
import { hasIpv4, loopbackHost, tcpOn } from './loopback.ts'
import { type ParamsError, paramsOf, typedParams } from './params.ts'

const address = z.string({ error: 'should be an address: 32 bytes in base58' }).refine((text) => {
  try {
    return bs58.decode(text).length === 32
  } catch {
    return false
  }
}, 'should be 32 bytes in base58')

const A_MADDR = 'should be a multiaddr such as /ip4/203.0.113.7/tcp/4001'
/** What the node speaks. Another one would be passed over without a word. */
const SPOKEN = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'tcp', 'tls', 'sni', 'ws', 'wss', 'http-path', 'p2p'])

const maddr = z.string({ error: A_MADDR }).superRefine((text, context) => {
  try {
    const names = multiaddr(text)
      .getComponents()
      .map(({ name }) => name)
    const unspoken = names.find((name) => !SPOKEN.has(name))
    if (unspoken != null || !names.includes('tcp')) {
      const what = unspoken == null ? 'has no TCP port' : `has ${unspoken} in it`
      context.addIssue({
        code: 'custom',
        message: `"${text}" ${what}, and nodes speak TCP and WebSocket only: ${A_MADDR}, or with /ws at its end`
      })
    }
  } catch {
    context.addIssue({ code: 'custom', message: A_MADDR })
  }
})

const httpUrl = z
  .string({ error: 'should be an http(s) URL such as http://127.0.0.1:8899' })
  .refine((text) => /^https?:\/\/[^\s/]+/.test(text) && URL.canParse(text), 'should be an http(s) URL such as http://127.0.0.1:8899')

const AN_AMOUNT = 'should be an amount in KOII such as 2 or 0.25'

/** In KOII where it is set, in ROE where it is used. */
const amount = z.union([z.string(), z.number().transform(String)], { error: AN_AMOUNT }).transform((text, context) => {
  try {
    return koiiToRoe(text)
  } catch (err) {
    context.addIssue({ code: 'custom', message: err instanceof Error ? err.message : String(err) })
    return z.NEVER
  }
})

/** Environment variables and flags come as text. */
const flag = z.union([z.boolean(), z.enum(['true', 'false', '1', '0']).transform((text) => text === 'true' || text === '1')], {
  error: 'should be true or false'
})
const whole = (min: number, max: number) => {
  const error = `should be a whole number from ${min} to ${max}`
  const number = z.number({ error }).int({ error }).min(min, { error }).max(max, { error })
  return z.preprocess((value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value), number)
}
const text = () =>
  z
    .string({ error: 'should be text' })
    .min(1, { error: 'should not be empty' })
    .refine((value) => !value.includes('\0'), 'should be without zero bytes')
export const split = (value: unknown) => (typeof value === 'string' ? value.split(',').filter((part) => part !== '') : value)
const list = <T extends z.ZodType>(item: T) => z.preprocess(split, z.array(item, { error: 'should be a list, or text with commas' }))

const KEPT = 'should be all, or a whole number from 3'
const AN_IP = 'should be an IP address of this machine, such as 127.0.0.1 or ::1'
/** All interfaces: those of IPv4, or those of IPv6 where there are no others. */
const ANYWHERE = () => (hasIpv4() ? '0.0.0.0' : '::')

export const schema = z.strictObject({
  /** The JSON-RPC endpoints of K2, the same chain behind each: no default, as a node without a chosen chain is a mistake. */
  k2: z.preprocess(split, z.array(httpUrl, { error: 'should be a URL, or a list of some' }).min(1, 'should be at least one URL')),
  /** The settlement program on that chain; the local K2 has the default one at genesis. */
  program: address.optional(),
  /** The task's address on K2. */
  task: address,
  /** State of this node: one folder per staking key. */
  dataDir: text()
    .transform((path) => resolve(path))
    .default(() => join(envPaths('koii-mesh', { suffix: '' }).data, 'node')),
  /** The staking key's file, as the Solana CLI writes it; without it one is made in the data directory. */
  key: text().optional(),
  /** The socket of a signer process, which has the staking key instead: none, as that is one process more to run. */
  signer: text()
    .transform((path) => resolve(path))
    .optional(),
  /** TCP and WebSocket on free ports: several nodes can share a machine, and the stake account tells peers the way. */
  listen: list(maddr).default(() => [tcpOn(ANYWHERE()), `${tcpOn(ANYWHERE())}/ws`]),
  /** What to tell others instead of the listening addresses, for a node behind a forwarded port. */
  announce: list(maddr).default([]),
  /** Peers to try besides those that K2 names: none, as the stake accounts are the way in. */
  bootstrap: list(maddr).default([]),
  /** Dial and announce private and loopback addresses: off, as scans of private ranges make hosters cut nodes off. */
  allowPrivate: flag.default(false),
  /** Answer DHT queries for others: on, as a private DHT of few nodes needs every one of them; off on very small machines. */
  dhtServer: flag.default(true),
  /** Staked peers to hold connections to: gossipsub's mesh degree (8) plus some to graft from. */
  minPeers: whole(1, 1000).default(12),
  /** All connections together: a home router's table and a small machine's memory hold this many. */
  maxConnections: whole(4, 10_000).default(100),
  /** Cycles whose proofs are kept after finalization: Koii asks for three rounds at least. */
  keepCycles: whole(3, 10_000).default(3),
  /** Finalized cycles whose records and ledgers are kept: all, as a ledger can be audited only along the chain, and a cycle takes 2 KB. */
  keepRecords: z
    .preprocess(
      (value) => (typeof value === 'string' && /^\d+$/.test(value) ? Number(value) : value),
      z.union([z.literal('all'), z.number().int({ error: KEPT }).min(3, { error: KEPT })], { error: KEPT })
    )
    .default('all'),
  /** The most that proofs and records may take on disk, records a quarter of it: then the oldest go. */
  quotaMiB: whole(16, 10_000_000).default(2048),
  /** KiB a second that peers without stake are served together: newcomers fetch code by it, and strangers must not fill the uplink. */
  serveUnstakedKib: whole(16, 10_000_000).default(1024),
  /** Memory of the task's process; more is killed, and costs the cycle. */
  taskMemoryMiB: whole(32, 1_000_000).default(256),
  /** The task's key-value store. */
  taskStoreMiB: whole(1, 1_000_000).default(64),
  /** Let a task whose manifest asks for it use the network: off until the operator has read the task. */
  allowNetwork: flag.default(false),
  /** A local copy of the task's bundle: only its author needs it, others fetch it by CID from their peers. */
  bundle: text().optional(),
  /** Run a new bundle as soon as it counts: on, as a node that does not misses cycles; off for who reads code before it runs. */
  followBundle: flag.default(true),
  /** Have K2 take what finalized ledgers say that others have lost, when it is our turn: on, as else nobody loses it. */
  applySlashes: flag.default(true),
  /** In KOII: what a vote, a batch or a slash that does not land may bid on top of its signatures, each: ten signatures' worth. */
  maxFee: amount.default(50_000n),
  /** The task's parameters, where it fixes none itself: most nodes get them with its bundle, and only an author gives them. */
  params: z
    .unknown()
    .transform((value, context) => {
      try {
        return typeof value === 'string' ? typedParams(value) : paramsOf(value)
      } catch (err) {
        context.addIssue({ code: 'custom', message: (err as ParamsError).message })
        return z.NEVER
      }
    })
    .optional(),
  /** Where the control API listens: on loopback, as it is for this machine; elsewhere its token goes over the network as it is. */
  apiHost: z
    .string({ error: AN_IP })
    .refine((host) => isIP(host) !== 0, AN_IP)
    .default(() => loopbackHost()),
  /** Port of the control API: 0 takes a free one, and `koii-mesh status` finds it by the data directory. */
  apiPort: whole(0, 65_535).default(0),
  logLevel: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'], { error: 'should be trace, debug, info, warn, error or silent' })
    .default('info')
})

/** All settings, as they are for one task. */
export type TaskConfig = z.output<typeof schema>
export type ConfigKey = keyof TaskConfig

export const CONFIG_KEYS = Object.keys(schema.shape) as ConfigKey[]

/** What a task of several may have of its own. */
export const OWN_KEYS = [
  ...['key', 'signer', 'bundle', 'params', 'allowNetwork', 'followBundle', 'keepCycles', 'keepRecords', 'quotaMiB'],
  ...['taskMemoryMiB', 'taskStoreMiB', 'applySlashes', 'maxFee', 'minPeers']
] as ConfigKey[]

/** What is of one task alone, and never for all. */
export const ONE_TASK_KEYS = ['bundle', 'params'] as const

/** What a setting is where nobody says anything, as it would be typed; undefined where that is nothing, or off. */
export function defaultOf(key: ConfigKey): string | undefined {
  const { data } = schema.shape[key].safeParse(undefined) as { data?: unknown }
  if (typeof data === 'boolean') {
    return undefined
  }
  const text = typeof data === 'bigint' ? roeToKoii(data) : Array.isArray(data) ? data.join(',') : data == null ? '' : String(data)
  return text === '' ? undefined : text
}
