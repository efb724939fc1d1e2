/** What K2 tells of a task's results, as far as it can be so. */
import { expect } from 'chai'
import type { TaskAccount } from '../../src/k2/settlement/index.ts'
import { createTaskFollow } from '../../src/participant/task-follow.ts'
import { silent } from '../k2/chain.ts'

const TIMING = { startingSlot: 0, roundSlots: 30, submissionWindow: 10, auditWindow: 18 }
/** The slot in which the vote on a cycle begins. */
const opens = (cycle: number) => (cycle + 2) * TIMING.roundSlots

describe('participant: results that K2 tells', () => {
  function following(at: number) {
    let slot: number | undefined = at
    const told: number[] = []
    const account = (cycle?: number) =>
      ({
        ...TIMING,
        bundle: { cid: '', from: 0 },
        totalRewards: 0n,
        finalized: cycle == null ? undefined : { cycle, root: new Uint8Array(32), recordDigest: new Uint8Array(32) }
      }) as unknown as TaskAccount
    const follow = createTaskFollow({
      task: 'TASK',
      account: account(),
      timing: TIMING,
      followBundle: false,
      own: {},
      runtime: { follow() {} },
      cycle: () => 0,
      slot: () => slot,
      handle() {},
      settled: { follow: async (cycle) => void told.push(cycle), catchUp: async () => {} },
      archive: { follow() {} },
      events: { emit() {} } as never,
      log: silent
    })
    const goTo = (to: number | undefined) => {
      slot = to
    }
    return { told, goTo, hear: (cycle: number) => follow.heard(account(cycle)), known: follow.finalizedCycle }
  }

  it('are of cycles that can have been voted on: one that is made up keeps none that is true from being heard', () => {
    const { hear, told, known } = following(opens(3) + 5)
    hear(1_000_000)
    hear(5)
    expect([told, known()]).to.deep.equal([[], -1])
    hear(3)
    hear(2)
    expect([told, known()]).to.deep.equal([[3], 3])
  })

  it('are believed of an endpoint that is a little ahead of our clock, and while there is no clock', () => {
    const early = following(opens(3) - 16)
    early.hear(3)
    expect(early.told).to.deep.equal([3])
    early.goTo(undefined)
    early.hear(7)
    expect(early.told).to.deep.equal([3, 7])
  })

  it('that were believed while the clock followed a lie are in the way of none when it has gone back', () => {
    const { hear, told, goTo, known } = following(opens(900))
    hear(900)
    goTo(opens(4))
    hear(4)
    hear(3)
    expect([told, known()]).to.deep.equal([[900, 4], 4])
  })
})
