/** kill -9 of the signer, of its node, and of both, at many points: nothing that was ever signed contradicts anything else. */
import { join } from 'node:path'
import { expect } from 'chai'
import { verifyEd25519 } from '../../src/identity/index.ts'
import { encodeVote } from '../../src/k2/index.ts'
import { voteMessage } from '../../src/k2/settlement/index.ts'
import { openStore } from '../../src/store/index.ts'
import { type Cli, type Event, script, tempDir } from '../e2e/cli.ts'
import { alice, TASK } from '../wire/people.ts'
import { killed, type Place, placeFor, upSigner } from './signer-process.ts'

/** So many cycles each life asks for, from the first on: each asks again for what the lives before it had. */
const CYCLES = 40
const ASKER = join(import.meta.dirname, 'asker.ts')
/** After which request of a life who is killed, and how many turns of the loop later: at any point of a request, of either side. */
const LIVES: Array<[who: 'signer' | 'node' | 'both', atCycle: number, turns: number]> = [
  ['node', 1, 0],
  ['signer', 2, 0],
  ['both', 4, 1],
  ['signer', 6, 2],
  ['node', 9, 3],
  ['both', 11, 5],
  ['node', 14, 8],
  ['signer', 18, 13],
  ['both', 23, 21],
  ['signer', 28, 34],
  ['node', 33, 55]
]

const fromHex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'))

describe('a signer and its node, killed at any moment', function () {
  this.timeout(120_000)
  let place: Place
  let remove: () => Promise<void>
  const processes: Cli[] = []
  before(async () => {
    const temporary = await tempDir()
    remove = temporary.remove
    place = await placeFor(temporary.dir, alice)
  })
  after(async () => {
    await Promise.all(processes.map((process) => process.clean()))
    await remove()
  })

  it('never contradict themselves, and no life of the node finds a log that lacks what was signed', async () => {
    const start = async () => {
      const signer = await upSigner(place)
      processes.push(signer)
      return signer
    }
    const ask = () => {
      const node = script(ASKER, [place.socket, join(place.dir, 'node'), String(CYCLES)])
      processes.push(node)
      return node
    }
    const said: Event[] = []
    let signer = await start()
    let node = ask()
    for (const [who, atCycle, turns] of LIVES) {
      await node.event(`cycle ${atCycle}`, ({ event, cycle }) => event === 'asking' && cycle === atCycle)
      for (let turn = 0; turn < turns; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      const dying = [...(who === 'node' ? [] : [signer]), ...(who === 'signer' ? [] : [node])]
      await Promise.all(dying.map(killed))
      if (who !== 'node') {
        signer = await start()
      }
      if (who !== 'signer') {
        said.push(...node.events)
        node = ask()
      }
    }
    await node.event('end', ({ event }) => event === 'done')
    said.push(...node.events)
    await node.ended
    await killed(signer)

    const signed = said.filter(({ event }) => event === 'signed')
    const contents = new Map<string, Set<string>>()
    for (const { cycle, kind, bytes, root, recordDigest, signature } of signed) {
      const vote = kind === 'vote' ? { cycle, root: fromHex(root), recordDigest: fromHex(recordDigest), totalRewards: 7n } : null
      const what = vote == null ? fromHex(bytes) : voteMessage({ task: TASK, ...vote })
      expect(verifyEd25519(fromHex(signature), what, alice.publicKey)).to.equal(true)
      const content = Buffer.from(vote == null ? what : encodeVote(vote)).toString('hex')
      contents.set(`${cycle}/${kind}`, (contents.get(`${cycle}/${kind}`) ?? new Set()).add(content))
    }
    // whatever was given away, in whichever life, is the one that the signer's log has
    const store = openStore({ dir: place.data })
    const log = new Map(
      store.signerLog.list(TASK, 0).map(({ cycle, key, bytes }) => [`${cycle}/${key}`, Buffer.from(bytes).toString('hex')])
    )
    store.close()
    expect([...log.keys()]).to.have.length(2 * CYCLES)
    for (const [place, all] of contents) {
      expect([...all], place).to.deep.equal([log.get(place)])
    }
    // every life after the first was refused what a former one had had signed, and the last went through to the end
    expect(said.filter(({ event }) => event === 'refused').length).to.be.greaterThan(CYCLES)
    expect(contents.size).to.be.greaterThan(CYCLES)
    expect(said.filter(({ event }) => event === 'mistrust')).to.deep.equal([])
    expect(
      said
        .filter(({ event }) => event === 'up')
        .slice(1)
        .every(({ origin }) => origin === 'kept')
    ).to.equal(true)
    expect(said.filter(({ event }) => event === 'back').length).to.be.greaterThan(0)
  })
})
