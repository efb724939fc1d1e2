/** What a node is told of its tasks. */

import { writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import type { TaskRun } from './task-run.ts'

/** One of `tasks` in the configuration file of a node. */
interface TaskSettings {
  task: string
  allowNetwork?: boolean
  bundle?: string
  params?: Record<string, unknown>
}

/**
 * The flags of `koii-mesh start` for a node's tasks: of the only one, or the file of several, which is written.
 *
 * @param hasBundles - one node has the bundles and their params; the others fetch both from their peers
 * @param dir - the node's own, which is there
 */
export async function taskFlags(runs: readonly TaskRun[], hasBundles: boolean, dir: string): Promise<string[]> {
  const [first, ...more] = runs.map((run) => settingsOf(run, hasBundles))
  if (more.length > 0) {
    const file = join(dir, 'config.json')
    await writeFile(file, `${JSON.stringify({ tasks: [first, ...more] }, null, 2)}\n`)
    return ['--config', file]
  }
  const { task, allowNetwork, bundle } = first!
  const { params } = runs[0]!.chosen
  return [
    ...['--task', task],
    ...(allowNetwork === true ? ['--allow-network'] : []),
    ...(bundle == null ? [] : ['--bundle', bundle, ...(params == null ? [] : ['--params', params.text])])
  ]
}

function settingsOf({ task, chosen: { manifest, path, params } }: TaskRun, hasBundle: boolean): TaskSettings {
  return {
    task,
    ...(manifest.network === true ? { allowNetwork: true } : {}),
    ...(hasBundle ? { bundle: resolve(path), ...(params == null ? {} : { params: params.value }) } : {})
  }
}
