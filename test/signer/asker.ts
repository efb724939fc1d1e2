/**
 * A node's part as a process, for the test that kills: connects to a signer, and asks for messages and votes whose contents are drawn
 * anew each time, as a node that has forgotten everything would. What it was given it says, a line of JSON each.
 *
 *     node test/signer/asker.ts SOCKET DATA_DIR CYCLES
 */
import { randomBytes } from 'node:crypto'
import { PROGRAM_ID } from '../../src/k2/settlement/index.ts'
import { ContradictionError, connectSigner } from '../../src/signer/index.ts'
import { openStore } from '../../src/store/index.ts'
import { Body, signedBytes } from '../../src/wire/index.ts'
import { NETWORK, submission, TASK } from '../wire/people.ts'

const [path, dir, cycles] = process.argv.slice(2) as [string, string, string]
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const store = openStore({ dir })
const remote = await connectSigner({
  path,
  programId: PROGRAM_ID,
  task: TASK,
  log: store.signerLog,
  liveFrom: () => 0,
  onAway: () => say({ event: 'away' }),
  onBack: () => say({ event: 'back' }),
  onMistrust: (reason) => say({ event: 'mistrust', reason }),
  pollMs: 20,
  patienceMs: 60_000
})
const origin = remote.trust.origin()
remote.trust.trustLog()
remote.signer.release()
say({ event: 'up', origin })

const given = async (cycle: number, kind: string, run: () => Promise<object>) => {
  say({ event: 'asking', cycle, kind })
  try {
    say({ event: 'signed', cycle, kind, ...(await run()) })
  } catch (err) {
    if (!(err instanceof ContradictionError)) {
      throw err
    }
    say({ event: 'refused', cycle, kind })
  }
}
for (let cycle = 0; cycle < Number(cycles); cycle++) {
  const bytes = signedBytes(NETWORK, Body.encode(submission(hex(randomBytes(8)), cycle, 130)))
  const vote = { cycle, root: randomBytes(32), recordDigest: randomBytes(32), totalRewards: 7n }
  await Promise.all([
    given(cycle, 'submission', async () => ({ bytes: hex(bytes), signature: hex(await remote.signer.signMessage(bytes)) })),
    given(cycle, 'vote', async () => {
      await remote.signer.reserveVote(TASK, vote)
      const signature = hex(await remote.signer.signVote(TASK, vote))
      return { root: hex(vote.root), recordDigest: hex(vote.recordDigest), signature }
    })
  ])
}
say({ event: 'done' })
await remote.close()
store.close()
process.exit(0)
