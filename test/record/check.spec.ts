import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import {
  type BuiltRecord,
  buildRecord,
  type CycleInputs,
  checkRecord,
  distributionInput,
  type Heard,
  type RecordCheck,
  type RecordContent,
  tally
} from '../../src/record/index.ts'
import { type Body, Envelope, type Message } from '../../src/wire/index.ts'
import { challenge, cidBytes, equivocation, GENESIS, submission, TASK, verdicts } from '../wire/people.ts'
import { alice, bob, carol, contentOf, dave, equalShares, erin, inputs, person, stakes, TIMING, TOOLS } from './cycle.ts'

type Own = CycleInputs & Heard

const ids = (messages: readonly Message[]) => new Set(messages.map(({ id }) => id))
const knowing = (own: CycleInputs, ...messages: Message[]): Own => ({ ...own, messages, mustHave: ids(messages), timely: null })
const EQUAL = inputs().stakes

async function build(own: CycleInputs): Promise<BuiltRecord> {
  const result = tally(own)
  return buildRecord(own, result, await equalShares(distributionInput(own, result)))
}

async function refusal(content: RecordContent, own: Own, tools = TOOLS): Promise<string> {
  const check = await checkRecord(content, own, tools)
  return check.ok ? 'ok' : `${check.verdict}: ${check.reason}`
}

