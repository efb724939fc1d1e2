/** What has to be there before the first round, and how far it is. */
import { roeToKoii } from '../config/index.ts'
import type { Member } from './member.ts'
import { STAKE_ROE } from './money.ts'
import type { SetupStep, SetupView } from './picture-parts.ts'
import type { Seat } from './seat.ts'
import { seatsOf, type TaskRun } from './task-run.ts'

export interface SetupSteps {
  steps: SetupStep[]
  /** Tells how far a step is, a new one or one that was told of before. */
  step(name: string, text: string, done?: boolean): void
}

export function createSetupSteps(onView: (view: SetupView) => void): SetupSteps {
  const steps: SetupStep[] = []
  const step = (name: string, text: string, done = false) => {
    const before = steps.find((one) => one.name === name)
    before == null ? steps.push({ name, text, done }) : Object.assign(before, { text, done })
    onView({ setup: steps })
  }
  return { steps, step }
}

/** How far the nodes are, until the first round begins. */
export function nodeSteps(members: readonly Member[], runs: readonly TaskRun[], stakedCount: number): SetupStep[] {
  const all = members.length
  const more = runs.length === 1 ? '' : ' in each task'
  const inAll = (is: (seat: Seat) => boolean) => members.filter((member) => seatsOf(runs, member).every(is)).length
  const howMany = (name: string, count: number, text: string) => ({ name, done: count === all, text: `${count} of ${all} ${text}` })
  return [
    howMany('nodes', members.filter(({ hint }) => hint != null).length, 'listen, each in a process of its own'),
    howMany('stakes', stakedCount, `are on K2, ${roeToKoii(STAKE_ROE)} KOII each${more}`),
    howMany(
      'bundle',
      inAll(({ hasTask }) => hasTask),
      `have ${runs.length === 1 ? 'it' : 'that of each task'}, the first from disk, others from nodes that K2 names`
    ),
    howMany(
      'mesh',
      inAll(({ row }) => row.peers >= all - 1),
      `have all others as peers${more}: with stake, and greeted`
    )
  ]
}
