import * as dagCbor from '@ipld/dag-cbor'
import { expect } from 'chai'
import fc from 'fast-check'
import { CID } from 'multiformats/cid'
import { blockOf, chunked, cidOf } from '../../src/record/blocks.ts'
import {
  type BuiltRecord,
  buildRecord,
  CHUNK_BYTES,
  type CycleInputs,
  type DistributionEntry,
  DistributionError,
  encodeLedger,
  encodeRecord,
  type Ledger,
  MAX_AMOUNT,
  merkleRoot,
  nextLedger,
  RECORD_LIMITS,
  RecordMalformedError,
  readLedger,
  readRecord,
  tally
} from '../../src/record/index.ts'
import { equivocation, submission, TASK, verdicts } from '../wire/people.ts'
import { alice, blockMap, bob, carol, dave, erin, inputs, PEOPLE, stranger } from './cycle.ts'

async function cycle(): Promise<CycleInputs> {
  const [a, b, c] = [await alice.says(submission('a')), await bob.says(submission('b')), await carol.says(submission('c'))]
  const [d1, d2] = [await dave.says(submission('one')), await dave.says(submission('two'))]
  const found = verdicts(inputs().stakes, [[carol, 'invalid']])
  const audits = [await alice.says(found), await erin.says(found)]
  return inputs({
    messages: [a, b, c, d1, d2, ...audits, await erin.says(equivocation(d1, d2))],
    ledger: new Map([
      [alice.address, { reward: 40n, slash: 0n }],
      [dave.address, { reward: 0n, slash: 3n }]
    ])
  })
}

const LIST: DistributionEntry[] = [
  { staker: alice.address, amount: 600n },
  { staker: bob.address, amount: 400n },
  { staker: carol.address, amount: -5n }
]

const build = (own: CycleInputs, list: DistributionEntry[] = LIST) => buildRecord(own, tally(own), list)

