/** Blocks that a fetch waits for, and what is said when they do not come. */
import type { PeerId } from '@libp2p/interface'
import type { CID } from 'multiformats/cid'
import { type Facts, ProofUnavailableError } from './errors.ts'
import type { Provider, Providers } from './fetch-providers.ts'

export interface Item {
  key: string
  /** One block may be linked under two codecs. */
  cids: CID[]
  /** Whom it was asked of, last; undefined while nobody is at it. */
  at: Provider | undefined
  refusedBy: Set<Provider>
  askedOf: Set<Provider>
  /** It has come and is being written, which may take long: it is asked for no more, and counts once. */
  here?: boolean
}

/** Whether there is somebody, and all there are have said that they lack what is awaited. One that does not answer has said nothing. */
export function isRefused(items: Iterable<Item>, providers: Iterable<Provider>, self: PeerId): boolean {
  const others = [...providers].filter(({ peerId }) => !peerId.equals(self))
  const awaited = [...items].filter(({ here }) => here !== true)
  return others.length > 0 && awaited.some(({ refusedBy }) => others.every((one) => refusedBy.has(one)))
}

/** @param what what became of the proof, as it goes on from its name */
export function notHere(
  root: CID,
  what: string,
  of: { facts: Facts; books: { blocks: number; known: number }; missing: Item | undefined; providers: Pick<Providers, 'describe'> }
): ProofUnavailableError {
  const { facts, books, missing } = of
  const providers = of.providers.describe()
  return new ProofUnavailableError(
    root,
    `proof ${root} ${what} (${books.blocks} of at least ${books.known} blocks came). ` +
      (providers.length === 0 ? 'No peer is known to have it' : `Asked: ${providers.slice(0, 4).join('; ')}`),
    { ...facts, blocks: books.blocks, known: books.known, missing: missing?.cids[0]?.toString(), providers }
  )
}
