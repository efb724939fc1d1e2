import { expect } from 'chai'
import fc from 'fast-check'
import { cycleAt, windowOf } from '../../src/clock/index.ts'
import { createJudge, createPool, type JudgeInit, type Pool, REASONS, type Reason } from '../../src/gossip/index.ts'
import { signEd25519, verifyEd25519 } from '../../src/identity/index.ts'
import { Body, Envelope, KIND_NAMES, KINDS, LIMITS, type Message, networkOf, open, seal, signedBytes } from '../../src/wire/index.ts'
import { fixedStakes, GENESIS, keyOf, NETWORK, NOW, signerOf, someCid, submissionBody, TASK, TIMING } from '../network/mesh.ts'

const PEER_ID = new Uint8Array(Buffer.from('0024080112208a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c', 'hex'))
const RELAY = 'relay'
/** alice, bob and carol have stake, mallory has none. */
const WEIGHTS = new Map(['alice', 'bob', 'carol'].map((name) => [keyOf(name).address, 100n]))
const CYCLE = cycleAt(TIMING, NOW)

const by = (name: string, body: Body, network = NETWORK) => seal(body, network, signerOf(keyOf(name)))
const submission = (over: Partial<Body> = {}, value = 'work') => submissionBody(value, PEER_ID, over)
const slotIn = (cycle: number, stage: 'submission' | 'audit' | 'distribution') => windowOf(TIMING, cycle, stage).from
const forged = (message: Message) => Envelope.encode({ ...message.envelope, signature: new Uint8Array(64).fill(7) })