describe('record: building', () => {
  it('pays, slashes and adds up', async () => {
    const record = build(await cycle())
    expect(Object.fromEntries(record.ledger)).to.deep.equal({
      [alice.address]: { reward: 640n, slash: 0n },
      [bob.address]: { reward: 400n, slash: 0n },
      [carol.address]: { reward: 0n, slash: 6n },
      [dave.address]: { reward: 0n, slash: 13n }
    })
    expect(record.totalRewards).to.equal(1040n)
    expect(record.totalSlashed).to.equal(19n)
    expect(record.root).to.deep.equal(merkleRoot(record.ledger, TASK))
    expect(record.content.slashes).to.deep.equal([
      { staker: carol.address, amount: 1n },
      { staker: dave.address, amount: 10n }
    ])
    expect(record.digest).to.deep.equal(new Uint8Array(record.cid.multihash.digest))
    expect(record.blocks[0]!.cid.equals(record.cid)).to.equal(true)
  })

  it('pays and slashes whom the ledger knows, when a key took over from another', async () => {
    const own = await cycle()
    const stakers = new Map([
      [alice.address, stranger(1)],
      [dave.address, stranger(2)]
    ])
    const record = build({ ...own, stakers })
    expect(record.ledger.get(stranger(1))).to.deep.equal({ reward: 600n, slash: 0n })
    expect(record.ledger.get(stranger(2))).to.deep.equal({ reward: 0n, slash: 10n })
    // what came before the change was under the same name
    expect(record.ledger.get(alice.address)).to.deep.equal({ reward: 40n, slash: 0n })
    expect(record.content.slashes).to.deep.include({ staker: stranger(2), amount: 10n })
    expect(record.cid.equals(build(own).cid)).to.equal(false)
  })

  it('gives the same bytes for the same inputs in any order', async () => {
    const own = await cycle()
    const one = build(own)
    const other = build(
      {
        ...own,
        messages: [...own.messages].reverse(),
        stakes: new Map([...own.stakes].reverse()),
        ledger: new Map([...own.ledger].reverse())
      },
      [...LIST].reverse()
    )
    expect(other.blocks.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).to.deep.equal(
      one.blocks.map(({ bytes }) => Buffer.from(bytes).toString('hex'))
    )
  })

  it('leaves zeros out, so that naming somebody with nothing changes nothing', async () => {
    const own = await cycle()
    expect(build(own, [...LIST, { staker: erin.address, amount: 0n }]).cid.toString()).to.equal(build(own).cid.toString())
  })

  it('never takes more than the task may from anybody in a cycle, its own list and the protocol together', async () => {
    const own = await cycle()
    const of = (amount: bigint) => build(own, [{ staker: dave.address, amount: -amount }])
    expect(of(7n).content.slashes).to.deep.include({ staker: dave.address, amount: 3n })
    expect(of(7n).ledger.get(dave.address)).to.deep.equal({ reward: 0n, slash: 13n })
    expect(of(10n).content.slashes.map(({ staker }) => staker)).to.deep.equal([carol.address])
    const harmless = buildRecord({ ...own, largestSlash: 0 }, tally({ ...own, largestSlash: 0 }), [])
    expect(harmless.content.slashes).to.deep.equal([])
  })

  it('refuses a list that slashes whose work stands: the manager of a task reaches no honest stake', async () => {
    const own = await cycle()
    const everybody = [...own.stakes].map(([staker, stake]) => ({ staker, amount: -stake }))
    expect(() => build(own, everybody)).to.throw(DistributionError, 'its work was not rejected')
    expect(() => build(own, [{ staker: erin.address, amount: -1n }])).to.throw(DistributionError, 'its work was not rejected')
  })

  it('refuses to make what no reader takes: the next cycle could not build on it', async () => {
    const own = await cycle()
    const small = { ...RECORD_LIMITS, totalBytes: 1000 }
    expect(() => buildRecord(own, tally(own), LIST, small)).to.throw(DistributionError, 'readers take 1000')
  })

  const WRONG: Array<[string, DistributionEntry[], RegExp]> = [
    ['somebody without stake', [{ staker: stranger(1), amount: 1n }], /had no stake/],
    ['somebody twice', [LIST[0]!, { staker: alice.address, amount: 0n }], /twice/],
    ['more than the bounty', [LIST[0]!, { staker: bob.address, amount: 401n }], /pays 1001, the bounty is 1000/],
    ['more than the bounty, with a slash beside it', [...LIST, { staker: erin.address, amount: 1n }], /pays 1001/],
    ['a slash above the largest', [{ staker: dave.address, amount: -11n }], /slashed by 11, of its stake of 100 the task may take 10/]
  ]
  for (const [what, list, complaint] of WRONG) {
    it(`refuses a list with ${what}`, async () => {
      const own = await cycle()
      expect(() => build(own, list)).to.throw(DistributionError, complaint)
    })
  }

  it('refuses sums that K2 could not count', async () => {
    const own = { ...(await cycle()), ledger: new Map([[bob.address, { reward: MAX_AMOUNT - 999n, slash: 0n }]]) }
    expect(() => build(own)).to.throw(DistributionError, '64 bits')
    expect(build({ ...own, ledger: new Map([[bob.address, { reward: MAX_AMOUNT - 1000n, slash: 0n }]]) }).totalRewards).to.equal(MAX_AMOUNT)
  })

  it('never pays more than the bounty, and the ledger never shrinks', () => {
    const entry = fc.record({ who: fc.nat(4), amount: fc.bigInt(-120n, 700n) })
    fc.assert(
      fc.property(fc.array(fc.uniqueArray(entry, { selector: ({ who }) => who, maxLength: 5 }), { maxLength: 6 }), (cycles) => {
        let ledger: Ledger = new Map()
        let [paid, bounties] = [0n, 0n]
        for (const list of cycles) {
          const own = inputs({ ledger })
          let record: BuiltRecord
          try {
            record = build(
              own,
              list.map(({ who, amount }) => ({ staker: PEOPLE[who]!.address, amount }))
            )
          } catch (err) {
            expect(err).to.be.instanceOf(DistributionError)
            continue
          }
          for (const [staker, { reward, slash }] of ledger) {
            const after = record.ledger.get(staker)!
            expect(after.reward >= reward && after.slash >= slash).to.equal(true)
            expect(after.slash - slash <= own.stakes.get(staker)!).to.equal(true)
          }
          expect(record.totalRewards - paid <= own.bounty).to.equal(true)
          paid = record.totalRewards
          bounties += own.bounty
          ledger = record.ledger
        }
        expect(paid <= bounties).to.equal(true)
      }),
      { numRuns: 200 }
    )
  })
})

