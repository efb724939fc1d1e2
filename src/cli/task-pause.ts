import { Command } from 'commander'
import { ask, ControlError, type NodeDoor } from '../control/client.ts'
import { pauseAnswerSchema, tasksSchema } from '../control/schemas.ts'
import { addressOf, answer, example, withJson } from './common.ts'
import { type NodeOptions, nodeOf, withNode } from './own-node.ts'

type PauseOptions = NodeOptions & { json?: boolean }

/** The only task of the node, where none is named. @throws ControlError */
async function taskOf(node: NodeDoor, named: string | undefined): Promise<string> {
  if (named != null) {
    return addressOf(named, 'TASK')
  }
  const { tasks } = await ask(node, tasksSchema, '/v1/tasks')
  if (tasks.length !== 1) {
    throw new ControlError(`the node runs ${tasks.length} tasks: name one of ${tasks.map(({ task }) => task).join(', ') || 'none'}`)
  }
  return tasks[0]!.task
}

const order = async (verb: 'pause' | 'resume', task: string | undefined, options: PauseOptions) => {
  const node = nodeOf(options)
  return ask(node, pauseAnswerSchema, `/v1/tasks/${await taskOf(node, task)}/${verb}`, { method: 'POST' })
}

export function pauseCommand(): Command {
  return withNode(withJson(new Command('pause')))
    .description('have the running node leave out the cycles to come: no work and no audits; it serves, votes and keeps its stake')
    .argument('[task]', 'address of the task; not needed where the node does only one')
    .addHelpText(
      'after',
      `
What is under way is finished. The node stays paused over restarts, until task resume; nothing is paid for cycles without work.
`
    )
    .addHelpText('after', example('koii-mesh task pause --data-dir ./alice'))
    .action(async (task: string | undefined, { json, ...options }: PauseOptions) => {
      const paused = await order('pause', task, options)
      answer(json, paused, [`paused  ${paused.task}, from cycle ${paused.paused?.from ?? '?'} on: what is under way is finished`])
    })
}

export function resumeCommand(): Command {
  return withNode(withJson(new Command('resume')))
    .description('have the running node go on after task pause, with the next cycle whose work has not begun')
    .argument('[task]', 'address of the task; not needed where the node does only one')
    .addHelpText('after', example('koii-mesh task resume --data-dir ./alice'))
    .action(async (task: string | undefined, { json, ...options }: PauseOptions) => {
      const resumed = await order('resume', task, options)
      answer(json, resumed, [`resumed ${resumed.task}, with the next cycle whose work has not begun`])
    })
}
