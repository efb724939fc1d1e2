/** Alice's round machine among three, and what the others say to it. */
import { createHash } from 'node:crypto'
import { CID } from 'multiformats/cid'
import { create as createDigest } from 'multiformats/hashes/digest'
import { scheduleFor } from '../../src/clock/index.ts'
import { type KeyPair, keyPairFromSeed, signEd25519 } from '../../src/identity/index.ts'
import { placesOf } from '../../src/record/index.ts'
import { createRounds, type RecordFacts, type Rounds, type RoundsEffect, type StakeSet } from '../../src/rounds/index.ts'
import { type Body, FINDINGS, type Finding, type Message, networkOf, seal } from '../../src/wire/index.ts'

export const TIMING = { startingSlot: 0, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }
export const NETWORK = networkOf('11111111111111111111111111111112', '11111111111111111111111111111113')
export const S = scheduleFor(TIMING, 0)
export const keyOf = (name: string): KeyPair => keyPairFromSeed(createHash('sha256').update(name).digest())
export const [alice, bob, carol, dave] = ['alice', 'bob', 'carol', 'dave'].map(keyOf) as [KeyPair, KeyPair, KeyPair, KeyPair]
export const STAKES: StakeSet = { weights: new Map([alice, bob, carol].map((pair) => [pair.address, 10n])), total: 30n }
export const BASE = { previous: null, bounty: 100n, beacon: new Uint8Array(32) }

export async function say(who: KeyPair, body: Body): Promise<Message> {
  return seal(body, NETWORK, { publicKey: who.publicKey, sign: async (bytes) => signEd25519(bytes, who.secretKey) })
}

export const submission = (value = 'work', slot: number = S.submission.from): Body => ({
  cycle: 0,
  slot,
  submission: { value: Buffer.from(value), proofs: [] }
})
export const idBytes = (message: Message) => new Uint8Array(Buffer.from(message.id, 'hex'))
export const challenge = (about: Message, finding: Exclude<Finding, 'valid'> = 'invalid'): Body => ({
  cycle: 0,
  slot: S.sampleSlot,
  challenge: { subject: about.envelope.signer, submission: idBytes(about), finding: FINDINGS[finding], reason: 'because' }
})

export const response = (about: Message): Body => ({ cycle: 0, slot: S.sampleSlot, response: { submission: idBytes(about) } })
export const PLACES = placesOf(STAKES.weights)
/** What alice's verdicts say, by whom they are about. */
export const saidOf = (body: Body | undefined) =>
  Object.fromEntries((body?.verdicts?.findings ?? []).map(({ place, finding }) => [PLACES[place], finding]))

export function recordOf(name: string): RecordFacts {
  const digest = createHash('sha256').update(name).digest()
  return { cid: CID.createV1(0x71, createDigest(0x12, digest)).toString(), root: digest, totalRewards: 100n }
}
export const proposal = (record: RecordFacts, attempt = 0): Body => ({
  cycle: 0,
  slot: S.proposalSlot,
  record: {
    cid: new Uint8Array(CID.parse(record.cid).bytes),
    root: new Uint8Array(record.root),
    totalRewards: record.totalRewards,
    attempt
  }
})
export const approval = (record: RecordFacts, attempt = 0): Body => ({
  cycle: 0,
  slot: S.proposalSlot,
  approval: { cid: new Uint8Array(CID.parse(record.cid).bytes), root: new Uint8Array(record.root), attempt }
})

/** Alice's machine; `proposer` tells whose turn each attempt is. */
export function machine({
  self = alice,
  stakes = STAKES,
  turns = [bob, carol, alice],
  alive = () => true
}: {
  self?: KeyPair
  stakes?: StakeSet
  turns?: KeyPair[]
  /** Who gives a sign of life when asked. */
  alive?: (staker: string) => boolean
} = {}) {
  const rounds: Rounds = createRounds({
    self: self.address,
    network: NETWORK,
    timing: TIMING,
    random: () => 0.5,
    proposer: ({ attempt }) => turns[attempt % turns.length]!.address
  })
  const all: RoundsEffect[] = []
  const run = (effects: RoundsEffect[]) => {
    all.push(...effects)
    for (const effect of effects) {
      if (effect.type === 'need-stakes') run(rounds.handle({ type: 'stakes', cycle: effect.cycle, stakes }))
      if (effect.type === 'need-base') run(rounds.handle({ type: 'base', cycle: effect.cycle, base: BASE }))
      if (effect.type === 'probe') {
        const others = [...stakes.weights.keys()].filter((staker) => staker !== self.address)
        run(rounds.handle({ type: 'probed', cycle: effect.cycle, asked: others, answered: others.filter(alive) }))
      }
    }
    return effects
  }
  return {
    all,
    slot: (slot: number) => run(rounds.handle({ type: 'slot', slot })),
    hear: async (who: KeyPair, body: Body, slot = body.slot) =>
      run(rounds.handle({ type: 'message', message: await say(who, body), slot })),
    take: (message: Message, slot = message.body.slot) => run(rounds.handle({ type: 'message', message, slot })),
    event: (event: Parameters<Rounds['handle']>[0]) => run(rounds.handle(event)),
    published: (kind: keyof Body) => all.flatMap((effect) => (effect.type === 'publish' && effect.body[kind] != null ? [effect.body] : [])),
    of: <T extends RoundsEffect['type']>(type: T) =>
      all.filter((effect): effect is Extract<RoundsEffect, { type: T }> => effect.type === type),
    notes: () => all.flatMap((effect) => (effect.type === 'note' ? [effect.note.event] : []))
  }
}

export type Machine = ReturnType<typeof machine>

/** A look of alice's has ended. */
export const audited = (m: Machine, about: Message, finding: Finding | 'abstained', reason = '', notYet = false) =>
  m.event({ type: 'audited', cycle: 0, submission: about.id, finding, reason, notYet })

/** All slots from one to another, that one too. */
export function at(m: Machine, from: number, to: number): void {
  for (let slot = from; slot <= to; slot++) m.slot(slot)
}
