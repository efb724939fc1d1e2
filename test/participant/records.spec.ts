import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { CID } from 'multiformats/cid'
import { verifyEd25519 } from '../../src/identity/index.ts'
import { blocksFrom, recordBlocks } from '../../src/node/blocks.ts'
import { type CycleFacts, createRecords, type Records } from '../../src/participant/records.ts'
import {
  type DistributionEntry,
  type DistributionInput,
  encodeRecord,
  LARGEST_SLASH,
  readRecord,
  recordCid
} from '../../src/record/index.ts'
import { sorted } from '../../src/record/tally.ts'
import type { Message } from '../../src/wire/index.ts'
import { withMoreTime } from '../cpu.ts'
import { failure, Lab, type TestNode } from '../proofs/fixtures.ts'
import { BEACON, equalShares, TIMING } from '../record/cycle.ts'
import { alice, bob, carol, cidBytes, equivocation, GENESIS, person, submission, TASK } from '../wire/people.ts'

describe('participant: records', () => {
  const lab = new Lab()
  let makers: TestNode
  let readers: TestNode
  beforeEach(async () => {
    makers = await lab.node()
    readers = await lab.node()
  })
  afterEach(() => lab.end())

  type Distribution = (input: DistributionInput) => Promise<readonly DistributionEntry[]>
  const open = ({ proofs }: TestNode, from: TestNode[], distribution: Distribution = equalShares, largestSlash = LARGEST_SLASH): Records =>
    createRecords({
      blocks: recordBlocks(proofs, TASK),
      breathe: () => nextTurn(),
      taskId: TASK,
      genesisHash: GENESIS,
      timing: TIMING,
      largestSlash,
      verify: verifyEd25519,
      distribution,
      providers: () => from.map(({ hint }) => hint)
    })
  const facts = async (change: Partial<CycleFacts> = {}): Promise<CycleFacts> => ({
    cycle: 3,
    messages: [await alice.says(submission('a')), await bob.says(submission('b'))],
    stakes: { weights: new Map([alice, bob, carol].map(({ address }) => [address, 100n] as const)), total: 300n },
    base: { previous: null, bounty: 1000n, beacon: BEACON },
    ...change
  })
  /** Heard nothing early, nor too late. */
  const heard = { mustHave: new Set<string>(), timely: null }

  it('built here, fetched and found right there, and kept by both', async () => {
    const made = await open(makers, []).build(await facts())
    expect(recordCid(made.cid.multihash.digest).equals(made.cid)).to.equal(true)
    const theirs = open(readers, [makers])
    const checked = await theirs.check(made.cid, { ...(await facts()), ...heard }, [makers.hint], 5000)
    expect(checked).to.deep.equal({
      verdict: 'right',
      record: { cid: made.cid.toString(), root: made.root, totalRewards: 1000n }
    })
    const { content, ledger } = await theirs.ensure(made.cid)
    expect(content.cycle).to.equal(3)
    expect([...ledger].map(([staker, { reward }]) => [staker, reward]).sort()).to.deep.equal(
      [alice, bob].map(({ address }) => [address, 500n]).sort()
    )
    // who has read it serves it on: a third one gets it without the maker
    await makers.libp2p.stop()
    const third = await lab.node()
    expect((await open(third, [readers]).ensure(made.cid)).content).to.deep.equal(content)
  })

  it('whoever has checked it has its ledger too, which its maker need not give', async () => {
    const made = await open(makers, []).build(await facts())
    // a proposer that serves what must be read to approve its record, and nothing else
    const proposer = await lab.node()
    const ledgerAt = made.blocks.findIndex(({ cid }) => cid.equals(made.content.ledger))
    for (const { cid, bytes } of made.blocks.slice(0, ledgerAt)) {
      await proposer.proofs.helia.blockstore.put(cid, bytes)
    }
    await makers.libp2p.stop()
    const theirs = open(readers, [proposer])
    expect((await theirs.check(made.cid, { ...(await facts()), ...heard }, [proposer.hint], 5000)).verdict).to.equal('right')
    // it is finalized by those approvals, and the next one must build on it
    const base = { previous: { cid: made.cid.toString(), cycle: 3 }, bounty: 1000n, beacon: BEACON }
    const next = await theirs.build(await facts({ cycle: 4, messages: [await alice.says(submission('a', 4, 160))], base }))
    expect(next.totalRewards).to.equal(2000n)
    // who has checked it serves it, to claim by as well
    const third = await lab.node()
    expect((await open(third, [readers]).ensure(made.cid, 2000)).ledger.get(bob.address)?.reward).to.equal(500n)
  })

  it('is read no further than what the stakers of its cycle can have said, and a little at a time', async () => {
    const made = await open(makers, []).build(await facts())
    // a proposer can sign for any number of keys: none of these has stake, which is seen when all of them are read
    const junk = await Promise.all(Array.from({ length: 300 }, (_, at) => person(`junk ${at}`).says(submission('x'.repeat(500)))))
    const messages = sorted([...(await facts()).messages, ...junk]).map(({ bytes }) => bytes)
    const blocks = encodeRecord({ ...made.content, messages })
    const proposer = await lab.node()
    for (const { cid, bytes } of blocks) {
      await proposer.proofs.helia.blockstore.put(cid, bytes)
    }
    const { cid } = blocks[0]!
    const checked = await open(readers, [proposer]).check(cid, { ...(await facts()), ...heard }, [proposer.hint], 5000)
    expect(checked).to.include({ verdict: 'wrong' })
    expect((checked as { reason: string }).reason).to.match(/the record has more than 24184 bytes/)

    let turns = 0
    let reading = true
    const turn = () => {
      turns++
      if (reading) setImmediate(turn)
    }
    turn()
    const held = new Map(blocks.map((block) => [block.cid.toString(), block.bytes]))
    await readRecord(
      cid,
      async (wanted) => held.get(wanted.toString())!,
      undefined,
      () => nextTurn()
    )
    reading = false
    expect(turns).to.be.at.least(4)
  })

  it('a ledger that nobody gives is made from the one before', async () => {
    const first = await open(makers, []).build(await facts())
    const base = { previous: { cid: first.cid.toString(), cycle: 3 }, bounty: 1000n, beacon: BEACON }
    const next = await open(makers, []).build(await facts({ cycle: 4, messages: [await alice.says(submission('a', 4, 160))], base }))
    const giver = await lab.node()
    for (const { content, blocks } of [first, next]) {
      for (const { cid, bytes } of blocks.slice(
        0,
        blocks.findIndex((block) => block.cid.equals(content.ledger))
      )) {
        await giver.proofs.helia.blockstore.put(cid, bytes)
      }
    }
    const theirs = open(readers, [giver])
    await withMoreTime(1_000, async (timeoutMs) => {
      expect((await theirs.ensure(next.cid, timeoutMs)).ledger).to.deep.equal(next.ledger)
    })
  })

  it('the next one builds on the ledger of the one before, wherever that was made', async () => {
    const first = await open(makers, []).build(await facts())
    const theirs = open(readers, [makers])
    const next = await theirs.build(
      await facts({
        cycle: 4,
        messages: [await alice.says(submission('a', 4, 160))],
        base: { previous: { cid: first.cid.toString(), cycle: 3 }, bounty: 1000n, beacon: BEACON }
      })
    )
    expect(next.totalRewards).to.equal(2000n)
    const { ledger } = await theirs.ensure(next.cid)
    expect(ledger.get(alice.address)?.reward).to.equal(1500n)
    expect(ledger.get(bob.address)?.reward).to.equal(500n)
  })

  it('that pays otherwise than the task says is wrong', async () => {
    const greedy: Distribution = async () => [{ staker: alice.address, amount: 1000n }]
    const made = await open(makers, [], greedy).build(await facts())
    const checked = await open(readers, [makers]).check(made.cid, { ...(await facts()), ...heard }, [makers.hint], 5000)
    expect(checked.verdict).to.equal('wrong')
  })

  it('that leaves out what we had in time is incomplete', async () => {
    const all = await facts()
    const made = await open(makers, []).build({ ...all, messages: all.messages.slice(0, 1) })
    const mustHave = new Set(all.messages.map(({ id }) => id))
    const theirs = open(readers, [makers])
    const checked = await theirs.check(made.cid, { ...all, mustHave, timely: null }, [makers.hint], 5000)
    expect(checked).to.include({ verdict: 'incomplete' })
    // what we had too late to ask for may be missing
    expect(await theirs.check(made.cid, { ...all, ...heard }, [makers.hint], 5000)).to.include({ verdict: 'right' })
  })

  it('that nobody gives is unreadable, and may be asked for again', async () => {
    const cid = CID.decode(cidBytes('nobody has this'))
    const theirs = open(readers, [makers])
    expect(await theirs.check(cid, { ...(await facts()), ...heard }, [makers.hint], 500)).to.include({ verdict: 'unreadable' })
    expect((await failure(theirs.ensure(cid, 500))).name).to.equal('ProofUnavailableError')
    const made = await open(makers, []).build(await facts())
    // a failure is not remembered
    const third = await lab.node()
    const known: TestNode[] = []
    const lonely = open(third, known)
    await failure(lonely.ensure(made.cid, 300))
    known.push(makers)
    expect((await lonely.ensure(made.cid)).content.cycle).to.equal(3)
  })

  it('that holds a submission which came too late to be audited is incomplete', async () => {
    const all = await facts()
    const made = await open(makers, []).build(all)
    const theirs = open(readers, [makers])
    const check = (timely: Message[] | null) =>
      theirs.check(
        made.cid,
        { ...all, mustHave: new Set(), timely: timely == null ? null : new Set(timely.map(({ id }) => id)) },
        [makers.hint],
        5000
      )
    expect(await check(all.messages.slice(0, 1))).to.include({ verdict: 'incomplete' })
    expect(await check(all.messages)).to.include({ verdict: 'right' })
    // who could not hear cannot say what came late
    expect(await check(null)).to.include({ verdict: 'right' })
  })

  it('that names another block as its beacon, or goes by another largest slash, is wrong', async () => {
    const all = await facts()
    const other = { ...all, base: { ...all.base, beacon: new Uint8Array(32).fill(1) } }
    const made = await open(makers, []).build(other)
    const theirs = open(readers, [makers])
    const checked = await theirs.check(made.cid, { ...all, ...heard }, [makers.hint], 5000)
    expect(checked)
      .to.include({ verdict: 'wrong' })
      .and.have.property('reason')
      .that.matches(/beacon/)
    const twice = await facts({ messages: [...all.messages, await alice.says(submission('again'))] })
    const gentle = await open(makers, [], equalShares, 500).build(twice)
    expect(gentle.totalSlashed).to.equal(5n)
    expect(await theirs.check(gentle.cid, { ...twice, ...heard }, [makers.hint], 5000)).to.include({ verdict: 'wrong' })
    expect(await open(readers, [makers], equalShares, 500).check(gentle.cid, { ...twice, ...heard }, [makers.hint], 5000)).to.include({
      verdict: 'right'
    })
  })

  it('punishes an offence once: what the one before holds, the next one passes over', async () => {
    const pair = [await alice.says(submission('one')), await alice.says(submission('two'))] as const
    const late = await bob.says({ ...equivocation(...pair), cycle: 4, slot: 160 })
    const next = async (first: Message[]) => {
      const made = await open(makers, []).build(await facts({ messages: first }))
      const theirs = open(readers, [makers])
      const base = { previous: { cid: made.cid.toString(), cycle: 3 }, bounty: 1000n, beacon: BEACON }
      const built = await theirs.build(await facts({ cycle: 4, messages: [late], base }))
      return [made.totalSlashed, built.totalSlashed, built.content.messages.length]
    }
    expect(await next([...pair])).to.deep.equal([10n, 10n, 0])
    // that record knew nothing of it: this one does
    expect(await next([pair[0]])).to.deep.equal([0n, 10n, 1])
  })

  it('tells what a finalized one came to, with the rules of its cycle', async () => {
    const all = await facts()
    const pair = [await carol.says(submission('one')), await carol.says(submission('two'))]
    const first = await open(makers, []).build(await facts({ messages: [...all.messages, ...pair] }))
    const theirs = open(readers, [makers])
    const outcome = await theirs.outcome(first.cid, all.stakes)
    expect(outcome.tally.accepted.map(({ signer }) => signer).sort()).to.deep.equal([alice.address, bob.address].sort())
    expect(outcome.tally.rejected).to.have.length(1)
    expect(outcome.tally.rejected[0]).to.include({ staker: carol.address, reason: 'equivocated' })
    expect([...outcome.tally.slashes]).to.deep.equal([[carol.address, 10n]])
    expect([outcome.content.cycle, outcome.ledger.get(carol.address)?.slash]).to.deep.equal([3, 10n])
    // the next one is read with what this one has punished
    const again = await bob.says({ ...equivocation(pair[0]!, pair[1]!), cycle: 4, slot: 160 })
    const next = await theirs.build(
      await facts({
        cycle: 4,
        messages: [again, await carol.says(submission('work', 4, 160))],
        base: { previous: { cid: first.cid.toString(), cycle: 3 }, bounty: 1000n, beacon: BEACON }
      })
    )
    const { tally } = await theirs.outcome(next.cid, all.stakes)
    expect(tally.accepted.map(({ signer }) => signer)).to.deep.equal([carol.address])
    expect(tally.rejected).to.deep.equal([])
  })

  it('that is some other block is wrong', async () => {
    const { cid } = await makers.proofs.packNode({ hello: 'world' })
    const checked = await open(readers, [makers]).check(cid, { ...(await facts()), ...heard }, [makers.hint], 5000)
    expect(checked.verdict).to.equal('wrong')
  })

  it('blocks come in one piece, and in time or not at all', async () => {
    const { cid } = await makers.proofs.packNode({ hello: 'world' })
    const get = blocksFrom(readers.proofs, [makers.hint], 5000)
    expect(Buffer.from(await get(cid)).toString()).to.include('hello')
    const { cid: other } = await makers.proofs.packNode({ hello: 'again' })
    const stranger = await lab.node()
    expect((await failure(Promise.resolve(blocksFrom(stranger.proofs, [], 200)(other)))).name).to.equal('ProofUnavailableError')
  })
})
