/** alice, bob, carol and the others: staking keys made from their names, and what they say on one network. */
import { createHash } from 'node:crypto'
import bs58 from 'bs58'
import { type KeyPair, keyPairFromSeed, signEd25519 } from '../../src/identity/index.ts'
import { placesOf } from '../../src/record/index.ts'
import { type Body, FINDINGS, type Finding, type Message, type Network, networkOf, seal } from '../../src/wire/index.ts'

const hash = (text: string) => new Uint8Array(createHash('sha256').update(text).digest())

export const GENESIS = bs58.encode(hash('genesis of the tests'))
export const TASK = bs58.encode(hash('task of the tests'))
export const NETWORK = networkOf(GENESIS, TASK)

export interface Person extends KeyPair {
  name: string
  says(body: Body, network?: Network): Promise<Message>
}

export function person(name: string): Person {
  const pair = keyPairFromSeed(hash(name))
  return {
    ...pair,
    name,
    says: (body, network = NETWORK) =>
      seal(body, network, { publicKey: pair.publicKey, sign: async (bytes) => signEd25519(bytes, pair.secretKey) })
  }
}

export const [alice, bob, carol, dave, erin] = ['alice', 'bob', 'carol', 'dave', 'erin'].map(person) as [
  Person,
  Person,
  Person,
  Person,
  Person
]

/** A dag-cbor CID: what records are named by, and proofs may be. */
export function cidBytes(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(1, 0x71, 0x12, 32, ...hash(text))
}

const bytesOf = (message: Message) => new Uint8Array(Buffer.from(message.id, 'hex'))

export function submission(value: string, cycle = 3, slot = 130): Body {
  return {
    cycle,
    slot,
    submission: {
      value: new Uint8Array(Buffer.from(value)),
      proofs: [{ cid: cidBytes(value), size: 1000, blocks: 2 }]
    }
  }
}

/** What a staker found of others, each named by its place among the cycle's stakers. */
export function verdicts(
  stakes: ReadonlyMap<string, bigint>,
  found: Array<[about: { address: string }, finding: Finding]>,
  slot = 148
): Body {
  const places = placesOf(stakes)
  const findings = found
    .map(([{ address }, finding]) => ({ place: places.indexOf(address), finding: FINDINGS[finding] }))
    .sort((a, b) => a.place - b.place)
  return { cycle: 3, slot, verdicts: { findings } }
}

export function challenge(about: Message, finding: Exclude<Finding, 'valid'>, reason = '', slot = 141): Body {
  const facts = { subject: about.envelope.signer, submission: bytesOf(about), finding: FINDINGS[finding], reason }
  return { cycle: about.body.cycle, slot, challenge: facts }
}

export function response(about: Message, slot = 142): Body {
  return { cycle: about.body.cycle, slot, response: { submission: bytesOf(about) } }
}

export function equivocation(first: Message, second: Message, slot = 146): Body {
  return { cycle: first.body.cycle, slot, equivocation: { first: first.envelope, second: second.envelope } }
}
