import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'chai'
import { fetchRecordTo } from '../../src/node/index.ts'
import { buildRecord, type DistributionEntry, distributionInput, tally } from '../../src/record/index.ts'
import { HANGS_MS, withMoreTime } from '../cpu.ts'
import { run } from '../e2e/cli.ts'
import { failure, Lab, type TestNode } from '../proofs/fixtures.ts'
import { inputs } from '../record/cycle.ts'
import { alice, submission } from '../wire/people.ts'

describe('node: fetching one record', function () {
  this.timeout(120_000)
  const lab = new Lab()
  afterEach(() => lab.end())

  /** A record of cycle 3 on a node that does not have the one of cycle 2, as nobody has: it was collected. */
  async function recordOn({ proofs }: TestNode) {
    const facts = inputs({ messages: [await alice.says(submission('a'))] })
    const counted = tally(facts)
    expect(distributionInput(facts, counted).submissions).to.have.length(1)
    const paid: DistributionEntry[] = [{ staker: alice.address, amount: 1000n }]
    const built = buildRecord(facts, counted, paid)
    for (const { cid, bytes } of built.blocks) {
      await proofs.helia.blockstore.put(cid, bytes)
    }
    return { cid: built.cid.toString(), previous: facts.previous!.cid.toString(), blocks: built.blocks }
  }

  it('brings the record and its ledger, and follows no link to the one before', async () => {
    const [keeper, reader] = [await lab.node(), await lab.node()]
    const { cid, previous, blocks } = await recordOn(keeper)
    const path = join(await lab.dir(), 'record.json')
    const fetched = await fetchRecordTo(reader.proofs, cid, path, { from: [keeper.hint], timeoutMs: HANGS_MS })
    expect(fetched).to.deep.include({ cycle: 3, blocks: blocks.length, fromPeers: [keeper.hint.peerId] })
    expect(fetched!.previous!.toString()).to.equal(previous)
    const written = JSON.parse(await readFile(path, 'utf8'))
    expect(written.root).to.deep.equal({ '/': cid })
    expect(Object.keys(written.blocks)).to.have.members(blocks.map((block) => block.cid.toString()))
    expect(written.blocks[cid].previous).to.deep.equal({ '/': previous })
  })

  it('leaves what is no record to others', async () => {
    const [keeper, reader] = [await lab.node(), await lab.node()]
    const { cid } = await keeper.proofs.packNode({ cycle: 3, hello: 'world' })
    const dir = await lab.dir()
    expect(await fetchRecordTo(reader.proofs, cid.toString(), join(dir, 'x'), { from: [keeper.hint], timeoutMs: HANGS_MS })).to.equal(null)
    const gone = fetchRecordTo(reader.proofs, (await recordOn(await lab.node())).cid, join(dir, 'y'), {
      from: [keeper.hint],
      timeoutMs: 300
    })
    expect((await failure(gone)).name).to.equal('ProofUnavailableError')
  })

  it('is what proof get does, and with --history it writes what there is and says where that ends', async () => {
    const keeper = await lab.node()
    const { cid, previous } = await recordOn(keeper)
    const path = join(await lab.dir(), 'record.json')
    const from = `${(keeper.hint.multiaddrs as string[])[0]}`
    const got = await run(['proof', 'get', cid, '--from', from, '--out', path, '--timeout', '600'])
    expect(got.code, got.stderr).to.equal(0)
    expect(got.stdout)
      .to.match(/the record of cycle 3 and its ledger/)
      .and.to.include(previous)
    await withMoreTime(2000, async (timeoutMs) => {
      const out = `${path}.all.${timeoutMs}`
      const all = await run(['proof', 'get', cid, '--from', from, '--out', out, '--timeout', `${timeoutMs / 1000}`, '--history'])
      expect(all.code, all.stderr).to.equal(4)
      expect(all.stdout).to.match(/1 record with ledgers, from cycle 3 back to cycle 3:.*stops {3}before cycle 3: .*did not arrive/s)
    })
  })
})
