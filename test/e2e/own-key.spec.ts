/** What a node finds of its own key when it starts: an older log, a message that a kill kept from being heard. */
import { readFile } from 'node:fs/promises'
import { expect } from 'chai'
import { windowOf } from '../../src/clock/index.ts'
import { lockKeyFile } from '../../src/identity/index.ts'
import { vote as voteInstruction } from '../../src/k2/settlement/index.ts'
import { openStore } from '../../src/store/index.ts'
import { type Body, networkOf, open, seal } from '../../src/wire/index.ts'
import { signerOf } from '../k2/chain.ts'
import { signerWith } from '../signer/signers.ts'
import { type LoneNode, loneNode, named } from './lone-node.ts'

describe('a node and its own key', function () {
  this.timeout(180_000)
  let lone: LoneNode
  beforeEach(async () => {
    lone = await loneNode()
    // before its stake counts: it signs at once
    const { node } = await lone.up()
    await lone.stop(node)
  })
  afterEach(async function () {
    await lone.close(this.currentTest?.state === 'failed')
  })

  it('says again what it had signed when it was killed, as it was, and not something else', async () => {
    const { chain } = lone
    chain.toRound(3, 5)
    const network = networkOf(await chain.client.genesisHash(), chain.task)
    const body: Body = {
      cycle: 2,
      slot: windowOf(chain.timing, 2, 'submission').from + 3,
      submission: {
        value: new Uint8Array(Buffer.from('the work of the killed node')),
        proofs: []
      }
    }
    const store = openStore({ dir: lone.data })
    const signer = signerWith(chain.stakers[0]!, store.signerLog)
    const lost = await seal(body, network, { publicKey: signer.publicKey, sign: signer.signMessage })
    store.close()

    const { node, events } = await lone.up()
    expect(named(events, 'said-again')).to.have.length(1)
    expect(named(events, 'said-again')[0]).to.include({ cycle: 2, kind: 'submission' })
    node.signal('SIGKILL')
    await node.ended
    const after = openStore({ dir: lone.data })
    const kept = after.messages.load(chain.task, 2).map(({ bytes }) => open(bytes, network))
    after.close()
    expect(kept.filter(({ id }) => id === lost.id).map(({ bytes }) => Buffer.from(bytes))).to.deep.equal([Buffer.from(lost.bytes)])
  })

  it('starts although its log of messages has some that it cannot read, and says so once', async () => {
    const { chain } = lone
    chain.toRound(3, 5)
    const store = openStore({ dir: lone.data })
    for (const id of ['one', 'another']) {
      store.messages.put(chain.task, {
        id,
        cycle: 2,
        slot: windowOf(chain.timing, 2, 'submission').from + 2,
        bytes: new Uint8Array([1, 2, 3])
      })
    }
    store.close()
    const { node } = await lone.up()
    await lone.stop(node)
    const said = node
      .stderr()
      .split('\n')
      .filter((line) => line.includes('cannot be read'))
    expect(said).to.have.length(1)
    expect(said[0]).to.match(/"count":2/)
  })

  it('listens when K2 has a vote of its key that its log has not', async () => {
    const { chain } = lone
    const [alice] = chain.stakers
    chain.toRound(3, 5)
    const content = { cycle: 1, root: new Uint8Array(32), recordDigest: new Uint8Array(32).fill(1), totalRewards: 0n }
    const programId = chain.client.programId
    await chain.client.send(
      [voteInstruction({ task: chain.task, stakingKey: alice!.address, staker: alice!.address, programId, ...content })],
      [signerOf(alice!)]
    )
    const { node, events } = await lone.up()
    const [silent] = named(events, 'silent')
    expect(silent.reason).to.match(
      /K2 has a vote of this key for cycle 1 that the log of what was signed does not have: the log is an older copy/
    )
    // and a vote that comes now is of somebody who runs beside it
    chain.toRound(4, 20)
    await chain.client.send(
      [voteInstruction({ task: chain.task, stakingKey: alice!.address, staker: alice!.address, programId, ...content, cycle: 2 })],
      [signerOf(alice!)]
    )
    const { code } = await node.ended
    expect(code, node.stderr()).to.equal(3)
    expect(named(events, 'key-conflict')[0].reason).to.match(/the vote on K2 for cycle 2/)
  })

  it('does not start with a key file that another node has, and leaves it in peace', async () => {
    const text = await readFile(lone.key, 'utf8')
    const lock = lockKeyFile(lone.key, { dataDir: 'elsewhere', task: lone.chain.task })
    const node = lone.start()
    expect((await node.ended).code).to.equal(3)
    expect(node.stderr()).to.match(
      /koii-mesh: the staking key [^\n]* is in use by another node \(process \d+ on [^\n]*data directory elsewhere[^\n]*\n$/
    )
    lock.release()
    expect(await readFile(lone.key, 'utf8')).to.equal(text)
  })
})
