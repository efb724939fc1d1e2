/** A judge with a pool behind it, and what alice, bob and carol say in the cycle that is audited. */
import { expect } from 'chai'
import { cycleAt, scheduleFor, windowOf } from '../../src/clock/index.ts'
import { signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import { createJudge, createPool, type JudgeInit, type Pool, REASONS } from '../../src/judge/index.ts'
import { contactFault } from '../../src/network/index.ts'
import { Body, Envelope, type Message, seal, signedBytes } from '../../src/wire/index.ts'
import { fixedStakes, keyOf, NETWORK, NOW, seed, signerOf, someCid, submissionBody, TIMING } from '../network/mesh.ts'

export const PEER_ID = new Uint8Array(Buffer.from('0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', 'hex'))
export const RELAY = 'relay'
/** alice, bob and carol have stake, mallory has none. */
export const WEIGHTS = new Map(['alice', 'bob', 'carol'].map((name) => [keyOf(name).address, 100n]))
export const CYCLE = cycleAt(TIMING, NOW)

export const by = (name: string, body: Body, network = NETWORK) => seal(body, network, signerOf(keyOf(name)))
export const submission = (over: Partial<Body> = {}, value = 'work') => submissionBody(value, over)
export const slotIn = (cycle: number, stage: 'submission' | 'audit' | 'distribution') => windowOf(TIMING, cycle, stage).from
export const idBytes = (message: Message) => new Uint8Array(Buffer.from(message.id, 'hex'))
export const forged = (message: Message) => Envelope.encode({ ...message.envelope, signature: new Uint8Array(64).fill(7) })

/** Of the cycle that is audited. */
export const SCHEDULE = scheduleFor(TIMING, CYCLE - 1)
export const AUDITING: Partial<JudgeInit> = { slot: () => SCHEDULE.audit.from }
export const DISTRIBUTING: Partial<JudgeInit> = { slot: () => SCHEDULE.distribution.from }

export function challenge(about: Message, over: Partial<NonNullable<Body['challenge']>> = {}, at = SCHEDULE.audit.from): Body {
  const said = { subject: about.envelope.signer, submission: idBytes(about), finding: 2, reason: '' }
  return { cycle: CYCLE - 1, slot: at, challenge: { ...said, ...over } }
}

export function response(about: Message): Body {
  return { cycle: CYCLE - 1, slot: SCHEDULE.audit.from, response: { submission: idBytes(about) } }
}

export function verdicts(slot: number, ...findings: number[]): Body {
  return {
    cycle: CYCLE - 1,
    slot,
    verdicts: { findings: (findings.length === 0 ? [2] : findings).map((finding, place) => ({ place, finding })) }
  }
}

export function proposal(value: string, attempt = 0): Body {
  const root = new Uint8Array(seed(value))
  return { cycle: CYCLE - 1, slot: slotIn(CYCLE - 1, 'distribution'), record: { cid: someCid(), root, totalRewards: 0n, attempt } }
}

export interface Court {
  say: (bytes: Uint8Array, from?: string) => string
  pool: Pool
  checks: () => number
  init: JudgeInit
}

export function court(over: Partial<JudgeInit> = {}): Court {
  let checks = 0
  const pool = over.pool ?? createPool()
  const init: JudgeInit = {
    network: NETWORK,
    timing: TIMING,
    slot: () => NOW,
    stakes: fixedStakes(WEIGHTS),
    pool,
    peers: { isStaked: () => true, isBanned: () => false },
    contactFault,
    verify: (signature, bytes, publicKey) => {
      checks++
      return verifyEd25519(signature, bytes, publicKey)
    },
    ...over
  }
  const judge = createJudge(init)
  return {
    pool,
    init,
    checks: () => checks,
    say: (bytes, from = RELAY) => {
      const verdict = judge.fromPeer(bytes, from)
      if (verdict.result === 'accept') {
        pool.add(verdict.message)
        return 'accept'
      }
      expect(verdict.result).to.equal(REASONS[verdict.reason])
      return verdict.reason
    }
  }
}

/** Signs what `seal` would not let pass. */
export function sealUnchecked(name: string, body: Body): Uint8Array {
  const pair = keyOf(name)
  const bytes = Body.encode(body)
  const signature = new Uint8Array(signEd25519(signedBytes(NETWORK, bytes), pair.secretKey))
  return Envelope.encode({ body: bytes, signer: new Uint8Array(pair.publicKey), signature })
}

export function announcement(over: Partial<Body> = {}, said: Partial<NonNullable<Body['announcement']>> = {}): Body {
  return { cycle: CYCLE, slot: NOW, announcement: { peerId: PEER_ID, multiaddrs: [], sequence: 1, expirySlot: NOW + 60, ...said }, ...over }
}

export function proofOf(cid: Uint8Array<ArrayBuffer>): Body {
  const body = submission()
  body.submission!.proofs = [{ cid, size: 1, blocks: 1 }]
  return body
}

export function evidence(first: Message, second: Message, teller = 'alice'): Promise<Message> {
  return by(teller, evidenceBody(first, second))
}

export function evidenceBody(first: Message, second: Message, cycle = CYCLE - 1): Body {
  return { cycle, slot: NOW, equivocation: { first: first.envelope, second: second.envelope } }
}

export const evidenceUnchecked = (first: Message, second: Message, cycle?: number) =>
  sealUnchecked('alice', { ...evidenceBody(first, second, cycle), ...(cycle == null ? {} : { slot: slotIn(CYCLE - 1, 'distribution') }) })

export function approval(value: string, attempt: number): Body {
  const { cid, root } = proposal(value, attempt).record!
  return { cycle: CYCLE - 1, slot: slotIn(CYCLE - 1, 'distribution'), approval: { cid, root, attempt } }
}

export function voteBody(totalRewards: number): Body {
  const vote = {
    root: new Uint8Array(32),
    recordDigest: new Uint8Array(32),
    totalRewards: BigInt(totalRewards),
    signature: new Uint8Array(64)
  }
  return { cycle: CYCLE - 1, slot: slotIn(CYCLE - 1, 'distribution'), vote }
}
