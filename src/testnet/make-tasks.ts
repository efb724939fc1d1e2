/** The tasks of a run, made on K2: each with its own account, bounty and pot, and all with one timing. */
import { join } from 'node:path'
import type { Timing } from '../clock/index.ts'
import { roeToKoii } from '../config/index.ts'
import type { Chain } from './chain.ts'
import type { Member } from './member.ts'
import { FUND_ROE } from './money.ts'
import type { News } from './news.ts'
import type { SetupSteps } from './setup-steps.ts'
import { type ChosenTask, chooseTask, createOnK2, type TaskInit } from './task.ts'
import { createTaskRun, labelsOf, type TaskRun } from './task-run.ts'

export interface MakeTasksInit {
  /** At least one. */
  asked: readonly TaskInit[]
  chain: Chain
  members: readonly Member[]
  /** Asked once all bundles are there, which may take a while. */
  timing: () => Timing
  /** What a cycle of each pays, in ROE. */
  bounty: bigint
  /** For what is fetched. */
  dir: string
  setup: SetupSteps
  news: News
  cleanup: Array<() => Promise<unknown>>
}

/** @throws TestnetError when a bundle is nowhere */
export async function makeTasks(init: MakeTasksInit): Promise<TaskRun[]> {
  const { asked, chain, members, bounty, dir, setup, news, cleanup } = init
  const nameOf = (at: number) => (asked.length === 1 ? 'task' : `task ${at + 1}`)
  const all: ChosenTask[] = []
  for (const [at, one] of asked.entries()) {
    setup.step(nameOf(at), `reading the bundle ${one.task}`)
    all.push(await chooseTask(one, join(dir, at === 0 ? 'bundle' : `bundle-${at + 1}`), cleanup))
  }
  const timing = init.timing()
  const labels = labelsOf(all.map(({ manifest }) => manifest.name))
  const runs: TaskRun[] = []
  for (const [at, chosen] of all.entries()) {
    const { manifest, bundle, params, gets } = chosen
    const label = labels[at]!
    setup.step(nameOf(at), `${label}: creating and funding it on K2`)
    const task = await createOnK2(chain, chosen, { timing, bounty })
    setup.step(nameOf(at), `${label} ${task}, with ${roeToKoii(FUND_ROE)} KOII in its pot; ${gets.join('; ')}`, true)
    news.tell(
      'task',
      { task, name: manifest.name, bundle, params: params?.value ?? null, network: manifest.network === true },
      `task ${label} is ${task}`
    )
    runs.push(createTaskRun({ task, label: all.length === 1 ? null : label, chosen, timing, members }))
  }
  return runs
}