describe('record: reading', () => {
  it('gives back what was built, and the ledger with it', async () => {
    const record = build(await cycle())
    const get = blockMap(record.blocks)
    const read = await readRecord(record.cid, get)
    expect(read.content).to.deep.equal(record.content)
    const ledger = await readLedger(read.content.ledger, get, RECORD_LIMITS, read.content)
    expect(ledger.ledger).to.deep.equal(new Map([...record.ledger].sort(([a], [b]) => Buffer.compare(keyOf(a), keyOf(b)))))
    expect(ledger.root).to.deep.equal(record.root)
    const names = [...read.blocks, ...ledger.blocks].map(String)
    expect(names).to.have.members(record.blocks.map(({ cid }) => cid.toString()))
  })

  it('gives back a first record, with nothing before it and nobody in it', async () => {
    const record = build(inputs({ previous: null }), [])
    expect(record.root).to.deep.equal(new Uint8Array(32))
    const { content } = await readRecord(record.cid, blockMap(record.blocks))
    expect(content).to.deep.equal(record.content)
    expect((await readLedger(content.ledger, blockMap(record.blocks), RECORD_LIMITS, content)).ledger.size).to.equal(0)
  })

  it('gives back any ledger and any amounts up to 2^64 - 1', async () => {
    const entry = fc.record({ reward: fc.bigInt(0n, 2n ** 60n), slash: fc.bigInt(1n, 2n ** 60n) })
    await fc.assert(
      fc.asyncProperty(fc.uniqueArray(fc.nat(99), { maxLength: 12 }), fc.infiniteStream(entry), async (numbers, entries) => {
        const ledger: Ledger = new Map(numbers.map((n) => [stranger(n), entries.next().value!]))
        const blocks = encodeLedger(ledger, TASK)
        const read = await readLedger(blocks[0]!.cid, blockMap(blocks))
        expect(Object.fromEntries(read.ledger)).to.deep.equal(Object.fromEntries(ledger))
      }),
      { numRuns: 60 }
    )
    for (const amount of [1n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n, MAX_AMOUNT]) {
      const blocks = encodeLedger(new Map([[alice.address, { reward: amount, slash: 0n }]]), TASK)
      expect((await readLedger(blocks[0]!.cid, blockMap(blocks))).totalRewards).to.equal(amount)
    }
  })

  it('carries 10,000 stakers in blocks of at most 256 KiB', async () => {
    const many = Array.from({ length: 10_000 }, (_, n) => stranger(n))
    const own = inputs({ stakes: new Map(many.map((staker) => [staker, 10n ** 12n])), bounty: 10n ** 15n })
    const record = buildRecord(
      own,
      tally(own),
      many.map((staker, n) => ({ staker, amount: BigInt(n) * 10n ** 7n + 1n }))
    )
    expect(Math.max(...record.blocks.map(({ bytes }) => bytes.length))).to.be.at.most(CHUNK_BYTES)
    const get = blockMap(record.blocks)
    const { content } = await readRecord(record.cid, get)
    expect(content.distribution.length).to.equal(10_000)
    expect((await readLedger(content.ledger, get, RECORD_LIMITS, content)).ledger.size).to.equal(10_000)
  })

  it('fills chunks one after the other up to their limit', () => {
    const entry = (length: number) => new Uint8Array(length)
    // an array head of 5 and two byte strings with heads of 5
    const half = CHUNK_BYTES / 2 - 8
    const full = chunked([entry(half), entry(CHUNK_BYTES - half - 5 - 10)])
    expect(full.length).to.equal(1)
    expect(chunked([entry(half), entry(CHUNK_BYTES - half - 5 - 10 + 1)]).length).to.equal(2)
    expect(chunked([])).to.deep.equal([])
  })

  it('follows the chain with nothing but the records', async () => {
    const first = build(await cycle())
    const second = build(inputs({ ledger: first.ledger, previous: { cid: first.cid, cycle: 3 }, cycle: 4 }), [
      { staker: bob.address, amount: 7n }
    ])
    const { content } = await readRecord(second.cid, blockMap(second.blocks))
    expect(content.previous!.equals(first.cid)).to.equal(true)
    const before = (await readLedger(first.content.ledger, blockMap(first.blocks))).ledger
    expect(merkleRoot(nextLedger(before, content.distribution, content.slashes), TASK)).to.deep.equal(content.root)
  })
})

