/**
 * # config
 *
 * One validated configuration for a node. Sources, each overriding the one before: the defaults of `schema.ts`, a JSON file,
 * `KOII_MESH_*` environment variables, flags.
 *
 * @example
 * ```ts
 * const config = loadConfig({ file: './koii-mesh.json', env: process.env, flags: { k2: 'http://127.0.0.1:8899', task } })
 * for (const { task, key, quotaMiB } of config.tasks) {}
 * ```
 */
import { isAbsolute, join, resolve } from 'node:path'
import { readSmallFile } from '../disk/index.ts'
import { ConfigError } from './errors.ts'
import { koiiToRoe } from './koii.ts'
import { type Params, ParamsError, paramsOf, placeOf, typedParams } from './params.ts'
import { CONFIG_KEYS, type ConfigKey, ONE_TASK_KEYS, schema, type TaskConfig } from './schema.ts'
import { bothGiven, ownEntries, type SharedSettings, taskConfig, tasksOf } from './tasks.ts'
import { complaintOf, envName, flagName, unknownSetting } from './words.ts'

export { ConfigError } from './errors.ts'
export { koiiToRoe, ROE_PER_KOII, roeToKoii } from './koii.ts'
export { hasIpv4, httpOn, loopbackHost, tcpOn } from './loopback.ts'
export { canonicalParams, MAX_PARAMS_BYTES, MAX_PARAMS_DEPTH, type Params, ParamsError, paramsOf, typedParams } from './params.ts'
export { CONFIG_KEYS, type ConfigKey, defaultOf, OWN_KEYS, type TaskConfig } from './schema.ts'
export { MAX_TASKS, namedTasks, type SharedSettings, taskConfigOf } from './tasks.ts'
export { envName, flagName } from './words.ts'

const MIB = 1024 * 1024
const MAX_FILE_BYTES = MIB

/** Those of the first task, beside each other, and all tasks. */
export interface Config extends TaskConfig {
  /** At least one, and none twice; the first has what stands beside this. */
  tasks: TaskConfig[]
  /** What holds for a task that says nothing of its own, as for one that is added later. */
  shared: SharedSettings
}

const forAllTasks = schema.omit({ task: true })

export type ConfigSource = Partial<Record<ConfigKey, unknown>>

export interface ConfigInit {
  /** Path of a JSON file. */
  file?: string | undefined
  env?: Record<string, string | undefined>
  flags?: ConfigSource
}

/**
 * @throws ConfigError naming each setting that is wrong, where it came from and what it should be
 */
export function loadConfig({ file, env = {}, flags = {} }: ConfigInit): Config {
  const origin = new Map<string, string>()
  const merged: Record<string, unknown> = {}
  const take = (source: Record<string, unknown>, describe: (key: string) => string) => {
    for (const [key, value] of Object.entries(source)) {
      if (value !== undefined) {
        merged[key] = value
        origin.set(key, describe(key))
      }
    }
  }
  const { tasks: entries, ...settings } = file == null ? {} : readSettings(file)
  take(settings, (key) => `"${key}" in ${file}`)
  take(Object.fromEntries(CONFIG_KEYS.map((key) => [key, env[envName(key)]])), envName)
  take(flags, flagName)

  const { task, ...forAll } = merged
  const result = forAllTasks.safeParse(forAll)
  const lines = result.success
    ? []
    : result.error.issues.flatMap((issue) => {
        const key = String(issue.path[0] ?? '')
        return issue.code === 'unrecognized_keys'
          ? [unknownSetting(issue.keys.map((one) => origin.get(one) ?? one))]
          : [complaintOf(issue, key, origin.get(key), forAll[key])]
      })
  const named = tasksOf(task, origin.get('task'), ownEntries(entries, `in ${file}`), lines)
  if (named.length > 1) {
    for (const key of ONE_TASK_KEYS.filter((one) => origin.has(one))) {
      lines.push(
        `${origin.get(key)} is of one task, and there are ${named.length}: give it as "${key}" of that task in "tasks" of the configuration file`
      )
    }
  }
  if (!result.success || lines.length > 0) {
    throw new ConfigError([...new Set(lines)].join('; '))
  }
  if (result.data.signer != null && result.data.key != null) {
    throw new ConfigError(bothGiven(origin.get('signer')!, origin.get('key')!))
  }
  const tasks = named.map((one) => taskConfig(result.data, one))
  const { bundle: _bundle, params: _params, ...shared } = result.data
  return { ...tasks[0]!, tasks, shared }
}

/** What a configuration file says, unchecked. @throws ConfigError */
export function readSettings(file: string): Record<string, unknown> {
  const path = isAbsolute(file) ? file : resolve(file)
  let text: string
  try {
    text = readSmallFile(path, MAX_FILE_BYTES).toString('utf8')
  } catch (err) {
    throw new ConfigError(`cannot read the configuration file ${file} (${(err as Error).message}): check the path given with --config`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (err) {
    throw new ConfigError(`the configuration file ${file} is not valid JSON${placeOf(err)}: it should hold one object`)
  }
  if (value == null || typeof value !== 'object' || Array.isArray(value)) {
    throw new ConfigError(`the configuration file ${file} holds something else: it should hold one object`)
  }
  return value as Record<string, unknown>
}

/**
 * The parameters alone, for a command that runs no node: by its flag, else by the variable, else by the configuration file of a node.
 *
 * @throws ConfigError
 */
export function loadParams({
  file,
  env,
  flag
}: {
  file?: string | undefined
  env: NodeJS.ProcessEnv
  flag?: string | undefined
}): Params | undefined {
  const name = envName('params')
  const [where, value] =
    flag != null
      ? [flagName('params'), flag]
      : env[name] != null
        ? [name, env[name]]
        : [`"params" in ${file}`, file == null ? undefined : readSettings(file).params]
  if (value === undefined) {
    return undefined
  }
  try {
    return typeof value === 'string' ? typedParams(value) : paramsOf(value)
  } catch (err) {
    throw err instanceof ParamsError ? new ConfigError(`${where} ${err.message}`) : err
  }
}

/** The sizes that the rooms want in bytes. What records take is part of the quota. */
export function bytesOf(config: TaskConfig): {
  quota: number
  records: number
  taskMemory: number
  taskStore: number
  serveUnstaked: number
} {
  return {
    quota: config.quotaMiB * MIB,
    records: (config.quotaMiB * MIB) / 4,
    taskMemory: config.taskMemoryMiB * MIB,
    taskStore: config.taskStoreMiB * MIB,
    serveUnstaked: config.serveUnstakedKib * 1024
  }
}

/** The staking key's file: the operator's, or the one that a node makes at its first start. */
export function keyPathOf({ key, dataDir }: Pick<TaskConfig, 'key' | 'dataDir'>): string {
  return key ?? join(dataDir, 'staking-key.json')
}

/** For a command that is run elsewhere: the same as an absolute path, or a word for the file where only a signer knows it. */
export function keyFileOf(config: Pick<TaskConfig, 'key' | 'dataDir'> & { signer?: string | undefined }): string {
  return config.signer == null ? resolve(keyPathOf(config)) : 'KEY_FILE'
}

/** An amount on the command line, in KOII: "2.5". @throws ConfigError */
export function amountOf(text: string, name: string): bigint {
  try {
    return koiiToRoe(text)
  } catch (err) {
    throw new ConfigError(`${name} is "${text}": ${err instanceof Error ? err.message : String(err)}`)
  }
}
