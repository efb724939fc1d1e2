import { Command } from 'commander'
import { commandLine } from '../command/index.ts'
import { ask, ControlError, eventsOf, type NodeDoor } from '../control/client.ts'
import { tasksSchema } from '../control/schemas.ts'
import { toLine } from '../observe/index.ts'
import { complain, sayJson, sayLines } from '../observe/output.ts'
import { onOutputLost, untilStopped } from '../observe/process.ts'
import { counted } from '../observe/words.ts'
import { example, withJson } from './common.ts'
import { lineOf } from './event-text.ts'
import { type NodeOptions, nodeOf, withNode } from './own-node.ts'
import { createTaskLabels, type TaskLabels } from './task-labels.ts'

interface EventsOptions extends NodeOptions {
  follow?: boolean
  json?: boolean
}

/** Of what the node runs now; a node that does not tell is no reason to show nothing. */
async function labelsOf(node: NodeDoor): Promise<TaskLabels> {
  try {
    return createTaskLabels((await ask(node, tasksSchema, '/v1/tasks')).tasks)
  } catch (err) {
    if (err instanceof ControlError) {
      return createTaskLabels([])
    }
    throw err
  }
}

export function eventsCommand(): Command {
  return withNode(withJson(new Command('events')))
    .description('show what the running node has told since its start, as far as it keeps it: the last thousand events or so')
    .option('--follow', 'go on with what it tells from now on, until Ctrl+C')
    .addHelpText(
      'after',
      `
Lines are those that start prints, with the task in brackets where the node does several; --json has every event, one object a line. Exit status 1 where the node ends first.
`
    )
    .addHelpText('after', example('koii-mesh events --data-dir ./alice', 'koii-mesh events --data-dir ./alice --follow --json'))
    .action(async ({ follow = false, json, ...options }: EventsOptions) => {
      const node = nodeOf(options)
      const stopping = new AbortController()
      void untilStopped().then(() => stopping.abort())
      // nobody reads any more
      onOutputLost(() => stopping.abort())
      const labels = json === true ? createTaskLabels([]) : await labelsOf(node)
      const get = (cid: string) => commandLine(['proof', 'get', cid], { help: true })
      for await (const streamed of eventsOf(node, { from: 'oldest', follow, signal: stopping.signal })) {
        if ('lost' in streamed) {
          complain(streamed.lost == null ? 'events before these are lost' : `${counted(streamed.lost, 'event')} before these are lost`)
        } else if (json === true) {
          sayJson(toLine(streamed.event))
        } else {
          const line = lineOf(streamed.event, get, labels.of(streamed.event))
          if (line != null) {
            sayLines([line])
          }
        }
      }
      if (follow && !stopping.signal.aborted) {
        throw new ControlError(
          `the node at ${node.named} has stopped, or has cut this reader: ask it how it is with ${commandLine(['status'], options.dataDir == null ? {} : { dataDir: options.dataDir })}`
        )
      }
    })
}
