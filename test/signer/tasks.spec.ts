/** One signer, and a node that does several tasks with its key: what is said of one task says nothing of another. */
import { PublicKey, Transaction } from '@solana/web3.js'
import bs58 from 'bs58'
import { expect } from 'chai'
import type { FinalVote } from '../../src/k2/index.ts'
import { PROGRAM_ID, vote } from '../../src/k2/settlement/index.ts'
import { ContradictionError, SigningHeldError, serveSigner, UnreadableRequestError } from '../../src/signer/index.ts'
import { createLink, type Link } from '../../src/signer/remote/link.ts'
import { toText, voteToJson } from '../../src/signer/remote/protocol.ts'
import { openStore, type Store } from '../../src/store/index.ts'
import { Body, networkOf, signedBytes } from '../../src/wire/index.ts'
import { tempDir } from '../e2e/cli.ts'
import { alice, GENESIS, submission, TASK } from '../wire/people.ts'
import { refused } from './refused.ts'
import { maySign, type NodeSide, nodeSide, type Place, placeFor } from './signer-process.ts'

const OTHER = bs58.encode(new Uint8Array(32).fill(7))
const messageIn = (task: string, value: string, cycle = 3) =>
  signedBytes(networkOf(GENESIS, task), Body.encode(submission(value, cycle, 130 + 30 * (cycle - 3))))
const ballot: FinalVote = { cycle: 3, root: new Uint8Array(32), recordDigest: new Uint8Array(32), totalRewards: 7n }
const voteIn = (task: string) =>
  new Transaction({
    feePayer: new PublicKey(alice.address),
    blockhash: new PublicKey(new Uint8Array(32).fill(5)).toBase58(),
    lastValidBlockHeight: 1
  })
    .add(vote({ task, stakingKey: alice.address, ...ballot }))
    .serializeMessage()

describe('a signer and the tasks of its node', function () {
  this.timeout(30_000)
  let place: Place
  let store: Store
  let closing: Array<() => unknown>
  const left: string[] = []
  let onLeft = () => {}
  const gone = () =>
    new Promise<void>((resolve) => {
      onLeft = resolve
    })
  beforeEach(async () => {
    const { dir, remove } = await tempDir()
    place = await placeFor(dir, alice)
    store = openStore({ dir: place.data })
    const serving = await serveSigner({
      path: place.socket,
      keyPair: alice,
      store,
      programId: PROGRAM_ID,
      maxFeeRoe: 0n,
      onEvent(event, { task }) {
        if (event === 'node-left') {
          left.push(String(task))
          onLeft()
        }
      }
    })
    closing = [remove, store.close, serving.stop]
  })
  afterEach(async () => {
    for (const close of closing.reverse()) {
      await close()
    }
  })
  const side = async (task: string, name: string): Promise<NodeSide> => {
    const made = await nodeSide(place, { task, name })
    closing.push(made.close)
    return made
  }

  it('has a mark for each task, serves them beside each other, and holds or halts one alone', async () => {
    const [first, second] = [await side(TASK, 'first'), await side(OTHER, 'second')]
    maySign(first)
    await first.signer.signMessage(messageIn(TASK, 'one'))
    expect([store.origin(TASK), store.origin(OTHER)]).to.deep.equal(['kept', 'new'])
    expect(second.trust.origin()).to.equal('new')
    await refused(second.signer.signMessage(messageIn(OTHER, 'one')), SigningHeldError, /has not begun to sign/)
    maySign(second)
    await second.signer.signMessage(messageIn(OTHER, 'another'))
    await refused(second.signer.signMessage(messageIn(OTHER, 'one')), ContradictionError, /second, different/)
    first.signer.halt('a twin')
    await second.signer.signMessage(messageIn(OTHER, 'x', 4))
    const end = gone()
    await first.close()
    await end
    expect(left).to.include(TASK)
    expect([store.origin(TASK), store.origin(OTHER)]).to.deep.equal(['lost', 'kept'])
    const again = await side(TASK, 'knows nothing')
    expect(again.trust.origin()).to.equal('lost')
    expect((await side(bs58.encode(new Uint8Array(32).fill(8)), 'third')).trust.origin()).to.equal('new')
    await second.signer.signMessage(messageIn(OTHER, 'y', 5))
  })

  it('serves one node at a time in each of them', async () => {
    await side(TASK, 'first')
    const err = await nodeSide(place, { task: TASK, name: 'twin', patienceMs: 300 }).catch((one: Error) => one)
    expect(err).to.include({ name: 'KeyInUseError' })
    expect((err as Error).message).to.include(`serves another node in the task ${TASK}`)
  })

  it('signs, tells and takes nothing of another task on a connection that is for one', async () => {
    const link: Link = createLink({ path: place.socket, answerMs: 5_000, stopping: new AbortController().signal })
    closing.push(link.close)
    await link.call('session', { task: TASK })
    await link.call('standing', { state: 'signs' })
    const another = new RegExp(OTHER)
    const asked: Array<() => Promise<unknown>> = [
      () => link.call('sign-message', { bytes: toText(messageIn(OTHER, 'one')) }),
      () => link.call('adopt', { bytes: toText(messageIn(OTHER, 'one')) }),
      () => link.call('sign-vote', { task: OTHER, vote: voteToJson(ballot) }),
      () => link.call('reserve-vote', { task: OTHER, vote: voteToJson(ballot) }),
      () => link.call('sign-transaction', { message: toText(voteIn(OTHER)) }),
      () => link.call('log', { task: OTHER, fromCycle: 0 }),
      () => link.call('prune', { task: OTHER, cycle: 9 }),
      () => link.call('session', { task: OTHER })
    ]
    for (const ask of asked) {
      await refused(ask(), UnreadableRequestError, another)
    }
    expect(store.signerLog.page(OTHER, { fromCycle: 0, limit: 9 })).to.deep.equal([])
    // the same about its own is done
    await link.call('sign-message', { bytes: toText(messageIn(TASK, 'one')) })
    await link.call('sign-transaction', { message: toText(voteIn(TASK)) })
    await link.call('log', { task: TASK, fromCycle: 0 })
  })
})