const keyOf = (address: string) => Buffer.from(PEOPLE.find((p) => p.address === address)!.publicKey)

/** A record's blocks with the root, or a chunk of a list, replaced: what a liar could serve. */
function forge(
  record: BuiltRecord,
  change: (root: Record<string, unknown>) => unknown,
  extra: Array<{ cid: CID; bytes: Uint8Array }> = []
) {
  const root = blockOf(change(dagCbor.decode(record.blocks[0]!.bytes)))
  return { cid: root.cid, get: blockMap([root, ...record.blocks, ...extra]) }
}

async function refused(promise: Promise<unknown>, where: RegExp, what: RegExp): Promise<void> {
  let error: unknown
  await promise.catch((err) => {
    error = err
  })
  expect(error, 'it was not refused').to.be.instanceOf(RecordMalformedError)
  expect((error as RecordMalformedError).where).to.match(where)
  expect((error as RecordMalformedError).message).to.match(what)
}

describe('record: reading what a liar wrote', () => {
  let record: BuiltRecord
  let own: CycleInputs
  before(async () => {
    own = await cycle()
    record = build(own)
  })

  const fields: Array<[string, unknown, RegExp, RegExp]> = [
    ['a version of the future', { version: 3 }, /record.version/, /version 3/],
    ['no version', { version: null }, /record.version/, /version null/],
    ['a version that has no text', { version: { toString: 1, valueOf: 1 } }, /record.version/, /version is no number/],
    ['a version that is long', { version: 'x'.repeat(1000) }, /record.version/, /version x{40},/],
    ['a network of 31 bytes', { network: new Uint8Array(31) }, /record.network/, /32 bytes/],
    ['a task as text', { task: TASK }, /record.task/, /32 bytes/],
    ['a cycle below 0', { cycle: -1 }, /record.cycle/, /whole number/],
    ['half a cycle', { cycle: 3.5 }, /record.cycle/, /whole number/],
    ['a cycle past 2^53', { cycle: 2n ** 60n }, /record.cycle/, /whole number/],
    ['another cycle than its messages', { cycle: 4 }, /record.messages/, /of cycle 3, the record of cycle 4/],
    ['a previous that is no link', { previous: 'x' }, /record.previous/, /link/],
    ['a bounty below 0', { bounty: -1 }, /record.bounty/, /amount/],
    ['a bounty below what it pays', { bounty: 999 }, /record.distribution/, /pays 1000/],
    ['half a bounty', { bounty: 0.5 }, /record.bounty/, /amount/],
    ['a root of 33 bytes', { root: new Uint8Array(33) }, /record.root/, /32 bytes/],
    ['totals below what it pays', { totalRewards: 999 }, /record.totalRewards/, /1000 in this cycle/],
    ['totals below what it slashes', { totalSlashed: 15 }, /record.totalSlashed/, /16 in this cycle/],
    ['messages that are no list', { messages: { '0': 1 } }, /record.messages/, /list/],
    ['messages that are no links', { messages: [1] }, /record.messages\[0\]/, /link/],
    ['too many links', { messages: Array.from({ length: 600 }, () => 1) }, /record.messages/, /at most 512/],
    ['a field too many', { proposer: 'alice' }, /record/, /canonical/],
    ['no ledger', { ledger: null }, /record.ledger/, /link/]
  ]
  for (const [what, change, where, complaint] of fields) {
    it(`refuses ${what}`, async () => {
      const { cid, get } = forge(record, (root) => ({ ...root, ...(change as object) }))
      await refused(readRecord(cid, get), where, complaint)
    })
  }

  const lists: Array<[string, string, (entries: unknown[]) => unknown, RegExp]> = [
    ['a distribution out of order', 'distribution', (e) => [...e].reverse(), /does not come after/],
    ['somebody twice', 'distribution', (e) => [e[0], e[0]], /does not come after/],
    ['an entry of nothing', 'distribution', (e) => [[(e[0] as [Uint8Array])[0], 0]], /no place/],
    ['an entry of three', 'distribution', (e) => [[...(e[0] as unknown[]), 1]], /list of 2/],
    ['an amount past 64 bits', 'distribution', (e) => [[(e[0] as [Uint8Array])[0], -(2n ** 64n)]], /64 bits/],
    ['a negative slash', 'slashes', () => [[alice.publicKey, -1]], /positive/],
    ['an empty chunk', 'slashes', () => [], /not empty/],
    ['a chunk that is no list', 'slashes', () => ({ a: 1 }), /not empty/],
    ['messages out of order', 'messages', (e) => [...e].reverse(), /not in order/],
    ['a message twice', 'messages', (e) => [e[0], ...e], /twice/],
    ['a message that is none', 'messages', (e) => [...e, Uint8Array.of(1, 2, 3)], /does not decode/],
    ['a message of 4,097 bytes', 'messages', (e) => [...e, new Uint8Array(4097)], /at most 4096/],
    ['a message as text', 'messages', (e) => [...e, 'hello'], /envelope/]
  ]
  for (const [what, list, change, complaint] of lists) {
    it(`refuses ${what}`, async () => {
      const [link] = (dagCbor.decode(record.blocks[0]!.bytes) as Record<string, CID[]>)[list]!
      const chunk = record.blocks.find(({ cid }) => cid.equals(link))!
      const forged = blockOf(change(dagCbor.decode(chunk.bytes)))
      const { cid, get } = forge(record, (root) => ({ ...root, [list]: [forged.cid] }), [forged])
      await refused(readRecord(cid, get), new RegExp(`record.${list}`), complaint)
    })
  }

  it('refuses a list cut into other chunks', async () => {
    const all = chunkOf(record, 'messages')
    const [one, two] = [blockOf(all.slice(0, 2)), blockOf(all.slice(2))]
    const { cid, get } = forge(record, (root) => ({ ...root, messages: [one.cid, two.cid] }), [one, two])
    await refused(readRecord(cid, get), /record/, /canonical/)
  })

  it('refuses bytes with another hash, of another codec, too long, and too many', async () => {
    const [root, chunk] = record.blocks
    await refused(
      readRecord(root!.cid, async () => chunk!.bytes),
      /root block/,
      /another hash/
    )
    const raw = CID.createV1(0x55, root!.cid.multihash)
    await refused(readRecord(raw, blockMap(record.blocks)), /root block/, /dag-cbor/)
    const total = record.blocks.slice(0, 4).reduce((sum, { bytes }) => sum + bytes.length, 0)
    const get = blockMap(record.blocks)
    await readRecord(record.cid, get, { blockBytes: CHUNK_BYTES, totalBytes: total })
    await refused(readRecord(record.cid, get, { blockBytes: CHUNK_BYTES, totalBytes: total - 1 }), /record.slashes/, /more than/)
    const longest = Math.max(...record.blocks.slice(0, 4).map(({ bytes }) => bytes.length))
    await readRecord(record.cid, get, { blockBytes: longest, totalBytes: total })
    await refused(readRecord(record.cid, get, { blockBytes: longest - 1, totalBytes: total }), /record.messages/, /at most/)
  })

  it('refuses bytes that are bombs or noise', async () => {
    const bombs = [
      new Uint8Array(CHUNK_BYTES).fill(0x81),
      Buffer.from('9affffffff', 'hex'),
      Buffer.from('bbffffffffffffffff', 'hex'),
      new Uint8Array()
    ]
    for (const bytes of bombs) {
      const cid = cidOf(bytes)
      await refused(
        readRecord(cid, async () => bytes),
        /root block/,
        /not dag-cbor/
      )
    }
    await fc.assert(
      fc.asyncProperty(fc.anything({ withBigInt: false, withTypedArray: false }), async (value) => {
        let block: { cid: CID; bytes: Uint8Array }
        try {
          block = blockOf(value)
        } catch {
          return // no dag-cbor
        }
        await refused(readRecord(block.cid, blockMap([block])), /./, /./)
        await refused(readLedger(block.cid, blockMap([block])), /./, /./)
      }),
      { numRuns: 200 }
    )
  })

  it('passes on that a block cannot be had', async () => {
    let message = ''
    await readRecord(record.cid, blockMap([])).catch((err: Error) => {
      message = `${err.name}: ${err.message}`
    })
    expect(message).to.equal(`Error: no block ${record.cid}`)
  })

  const ledgers: Array<[string, (root: Record<string, unknown>) => object, RegExp, RegExp]> = [
    ['a root that is not that of its entries', () => ({ root: new Uint8Array(32) }), /ledger.root/, /not the Merkle root/],
    ['another task, whose root it is not', () => ({ task: new Uint8Array(32) }), /ledger.root/, /not the Merkle root/],
    ['rewards that do not add up', () => ({ totalRewards: 1041 }), /ledger.totalRewards/, /sum to 1040/],
    ['slashes that do not add up', () => ({ totalSlashed: 18 }), /ledger.totalSlashed/, /sum to 19/],
    ['a version of the future', () => ({ version: 3 }), /ledger.version/, /version 3/],
    ['a field too many', () => ({ more: 1 }), /ledger/, /canonical/]
  ]
  for (const [what, change, where, complaint] of ledgers) {
    it(`refuses a ledger with ${what}`, async () => {
      const ledgerRoot = record.blocks.find(({ cid }) => cid.equals(record.content.ledger))!
      const fields = dagCbor.decode(ledgerRoot.bytes) as Record<string, unknown>
      const forged = blockOf({ ...fields, ...change(fields) })
      await refused(readLedger(forged.cid, blockMap([forged, ...record.blocks])), where, complaint)
    })
  }

  it('refuses a ledger with an entry of nothing, or that is another than the record names', async () => {
    const nothing = encodeLedger(new Map([[alice.address, { reward: 0n, slash: 0n }]]), TASK)
    await refused(readLedger(nothing[0]!.cid, blockMap(nothing)), /ledger.chunks/, /no entry/)
    const other = encodeLedger(own.ledger, TASK)
    await refused(readLedger(other[0]!.cid, blockMap(other), RECORD_LIMITS, record.content), /record.ledger/, /not those/)
  })

  it('encodes content the way it reads it', () => {
    expect(encodeRecord(record.content)[0]!.cid.equals(record.cid)).to.equal(true)
  })
})

function chunkOf(record: BuiltRecord, list: string): unknown[] {
  const [link] = (dagCbor.decode(record.blocks[0]!.bytes) as Record<string, CID[]>)[list]!
  return dagCbor.decode(record.blocks.find(({ cid }) => cid.equals(link))!.bytes)
}
