import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair as generateNodeKey } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import type { Timing } from '../clock/index.ts'
import { createHost, createPeers } from '../network/index.ts'
import { createProofs, type Proofs, type ProviderHint } from '../proofs/index.ts'
import { networkOf } from '../wire/index.ts'

/** Someone who looks at proofs and records without taking part: no stake, no keys, nothing kept. */
export interface Auditor {
  proofs: Proofs
  stop(): Promise<void>
}

export class AddressError extends Error {
  override name = 'AddressError'
}

const NOWHERE = '11111111111111111111111111111111'
const NO_TIME: Timing = { startingSlot: 0, roundSlots: 1, submissionWindow: 0, auditWindow: 0 }

/** Joins no mesh: it only dials whom it is told to, on whatever address. */
export async function createAuditor(): Promise<Auditor> {
  const dir = await mkdtemp(join(tmpdir(), 'koii-mesh-auditor-'))
  const peers = createPeers({ stakes: { weight: () => undefined }, timing: NO_TIME, slot: () => undefined })
  const { libp2p } = await createHost({
    privateKey: await generateNodeKey('Ed25519'),
    network: networkOf(NOWHERE, NOWHERE),
    peers,
    listen: [],
    local: true,
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
    { blocksDir: dir }
  )
  await proofs.start()
  return {
    proofs,
    async stop() {
      await proofs.stop()
      await libp2p.stop()
      await rm(dir, { recursive: true, force: true })
    }
  }
}

/**
 * A multiaddr with its PeerId, as an address hint on K2 or a flag gives it.
 *
 * @throws AddressError
 */
export function providerAt(text: string): ProviderHint {
  let peerId: string | undefined
  try {
    peerId = multiaddr(text)
      .getComponents()
      .findLast(({ name }) => name === 'p2p')?.value
  } catch (err) {
    throw new AddressError(
      `"${text}" is not a multiaddr (${err instanceof Error ? err.message : String(err)}): give one such as /ip4/203.0.113.7/tcp/4001/p2p/12D3KooW...`
    )
  }
  if (peerId == null) {
    throw new AddressError(`"${text}" does not name the peer: add its PeerId, /p2p/12D3KooW...`)
  }
  return { peerId, multiaddrs: [text.slice(0, text.lastIndexOf('/p2p/'))] }
}
