/** Which tasks a testnet runs, and with which parameters. */
import { ConfigError, envName, loadParams, type Params, ParamsError, paramsOf, readSettings } from '../config/index.ts'
import { UsageError } from './common.ts'

/** As many as a node does. */
const MAX_TASKS = 32

/** A task of a testnet, as somebody asked for it. */
export interface TestnetTask {
  /** A built-in one, the path of a bundle, or a bundle's CID. */
  task: string
  params?: Params
}

export interface TestnetTasksInit {
  /** Of --task. */
  task: string
  /** Of --tasks. */
  tasks: string[] | undefined
  /** Of --params. */
  typed: string | undefined
  /** Of --config. */
  config: string | undefined
  env: NodeJS.ProcessEnv
}

/** @returns at least one @throws UsageError, ConfigError */
export function testnetTasks({ task, tasks, typed, config, env }: TestnetTasksInit): [TestnetTask, ...TestnetTask[]] {
  const names = tasks ?? [task]
  const [first] = names
  if (first == null || names.length > MAX_TASKS) {
    throw new UsageError(`--tasks names ${names.length} tasks: give 1 to ${MAX_TASKS}, with commas between them`)
  }
  if (names.length === 1) {
    const params = loadParams({ file: config, env, flag: typed })
    return [{ task: first, ...(params == null ? {} : { params }) }]
  }
  const settings = config == null ? {} : readSettings(config)
  const forAll =
    typed != null
      ? '--params'
      : env[envName('params')] != null
        ? envName('params')
        : settings.params != null
          ? `"params" in ${config}`
          : null
  if (forAll != null) {
    throw new UsageError(
      `${forAll} is given for ${names.length} tasks: write {"tasks":[{"task":"${names[0]}","params":{...}}]} to a file, an entry for each task that has some, and give it with --config`
    )
  }
  const given = paramsInFile(settings.tasks, config)
  // the same task twice takes one entry after the other
  const all = names.map((name): TestnetTask => {
    const at = given.findIndex((entry) => entry.task === name)
    const [entry] = at < 0 ? [] : given.splice(at, 1)
    return { task: name, ...(entry?.params == null ? {} : { params: entry.params }) }
  })
  if (given.length > 0) {
    throw new UsageError(
      `"tasks" in ${config} has ${given.map((entry) => entry.task).join(', ')}, which --tasks does not: name tasks alike in both`
    )
  }
  return all as [TestnetTask, ...TestnetTask[]]
}

/** Of --tasks: with commas, or several times. */
export function taskNames(value: string, before: string[] = []): string[] {
  return [...before, ...value.split(',').filter((name) => name !== '')]
}

function paramsInFile(tasks: unknown, file: string | undefined): TestnetTask[] {
  if (tasks === undefined) {
    return []
  }
  if (!Array.isArray(tasks)) {
    throw new ConfigError(`"tasks" in ${file} should be a list such as [{"task":"k2-index","params":{}}]`)
  }
  return tasks.map((entry: unknown, at) => {
    const { task, params } = (entry ?? {}) as { task?: unknown; params?: unknown }
    if (typeof task !== 'string') {
      throw new ConfigError(`"tasks" in ${file}: entry ${at + 1} has no "task", the name, path or CID as in --tasks`)
    }
    try {
      return { task, ...(params === undefined ? {} : { params: paramsOf(params) }) }
    } catch (err) {
      throw err instanceof ParamsError ? new ConfigError(`"tasks" in ${file}: "params" of ${task} ${err.message}`) : err
    }
  })
}
