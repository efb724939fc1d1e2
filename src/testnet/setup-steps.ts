/** What has to be there before the first round, and how far it is. */
import { roeToKoii } from '../config/index.ts'
import type { Member } from './member.ts'
import { STAKE_ROE } from './money.ts'
import type { SetupStep, SetupView } from './view.ts'

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
export function nodeSteps(members: readonly Member[], stakedCount: number): SetupStep[] {
  const all = members.length
  const howMany = (name: string, count: number, text: string) => ({ name, done: count === all, text: `${count} of ${all} ${text}` })
  return [
    howMany('nodes', members.filter(({ hint }) => hint != null).length, 'listen, each in a process of its own'),
    howMany('stakes', stakedCount, `are on K2, ${roeToKoii(STAKE_ROE)} KOII each`),
    howMany('bundle', members.filter(({ hasTask }) => hasTask).length, 'have it, the first from disk, others from nodes that K2 names'),
    howMany('mesh', members.filter(({ row }) => row.peers >= all - 1).length, 'have all others as peers: with stake, and greeted')
  ]
}
