/** Which task a line is about, in a word: where a node runs several. */
import type { NodeEvent } from '../observe/index.ts'
import { shownText } from '../observe/shown-text.ts'

export interface TaskLabels {
  /** Undefined for what is about the node, and where it runs one task. What an event says of tasks is taken in. */
  of(event: NodeEvent): string | undefined
}

interface Named {
  task: string
  /** From K2: whoever made the task chose it. */
  taskName: string | null
}

/** In columns of a terminal. */
const MAX_NAME = 20
const MIN_ADDRESS = 4
/** A stream of events is not ours to bound. */
const MAX_TASKS = 256
/** Nothing that could be taken for the end of the label, or for what stands behind it. */
const PLAIN = /^[\p{L}\p{N}]+(?:[ ._-][\p{L}\p{N}]+)*$/u

/** @param known - what the node runs, as far as that is known before its events are read */
export function createTaskLabels(known: readonly Named[]): TaskLabels {
  const names = new Map(known.map(({ task, taskName }) => [task, taskName]))

  const learn = (event: NodeEvent & { task: string }) => {
    const name = event.event === 'task' || event.event === 'task-added' ? event.taskName : undefined
    if (name != null || !names.has(event.task)) {
      names.set(event.task, name ?? null)
    }
    if (names.size > MAX_TASKS) {
      names.delete(names.keys().next().value as string)
    }
  }

  /** Its name, or the beginning of its address; both where the name would do for another task, too. */
  const labelOf = (task: string): string => {
    const name = names.get(task) ?? ''
    const others = [...names].filter(([other]) => other !== task)
    let length = MIN_ADDRESS
    while (length < task.length && others.some(([other]) => other.startsWith(task.slice(0, length)))) {
      length++
    }
    const start = shownText(task.slice(0, length), task.length)
    if (!PLAIN.test(name) || shownText(name, MAX_NAME) !== name) {
      return start
    }
    return others.some(([other, itsName]) => itsName === name || other.startsWith(name)) ? `${name} ${start}` : name
  }

  return {
    of(event) {
      if (event.task == null) {
        return undefined
      }
      learn({ ...event, task: event.task })
      const label = names.size > 1 ? labelOf(event.task) : undefined
      if (event.event === 'task-removed') {
        names.delete(event.task)
      }
      return label
    }
  }
}
