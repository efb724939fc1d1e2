import type { StakeAccount } from '../k2/settlement/index.ts'
// by its file: commands that only look at hints need no libp2p
import { readHint } from '../network/hints.ts'
import { counted, shownText } from '../observe/index.ts'
import type { ProviderHint } from '../proofs/index.ts'

export class AddressError extends Error {
  override name = 'AddressError'
}

/** A stake account's address that is of no use: another's slip or malice, which costs nobody but him. */
export interface BadHint {
  staker: string
  hint: string
  fault: string
}

/**
 * A multiaddr with its PeerId, as a flag gives it.
 *
 * @throws AddressError
 */
export function providerAt(text: string): ProviderHint {
  const read = readHint(text, MAX_FLAG_BYTES)
  if ('fault' in read) {
    throw new AddressError(`"${shownText(text)}" ${read.fault}. Give one such as ${EXAMPLE}`)
  }
  return { peerId: read.peerId, multiaddrs: [read.address.toString()] }
}

/** Of an address on the command line, which need not fit a stake account. */
const MAX_FLAG_BYTES = 256
const EXAMPLE = '/ip4/203.0.113.7/tcp/4001/p2p/12D3KooW...'

/** Where the stakers of a task are, by the address hints on K2: the most stake first, since many small stakes are cheap to have. Never throws. */
export function hintsOf(stakes: readonly Pick<StakeAccount, 'staker' | 'addressHint' | 'amount'>[]): {
  from: ProviderHint[]
  bad: BadHint[]
} {
  const from: ProviderHint[] = []
  const bad: BadHint[] = []
  const amount = (one: Pick<StakeAccount, 'amount'>) => one.amount[0]?.value ?? 0n
  for (const { staker, addressHint } of stakes.toSorted((a, b) => Number(amount(b) > amount(a)) - Number(amount(b) < amount(a)))) {
    if (addressHint == null) {
      continue
    }
    const read = readHint(addressHint)
    if ('fault' in read) {
      bad.push({ staker, hint: addressHint, fault: read.fault })
    } else {
      from.push({ peerId: read.peerId, multiaddrs: [read.address.toString()] })
    }
  }
  return { from, bad }
}

/** So many are shown; a task may have hundreds. */
const TOLD = 3

/** One line about addresses that were passed over; undefined when none was. */
export function aboutBadHints(bad: readonly BadHint[]): string | undefined {
  if (bad.length === 0) {
    return undefined
  }
  const told = bad.slice(0, TOLD).map(({ staker, hint, fault }) => `${staker}: "${shownText(hint, 60)}" ${fault}`)
  const more = bad.length > TOLD ? `; and ${bad.length - TOLD} more` : ''
  return `passed over the address${bad.length > 1 ? 'es' : ''} of ${counted(bad.length, 'staker')}: ${told.join('; ')}${more}`
}
