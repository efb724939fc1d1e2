/** The tasks of a configuration, and what each has of its own in place of what is for all. */
import { ConfigError } from './errors.ts'
import { CONFIG_KEYS, type ConfigKey, OWN_KEYS, schema, split, type TaskConfig } from './schema.ts'
import { complaintOf, shown } from './words.ts'

/** Of one node: each has a process, and rounds to do. */
export const MAX_TASKS = 32

/** What is given for all tasks. */
export type ForAll = Omit<TaskConfig, 'task'>
/** What holds for each task that says nothing of its own. */
export type SharedSettings = Omit<ForAll, 'bundle' | 'params'>

/** A task, and its own settings. */
export interface Named {
  task: string
  own: Partial<TaskConfig>
}

const EXAMPLE = 'an object such as {"task": "ADDRESS", "key": "FILE"}'

/**
 * The names in what is given as `task`, unchecked: one, a list, or text with commas.
 *
 * @param entries - what is given as `tasks`
 */
export function namedTasks(task: unknown, entries?: unknown): string[] {
  const own = Array.isArray(entries) ? entries.map((entry) => (entry as { task?: unknown } | null)?.task) : []
  const all = [...listed(task), ...own].filter((name) => typeof name === 'string' && name !== '')
  return [...new Set(all as string[])]
}

/** At least one: what is no list is one task that is wrong. */
function listed(task: unknown): unknown[] {
  if (task === undefined) {
    return []
  }
  const parts = split(task)
  return Array.isArray(parts) && parts.length > 0 ? parts : [task]
}

/** @throws ConfigError where there is no list of objects */
export function ownEntries(entries: unknown, where: string): Array<{ entry: Record<string, unknown>; placeOf(key: string): string }> {
  if (entries === undefined) {
    return []
  }
  if (!Array.isArray(entries)) {
    throw new ConfigError(`"tasks" ${where} is ${shown(entries)}: should be a list, each of them ${EXAMPLE}`)
  }
  if (entries.length > MAX_TASKS) {
    throw new ConfigError(`"tasks" ${where} has ${entries.length} tasks: a node runs ${MAX_TASKS} at most`)
  }
  return entries.map((entry: unknown, i) => {
    if (!isObject(entry)) {
      throw new ConfigError(`"tasks[${i}]" ${where} is ${shown(entry)}: should be ${EXAMPLE}`)
    }
    return { entry, placeOf: (key) => `"tasks[${i}].${key}" ${where}` }
  })
}

/**
 * All tasks, those of `task` before those that only `entries` name; what is wrong goes to `lines`.
 *
 * @param where - what gave `task`
 */
export function tasksOf(task: unknown, where: string | undefined, entries: ReturnType<typeof ownEntries>, lines: string[]): Named[] {
  const tasks = new Map<string, Named>()
  const names = listed(task)
  if (names.length > MAX_TASKS) {
    lines.push(`${where} has ${names.length} tasks: a node runs ${MAX_TASKS} at most`)
    return []
  }
  for (const name of names) {
    const checked = checkedName(name, where!, lines)
    if (checked != null && tasks.has(checked)) {
      lines.push(`${where} has the task ${checked} twice: once is enough`)
    }
    if (checked != null) {
      tasks.set(checked, { task: checked, own: {} })
    }
  }
  const seen = new Set<string>()
  for (const { entry, placeOf } of entries) {
    const { task: name, ...given } = entry
    const checked = name === undefined ? undefined : checkedName(name, placeOf('task'), lines)
    if (name === undefined) {
      lines.push(`${placeOf('task')} is missing: should be the address of the task`)
    }
    if (checked != null && seen.has(checked)) {
      lines.push(`${placeOf('task')} is ${checked}, which is there before: give a task one entry`)
    }
    const own = ownSettings(given, placeOf, lines)
    if (checked != null) {
      seen.add(checked)
      tasks.set(checked, { task: checked, own })
    }
  }
  if (names.length + entries.length === 0) {
    lines.push(complaintOf({ code: 'custom', message: '', path: ['task'] }, 'task', undefined, undefined))
  }
  if (tasks.size > MAX_TASKS) {
    lines.push(`${where} and "tasks" have ${tasks.size} tasks: a node runs ${MAX_TASKS} at most`)
  }
  return [...tasks.values()]
}

function checkedName(name: unknown, where: string, lines: string[]): string | undefined {
  const { success, data, error } = schema.shape.task.safeParse(name)
  if (!success) {
    lines.push(...error.issues.map((issue) => complaintOf(issue, 'task', where, name)))
  }
  return data
}

function ownSettings(given: Record<string, unknown>, placeOf: (key: string) => string, lines: string[]): Partial<TaskConfig> {
  const own: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    if (value === undefined) {
      continue
    }
    if (isOwn(key)) {
      const { data, error } = schema.shape[key].safeParse(value)
      own[key] = data
      lines.push(...(error?.issues ?? []).map((issue) => complaintOf(issue, key, placeOf(key), value)))
    } else {
      lines.push(
        (CONFIG_KEYS as string[]).includes(key)
          ? `${placeOf(key)} is a setting for all tasks of a node: none may have its own`
          : `${placeOf(key)}: no such setting of a task; there are task, ${OWN_KEYS.join(', ')}`
      )
    }
  }
  if (own.key != null && own.signer != null) {
    lines.push(bothGiven(placeOf('signer'), placeOf('key')))
  }
  return own
}

export function taskConfig(forAll: ForAll, { task, own }: Named): TaskConfig {
  // a key of its own is in the place of the signer for all, and the other way round
  const { key: _key, signer: _signer, ...without } = forAll
  return { ...(own.key != null || own.signer != null ? without : forAll), ...own, task }
}

/**
 * The configuration of a task that is added to a node that runs.
 *
 * @param asked - like one of `tasks` in a configuration file: `task`, and what it has of its own
 * @throws ConfigError
 */
export function taskConfigOf({ shared }: { shared: SharedSettings }, asked: unknown): TaskConfig {
  if (!isObject(asked)) {
    throw new ConfigError(`a task is asked for as ${shown(asked)}: should be ${EXAMPLE}`)
  }
  const lines: string[] = []
  const [named] = tasksOf(undefined, undefined, [{ entry: asked, placeOf: (key) => `"${key}"` }], lines)
  if (lines.length > 0) {
    throw new ConfigError([...new Set(lines)].join('; '))
  }
  return taskConfig(shared, named!)
}

export const bothGiven = (signer: string, key: string) =>
  `${signer} and ${key} are both given: with a signer the node reads no staking key, so give the key to the signer and leave it out here`

const isOwn = (key: string): key is ConfigKey => (OWN_KEYS as string[]).includes(key)

function isObject(value: unknown): value is Record<string, unknown> {
  return value != null && typeof value === 'object' && !Array.isArray(value)
}
