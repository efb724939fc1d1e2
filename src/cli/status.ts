import { Command } from 'commander'
import { answer, example, withJson } from './common.ts'
import { askStatus, type NodeOptions, nodeOf, withNode } from './own-node.ts'
import { statusLines } from './status-text.ts'

export function statusCommand(): Command {
  return withNode(withJson(new Command('status')))
    .description('ask the running node how it is: its peers, its rounds, what it was paid and why not')
    .addHelpText(
      'after',
      `
What it shows of peers: connected (all), staked (of those, the ones with stake that have shown their key), in the mesh (of those, the
ones that gossip of the task goes to and comes from directly). A row for each cycle: what became of the submission and of the final
vote, what the cycle paid, and the sum of all. Where the node does several tasks, what is of the node comes first, then each task.
`
    )
    .addHelpText('after', example('koii-mesh status --data-dir ./alice'))
    .action(async ({ json, ...options }: NodeOptions & { json?: boolean }) => {
      const status = await askStatus(nodeOf(options))
      answer(json, status, statusLines(status, { dataDir: options.dataDir }))
    })
}
