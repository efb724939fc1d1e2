import { generateKeyPair as generateNodeKey } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { temporaryFolder } from '../disk/index.ts'
import { createHost, createRoster } from '../network/index.ts'
import { createProofs, type Proofs, ProofUnavailableError, type ProviderHint } from '../proofs/index.ts'

/** Someone who looks at proofs and records without taking part: no stake, no keys, nothing kept. */
export interface Auditor {
  proofs: Proofs
  /**
   * Connects to whom of them it can, each address by itself: what one staker wrote keeps nobody from another's.
   *
   * @returns those who answered as who they are said to be, as soon as there is one and the others had a moment, too
   */
  reach(hints: readonly ProviderHint[], timeoutMs: number): Promise<ProviderHint[]>
  stop(): Promise<void>
}

/** As many as one fetch asks. */
const GROUP = 16
const DIAL_TIMEOUT_MS = 5_000
const MOMENT_MS = 500

export interface AuditorInit {
  /** Whether loopback and private addresses are dialled. @default true */
  local?: boolean
  /** Whom the operator named: they are dialled wherever they are. */
  named?: readonly ProviderHint[]
  /** Whether it stops asking once everybody has said that they do not have it. @default false */
  endsWhenRefused?: boolean
}

/** Joins no mesh: it only dials whom it is told to. */
export async function createAuditor({ local = true, named = [], endsWhenRefused = false }: AuditorInit = {}): Promise<Auditor> {
  const { dir, remove } = await temporaryFolder('koii-mesh-auditor-')
  const { libp2p } = await createHost({
    privateKey: await generateNodeKey('Ed25519'),
    peers: createRoster(),
    listen: [],
    local,
    allowed: named.flatMap(({ multiaddrs = [] }) => multiaddrs.map((address) => multiaddr(address))),
    dht: 'client'
  })
  const pins = new Map<string, Uint8Array>()
  const proofs = await createProofs(
    {
      libp2p,
      store: {
        get: async (key) => pins.get(key),
        put: async (key, value) => void pins.set(key, value),
        delete: async (key) => void pins.delete(key),
        list: async (prefix = '') => [...pins.keys()].filter((key) => key.startsWith(prefix)).sort()
      }
    },
    { blocksDir: dir, endsWhenRefused }
  )
  await proofs.start()
  const answers = async ({ peerId, multiaddrs = [] }: ProviderHint, timeoutMs: number) => {
    const signal = AbortSignal.timeout(timeoutMs)
    // without the PeerId: dials to one peer are one dial, and each address is to answer for itself
    const dials = multiaddrs.map(async (address) => (await libp2p.dial(multiaddr(address), { signal })).remotePeer.toString() === peerId)
    return (await Promise.allSettled(dials)).some((one) => one.status === 'fulfilled' && one.value)
  }
  return {
    proofs,
    async reach(hints, timeoutMs) {
      const reached = new Map<string, ProviderHint>()
      const { promise: first, resolve: onFirst } = Promise.withResolvers<void>()
      const all = Promise.all(
        hints.map(async (hint) => {
          if (await answers(hint, timeoutMs)) {
            reached.set(hint.peerId, hint)
            onFirst()
          }
        })
      )
      const moment = first.then(() => new Promise((resolve) => setTimeout(resolve, Math.min(MOMENT_MS, timeoutMs)).unref()))
      await Promise.race([all, moment])
      return hints.filter((hint) => reached.get(hint.peerId) === hint)
    },
    async stop() {
      await proofs.stop()
      await libp2p.stop()
      await remove()
    }
  }
}

/**
 * Asks those who may have something, some at a time, until one group gives it: however many of them are dead, slow or not there, each is
 * asked.
 *
 * @param timeoutMs - for all groups together
 * @throws ProofUnavailableError when nobody gave it, and whatever else `ask` throws
 */
export async function askInTurn<T>(
  auditor: Pick<Auditor, 'reach'>,
  hints: readonly ProviderHint[],
  timeoutMs: number,
  ask: (from: ProviderHint[], timeoutMs: number) => Promise<T>
): Promise<T> {
  const endMs = performance.now() + timeoutMs
  for (let at = 0; ; at += GROUP) {
    const group = hints.slice(at, at + GROUP)
    const groups = Math.max(1, Math.ceil((hints.length - at) / GROUP))
    const shareMs = Math.max(1, (endMs - performance.now()) / groups)
    const groupEndMs = performance.now() + shareMs
    const reached = await auditor.reach(group, Math.round(Math.min(DIAL_TIMEOUT_MS, shareMs / 2)))
    if (reached.length === 0 && groups > 1) {
      continue
    }
    try {
      return await ask(reached.length === 0 ? group : reached, Math.max(1, Math.round(groupEndMs - performance.now())))
    } catch (err) {
      if (groups === 1 || !(err instanceof ProofUnavailableError)) {
        throw err
      }
    }
  }
}