describe('record: checking a proposal', () => {
  let said: Record<'a' | 'b' | 'c' | 'd1' | 'd2' | 'ofAlice' | 'ofErin', Message>
  let own: Own
  let record: BuiltRecord
  let content: RecordContent

  before(async () => {
    const c = await carol.says(submission('c'))
    const [d1, d2] = [await dave.says(submission('one')), await dave.says(submission('two'))]
    said = {
      a: await alice.says(submission('a')),
      b: await bob.says(submission('b')),
      c,
      d1,
      d2,
      ofAlice: await alice.says(verdicts(EQUAL, [[carol, 'invalid']])),
      ofErin: await erin.says(verdicts(EQUAL, [[carol, 'invalid']]))
    }
    own = knowing(inputs(), ...Object.values(said))
    record = await build(own)
    content = await contentOf(record)
  })

  it('approves what recomputes, and says what it comes to', async () => {
    const check = (await checkRecord(content, own, TOOLS)) as Extract<RecordCheck, { ok: true }>
    expect(check.ok).to.equal(true)
    expect(check.cid.equals(record.cid)).to.equal(true)
    expect(check.root).to.deep.equal(record.root)
    expect(check.totalRewards).to.equal(1000n)
    // a tenth for equivocation; a twentieth by the task's list and a hundredth by the protocol for invalid work, where 100 were staked
    expect(check.totalSlashed).to.equal(16n)
    expect(check.tally.accepted.map(({ signer }) => signer)).to.have.members([alice.address, bob.address])
  })

  it('approves what holds more than we heard', async () => {
    expect(await refusal(content, knowing(inputs(), said.a))).to.equal('ok')
    expect(await refusal(content, knowing(inputs()))).to.equal('ok')
  })

  const basis: Array<[string, Partial<RecordContent>, RegExp]> = [
    ['another network', { network: TASK }, /of the network/],
    ['another task', { task: GENESIS }, /of the task/],
    ['another cycle', { cycle: 4 }, /of cycle 4, not 3/],
    ['another previous record', { previous: CID.decode(cidBytes('a fork')) }, /it follows/],
    ['no previous record', { previous: null }, /it follows nothing/],
    ['another beacon', { beacon: new Uint8Array(32) }, /another block of K2/],
    ['another bounty', { bounty: 1001n }, /K2 says 1000/]
  ]
  for (const [what, change, complaint] of basis) {
    it(`refuses ${what}`, async () => {
      expect(await refusal({ ...content, ...change }, own))
        .to.match(/^wrong/)
        .and.match(complaint)
    })
  }

  const results: Array<[string, (content: RecordContent) => Partial<RecordContent>, RegExp]> = [
    [
      'a lamport more for alice',
      (c) => ({ distribution: c.distribution.map((e) => (e.staker === alice.address ? { ...e, amount: e.amount + 1n } : e)) }),
      /another distribution\[\d\]: (\w{32,44}) gets (\d+) here, \1 gets (?!\2 )\d+ in the record$/
    ],
    [
      'a share less',
      (c) => ({ distribution: c.distribution.slice(1) }),
      /another distribution\[0\]: \w+ loses 5 here, \w+ gets \d+ in the record$/
    ],
    ['no slash for the equivocator', () => ({ slashes: [] }), /another slashes\[0\]: \w+ loses \d+ here, nothing in the record$/],
    [
      'a higher slash',
      (c) => ({ slashes: c.slashes.map((e) => ({ ...e, amount: e.amount + 1n })) }),
      /another slashes\[0\]: \w+ loses \d+ here/
    ],
    ['another root', () => ({ root: new Uint8Array(32) }), /another root: [0-9a-f]{64} here, 0{64} in the record$/],
    ['higher totals', (c) => ({ totalRewards: c.totalRewards + 1n }), /totalRewards/],
    ['lower slashed totals', (c) => ({ totalSlashed: c.totalSlashed - 1n }), /totalSlashed/],
    ['another ledger', () => ({ ledger: CID.decode(cidBytes('another ledger')) }), /ledger/],
    ['messages in another order', (c) => ({ messages: [...c.messages].reverse() }), /messages/],
    ['a message twice', (c) => ({ messages: [...c.messages, c.messages[0]!] }), /messages/]
  ]
  for (const [what, change, complaint] of results) {
    it(`refuses ${what}`, async () => {
      expect(await refusal({ ...content, ...change(content) }, own))
        .to.match(/^wrong: it does not recompute/)
        .and.match(complaint)
    })
  }

  it('refuses any one message taken away, as not recomputing or as incomplete', async () => {
    for (let i = 0; i < content.messages.length; i++) {
      const less = content.messages.filter((_, j) => j !== i)
      expect(await refusal({ ...content, messages: less }, own), `message ${i}`).to.not.equal('ok')
    }
  })

  it('refuses any one record made without one of our messages, as incomplete', async () => {
    for (const [name, missing] of Object.entries(said)) {
      const rest = own.messages.filter((message) => message !== missing)
      const lesser = await contentOf(await build({ ...own, messages: rest }))
      const reason = await refusal(lesser, own)
      expect(reason, name).to.match(/^incomplete: it lacks the (submission|verdicts)/)
      // who had it too late approves
      expect(await refusal(lesser, { ...own, mustHave: ids(rest) }), name).to.equal('ok')
    }
  })

  it('says what an incomplete record comes to, for who sees the others agree', async () => {
    const lesser = await build({ ...own, messages: own.messages.filter((m) => m !== said.ofErin) })
    const check = await checkRecord(await contentOf(lesser), own, TOOLS)
    expect(check).to.deep.include({ ok: false, verdict: 'incomplete', totalRewards: lesser.totalRewards, root: lesser.root })
  })

  it('refuses to miss a message that it cannot show', async () => {
    expect(await refusal(content, { ...own, mustHave: new Set(['ab'.repeat(32)]) })).to.equal(
      `incomplete: it lacks the message ${'ab'.repeat(32)}`
    )
  })

  it('does not miss more words of a proven equivocator, or words about nothing', async () => {
    const third = await dave.says(submission('three'))
    const extra = [
      third,
      await dave.says(verdicts(EQUAL, [[alice, 'invalid']])),
      await bob.says(equivocation(said.d1, third)),
      await bob.says(verdicts(EQUAL, [[dave, 'invalid']])),
      await bob.says(challenge(said.a, 'invalid')),
      await person('mallory').says(submission('unstaked'))
    ]
    expect(await refusal(content, knowing(inputs(), ...own.messages, ...extra))).to.equal('ok')
  })

  it('misses evidence of an equivocation that the record does not know of', async () => {
    const evidence = await alice.says(equivocation(said.b, await bob.says(submission('second'))))
    expect(await refusal(content, knowing(inputs(), ...own.messages, evidence))).to.match(/^incomplete: it lacks the equivocation/)
    const second = await bob.says(submission('second'))
    expect(await refusal(content, knowing(inputs(), ...own.messages, second))).to.match(/^incomplete: it lacks the submission/)
  })

  /** A record that a proposer made of messages that it should not have used; everything else about it is right. */
  const smuggled: Array<[string, () => Promise<Message>, RegExp, Partial<CycleInputs>?]> = [
    ['a submission before its window', () => bob.says(submission('b', 3, 119)), /slot 119, outside the submission window/],
    ['a submission after its window', () => bob.says(submission('b', 3, 140)), /slot 140, outside the submission window/],
    ['verdicts before their window', () => bob.says(verdicts(EQUAL, [[alice, 'valid']], 147)), /slot 147, outside the verdicts window/],
    ['verdicts after their window', () => bob.says(verdicts(EQUAL, [[alice, 'valid']], 149)), /slot 149, outside the verdicts window/],
    ['a submission that nobody signed', async () => forged(submission('b')), /did not sign/],
    [
      'a submission by somebody without stake',
      () => person('mallory').says(submission('m')),
      /had no stake/,
      { stakes: stakes([alice, 100n], [person('mallory'), 9n]) }
    ]
  ]
  for (const [what, make, complaint, theirs] of smuggled) {
    it(`refuses ${what}`, async () => {
      const bad = await contentOf(await build({ ...inputs(theirs), messages: [said.a, await make()] }))
      expect(await refusal(bad, knowing(inputs())))
        .to.match(/^wrong: message \d+:/)
        .and.match(complaint)
    })
  }

  it('takes the first and the last slot of a window', async () => {
    const messages = [await alice.says(submission('a', 3, 120)), await bob.says(submission('b', 3, 139))]
    messages.push(await carol.says(verdicts(EQUAL, [[alice, 'valid']], 148)))
    expect(await refusal(await contentOf(await build({ ...inputs(), messages })), knowing(inputs()))).to.equal('ok')
  })

  it('does not approve a record with a submission that it heard too late to audit, or never, unless it could not hear', async () => {
    const timely = (...messages: Message[]) => ({ ...own, mustHave: new Set<string>(), timely: ids(messages) })
    expect(await refusal(content, timely(said.a, said.b, said.c))).to.equal('ok')
    expect(await refusal(content, timely(said.a, said.c))).to.match(/^incomplete: it holds the submission .* came too late/)
    expect(await refusal(content, { ...timely(), timely: null })).to.equal('ok')
  })

  it('refuses evidence whose halves nobody signed, and takes it when they did', async () => {
    const framed = await erin.says(equivocation(await forged(submission('one')), await forged(submission('two'))))
    const bad = await contentOf(await build({ ...inputs(), messages: [framed] }))
    expect(await refusal(bad, knowing(inputs()))).to.match(/evidence that .* did not sign/)
    const real = await erin.says(equivocation(said.d1, said.d2))
    expect(await refusal(await contentOf(await build({ ...inputs(), messages: [real] })), knowing(inputs()))).to.equal('ok')
  })

  it('refuses messages of other cycles, kinds and bytes that are none', async () => {
    const other = async (bytes: Uint8Array) => refusal({ ...content, messages: [bytes] }, knowing(inputs()))
    expect(await other((await alice.says(submission('a', 4))).bytes)).to.match(/of cycle 4/)
    expect(await other(Uint8Array.of(1, 2, 3))).to.match(/does not decode/)
    const approval = await alice.says({
      cycle: 3,
      slot: 151,
      approval: { cid: new Uint8Array(cidBytes('r')), root: new Uint8Array(32), attempt: 0 }
    })
    expect(await other(approval.bytes)).to.match(/does not recompute: another messages/)
  })

  it('refuses what other stakes or another ledger would have given', async () => {
    expect(
      await refusal(content, { ...own, stakes: stakes([alice, 100n], [bob, 100n], [carol, 100n], [dave, 120n], [erin, 100n]) })
    ).to.match(/another slashes/)
    expect(await refusal(content, { ...own, ledger: new Map([[alice.address, { reward: 1n, slash: 0n }]]) })).to.match(/another root/)
  })

  it('refuses when the task pays otherwise, or breaks a rule, and passes on that it failed', async () => {
    const none = { ...TOOLS, distribution: async () => [] }
    expect(await refusal(content, own, none)).to.match(/another distribution/)
    const greedy = { ...TOOLS, distribution: async () => [{ staker: alice.address, amount: 1001n }] }
    expect(await refusal(content, own, greedy)).to.match(/^wrong: the distribution list of cycle 3 breaks a rule/)
    const failing = {
      ...TOOLS,
      distribution: async () => {
        throw new Error('the sandbox is down')
      }
    }
    let message = ''
    await checkRecord(content, own, failing).catch((err: Error) => {
      message = err.message
    })
    expect(message).to.equal('the sandbox is down')
  })

  it('checks each signature once, and none when the record is about something else', async () => {
    let checks = 0
    const verify: typeof TOOLS.verify = (...args) => {
      checks++
      return TOOLS.verify(...args)
    }
    await checkRecord({ ...content, bounty: 1n }, own, { ...TOOLS, verify, timing: TIMING })
    expect(checks).to.equal(0)
    await checkRecord(content, own, { ...TOOLS, verify })
    expect(checks).to.equal(content.messages.length)
  })
})

/** Words put into bob's mouth: everything about them is right but the signature. */
async function forged(body: Body): Promise<Message> {
  const message = await bob.says(body)
  const envelope = { ...message.envelope, signature: new Uint8Array(64).fill(7) }
  return { ...message, envelope, bytes: Envelope.encode(envelope) }
}