function court(over: Partial<JudgeInit> = {}): {
  say: (bytes: Uint8Array, from?: string) => string
  pool: Pool
  checks: () => number
  init: JudgeInit
} {
  let checks = 0
  const pool = over.pool ?? createPool()
  const init: JudgeInit = {
    network: NETWORK,
    timing: TIMING,
    slot: () => NOW,
    stakes: fixedStakes(WEIGHTS),
    pool,
    peers: { isStaked: () => true, isBanned: () => false },
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

interface Row {
  name: string
  says: Reason | 'accept'
  checks: number
  over?: Partial<JudgeInit>
  bytes: () => Promise<Uint8Array>
}

/** One named refusal per row: what is brought, what is said of it, and how many signatures were checked for it. */
const ROWS: Row[] = [
  { name: "alice's submission in time", says: 'accept', checks: 1, bytes: async () => (await by('alice', submission())).bytes },
  {
    name: "alice's submission, brought by a peer without stake",
    says: 'not-admitted',
    checks: 0,
    over: { peers: { isStaked: () => false, isBanned: () => false } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: "alice's submission, brought by a peer that was cut",
    says: 'not-admitted',
    checks: 0,
    over: { peers: { isStaked: () => true, isBanned: () => true } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  { name: 'one byte too many', says: 'too-large', checks: 0, bytes: async () => new Uint8Array(LIMITS.envelopeBytes + 1) },
  { name: 'bytes that are no envelope', says: 'malformed', checks: 0, bytes: async () => new Uint8Array([1, 2, 3]) },
  { name: 'no bytes', says: 'malformed', checks: 0, bytes: async () => new Uint8Array(0) },
  {
    name: "alice's submission with a field that nobody knows",
    says: 'malformed',
    checks: 0,
    bytes: async () => Buffer.concat([(await by('alice', submission())).bytes, Buffer.from([0x7a, 0x01, 0x00])])
  },
  {
    name: 'anything while K2 was not read',
    says: 'no-slot',
    checks: 0,
    over: { slot: () => undefined },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission of the cycle after next',
    says: 'future',
    checks: 0,
    bytes: async () => (await by('alice', submission({ cycle: CYCLE + 1, slot: slotIn(CYCLE + 1, 'submission') }))).bytes
  },
  {
    name: 'an announcement three slots ahead of our clock',
    says: 'future',
    checks: 0,
    bytes: async () => (await by('alice', announcement({ slot: NOW + 3 }))).bytes
  },
  {
    name: 'an announcement two slots ahead of our clock',
    says: 'accept',
    checks: 1,
    bytes: async () => (await by('alice', announcement({ slot: NOW + 2 }))).bytes
  },
  {
    name: 'a submission of a round that is over',
    says: 'old',
    checks: 0,
    over: { slot: () => NOW + 3 * TIMING.roundSlots },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission that was in time, brought in the distribution stage',
    says: 'accept',
    checks: 1,
    over: { slot: () => NOW + TIMING.roundSlots },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: 'a submission signed one slot after its window',
    says: 'wrong-window',
    checks: 0,
    over: { slot: () => NOW + TIMING.roundSlots },
    bytes: async () => (await by('alice', submission({ slot: windowOf(TIMING, CYCLE - 1, 'submission').to }))).bytes
  },
  {
    name: 'a submission signed before its window',
    says: 'wrong-window',
    checks: 0,
    bytes: async () => (await by('alice', submission({ slot: slotIn(CYCLE - 1, 'submission') - 1 }))).bytes
  },
  {
    name: "mallory's submission, who has no stake",
    says: 'unstaked',
    checks: 0,
    bytes: async () => (await by('mallory', submission())).bytes
  },
  {
    name: 'a submission while the stakes of its cycle are not known',
    says: 'stake-unknown',
    checks: 0,
    over: { stakes: { weight: () => undefined } },
    bytes: async () => (await by('alice', submission())).bytes
  },
  {
    name: "a newcomer's announcement, whose stake counts from the next cycle",
    says: 'accept',
    checks: 1,
    over: { stakes: { weight: (_, cycle) => (cycle > CYCLE ? 5n : 0n) } },
    bytes: async () => (await by('dave', announcement())).bytes
  },
  {
    name: "a newcomer's submission, whose stake counts from the next cycle",
    says: 'unstaked',
    checks: 0,
    over: { stakes: { weight: (_, cycle) => (cycle > CYCLE ? 5n : 0n) } },
    bytes: async () => (await by('dave', submission())).bytes
  },
  { name: 'a forged signature', says: 'bad-signature', checks: 1, bytes: async () => forged(await by('alice', submission())) },
  {
    name: 'a message of another cluster',
    says: 'bad-signature',
    checks: 1,
    bytes: async () => (await by('alice', submission(), networkOf(TASK, TASK))).bytes
  },
  {
    name: 'a message of another task',
    says: 'bad-signature',
    checks: 1,
    bytes: async () => (await by('alice', submission(), networkOf(GENESIS, GENESIS))).bytes
  },
  {
    name: 'a submission with a CID of version 0',
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await by('alice', proofOf(new Uint8Array(Buffer.from(`1220${'ab'.repeat(32)}`, 'hex'))))).bytes
  },
  {
    name: 'a submission with a CID that does not parse',
    says: 'malformed',
    checks: 0,
    bytes: async () => sealUnchecked('alice', proofOf(new Uint8Array([1, 2, 3])))
  },
  {
    name: 'a submission whose value is no text',
    says: 'meaningless',
    checks: 1,
    bytes: async () => {
      const body = submission()
      body.submission!.value = new Uint8Array([0xff])
      return (await by('alice', body)).bytes
    }
  },
  {
    name: 'an announcement of something that is no PeerId',
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await by('alice', announcement({}, { peerId: new Uint8Array([9, 9]) }))).bytes
  },
  {
    name: 'a response that points to no PeerId',
    says: 'meaningless',
    checks: 1,
    over: { slot: () => slotIn(CYCLE - 1, 'audit') },
    bytes: async () => (await by('alice', response(new Uint8Array([9, 9])))).bytes
  },
  {
    name: "evidence of bob's two submissions",
    says: 'accept',
    checks: 3,
    bytes: async () => (await evidence(await by('bob', submission()), await by('bob', submission({}, 'other')))).bytes
  },
  {
    name: 'evidence with a forged half',
    says: 'meaningless',
    checks: 3,
    bytes: async () => {
      const second = await by('bob', submission({}, 'other'))
      return (await evidence(await by('bob', submission()), open(forged(second), NETWORK))).bytes
    }
  },
  {
    name: "evidence of bob's one submission twice",
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await evidence(await by('bob', submission()), await by('bob', submission()))).bytes
  },
  {
    name: "evidence of bob's and carol's submissions",
    says: 'meaningless',
    checks: 1,
    bytes: async () => (await evidence(await by('bob', submission()), await by('carol', submission({}, 'other')))).bytes
  }
]

function response(peerId: Uint8Array<ArrayBuffer>): Body {
  return { cycle: CYCLE - 1, slot: slotIn(CYCLE - 1, 'audit'), response: { submission: new Uint8Array(32), peerId, multiaddrs: [] } }
}

/** Signs what `seal` would not let pass. */
function sealUnchecked(name: string, body: Body): Uint8Array {
  const pair = keyOf(name)
  const bytes = Body.encode(body)
  const signature = new Uint8Array(signEd25519(signedBytes(NETWORK, bytes), pair.secretKey))
  return Envelope.encode({ body: bytes, signer: new Uint8Array(pair.publicKey), signature })
}

function announcement(over: Partial<Body> = {}, said: Partial<NonNullable<Body['announcement']>> = {}): Body {
  return { cycle: CYCLE, slot: NOW, announcement: { peerId: PEER_ID, multiaddrs: [], sequence: 1, expirySlot: NOW + 60, ...said }, ...over }
}

function proofOf(cid: Uint8Array<ArrayBuffer>): Body {
  const body = submission()
  body.submission!.proofs = [{ cid, size: 1, blocks: 1 }]
  return body
}

function evidence(first: Message, second: Message): Promise<Message> {
  return by('alice', { cycle: CYCLE - 1, slot: NOW, equivocation: { first: first.envelope, second: second.envelope } })
}

describe('gossip: judge', () => {
  for (const { name, says, checks, over, bytes } of ROWS) {
    it(`${name}: ${says}, ${checks} checks`, async () => {
      const { say, checks: counted } = court(over)
      expect(say(await bytes())).to.equal(says)
      expect(counted()).to.equal(checks)
    })
  }

  it('has a row for every reason that a peer can cause', () => {
    const covered = new Set<string>([...ROWS.map(({ says }) => says), 'seen', 'over-quota', 'pool-full', 'own-fault'])
    expect(Object.keys(REASONS).filter((reason) => !covered.has(reason))).to.deep.equal([])
  })

  it('checks a message once, and knows it again whatever its signature', async () => {
    const { say, checks } = court()
    const message = await by('alice', submission())
    expect(say(message.bytes)).to.equal('accept')
    expect(say(message.bytes)).to.equal('seen')
    expect(say(forged(message))).to.equal('seen')
    expect(checks()).to.equal(1)
  })

  it('takes the good message after a forged copy of it', async () => {
    const { say } = court()
    const message = await by('alice', submission())
    expect(say(forged(message))).to.equal('bad-signature')
    expect(say(message.bytes)).to.equal('accept')
  })

  it('holds each kind to its quota, of verified messages only, and each signer to its own', async () => {
    const { say, checks } = court()
    for (let at = 0; at < 50; at++) {
      expect(say(forged(await by('alice', submission({}, `forged ${at}`))))).to.equal('bad-signature')
    }
    for (let at = 0; at < KINDS.submission.perCycle; at++) {
      expect(say((await by('alice', submission({}, `work ${at}`))).bytes)).to.equal('accept')
    }
    const before = checks()
    expect(say((await by('alice', submission({}, 'one more'))).bytes)).to.equal('over-quota')
    expect(checks()).to.equal(before)
    expect(say((await by('bob', submission())).bytes)).to.equal('accept')
  })

  it('ignores what comes when the pool is full', async () => {
    const { say, checks } = court({ pool: createPool({ maxMessages: 1 }) })
    expect(say((await by('alice', submission())).bytes)).to.equal('accept')
    expect(say((await by('bob', submission())).bytes)).to.equal('pool-full')
    expect(checks()).to.equal(1)
  })

  it('skips the check of an evidence half that it has already, unless the half differs in its signature', async () => {
    const { say, checks } = court()
    const first = await by('bob', submission())
    const second = await by('bob', submission({}, 'other'))
    say(first.bytes)
    say(second.bytes)
    expect(say((await evidence(first, open(forged(second), NETWORK))).bytes)).to.equal('meaningless')
    const before = checks()
    expect(say((await evidence(first, second)).bytes)).to.equal('accept')
    expect(checks() - before).to.equal(1)
  })

  it('never checks the signature of a message of our own', async () => {
    const { init, checks } = court()
    const judge = createJudge(init)
    expect(judge.own(await by('alice', submission())).result).to.equal('accept')
    const late = judge.own(await by('alice', submission({ slot: NOW + 9 })))
    expect(late).to.include({ result: 'ignore', reason: 'future' })
    expect(checks()).to.equal(0)
  })

  it('takes a message in the windows of its kind and live cycles, and in no other slot', async () => {
    const kinds = KIND_NAMES.filter((kind) => KINDS[kind].window !== 'any')
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: TIMING.startingSlot - 10, max: TIMING.startingSlot + 12 * TIMING.roundSlots }),
        fc.integer({ min: TIMING.startingSlot, max: TIMING.startingSlot + 12 * TIMING.roundSlots }),
        async (kind, cycle, slot, now) => {
          const { say } = court({ slot: () => now, verify: () => true })
          const { from, to } = windowOf(TIMING, cycle, KINDS[kind].window as 'submission')
          const live = cycleAt(TIMING, now) - cycle
          const right = slot >= from && slot < to && slot <= now + 2 && live <= 2
          const verdict = say((await by('alice', bodyOf(kind, cycle, slot))).bytes)
          expect(verdict === 'accept').to.equal(right, `${kind} of ${cycle} at ${slot}, now ${now}: ${verdict}`)
        }
      ),
      { numRuns: 300 }
    )
  })
})

function bodyOf(kind: string, cycle: number, slot: number): Body {
  const about = { subject: new Uint8Array(32), submission: new Uint8Array(32), finding: 2, reason: '' }
  const record = { cid: someCid(), root: new Uint8Array(32), attempt: 0 }
  switch (kind) {
    case 'challenge':
      return { cycle, slot, challenge: about }
    case 'verdict':
      return { cycle, slot, verdict: about }
    case 'response':
      return { cycle, slot, response: { submission: new Uint8Array(32), peerId: PEER_ID, multiaddrs: [] } }
    case 'record':
      return { cycle, slot, record: { ...record, totalRewards: 0n } }
    case 'approval':
      return { cycle, slot, approval: record }
    case 'vote':
      return {
        cycle,
        slot,
        vote: { root: new Uint8Array(32), recordDigest: new Uint8Array(32), totalRewards: 0n, signature: new Uint8Array(64) }
      }
    default:
      return submission({ cycle, slot })
  }
}
