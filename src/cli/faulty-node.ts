/**
 * A node that misbehaves in one way and is honest otherwise: `node faulty-node.ts FAULT [options of start]`. The testnet
 * runs it; nothing of it is in a real node.
 */
import { Command } from 'commander'
import type { NodeParts } from '../node/index.ts'
import { guardOutput, watchParent } from '../observe/process.ts'
import { ATTACKS, say } from '../testnet/attacks.ts'
import { type Fault, parseFaults } from '../testnet/faults.ts'
import { wrongValue } from '../testnet/wrong-value.ts'
import { runStart, startOptions } from './start.ts'

/** What each fault puts in the place of an honest part, in each task of the node: what one remembers is of that task. */
const PARTS: Record<Fault, () => NodeParts> = {
  ...ATTACKS,
  'bad-proof': () => ({
    taskHost: (honest) => ({
      ...honest,
      async work(timing, timeoutMs, ends) {
        const worked = await honest.work(timing, timeoutMs, ends)
        return worked.ok
          ? { ok: true, draft: { ...worked.draft, value: Buffer.from(wrongValue(Buffer.from(worked.draft.value).toString())) } }
          : worked
      }
    })
  }),
  'no-proof': () => ({ serve: false }),
  // what it lacks was never given to it
  'no-fees': () => ({}),
  silent: () => ({
    publish: (honest) => {
      let last: number | undefined
      return async (body) => {
        if (body.submission != null) {
          last ??= body.cycle
        }
        // it does its first round to the end, and then says nothing more
        if (last == null || body.cycle <= last) {
          await honest(body)
        }
      }
    },
    vote: (honest) => {
      let last: number | undefined
      return async (vote) => {
        last ??= vote.cycle
        if (vote.cycle <= last) {
          await honest(vote)
        }
      }
    }
  }),
  equivocate: () => ({
    publish: (honest, tools) => async (body) => {
      await honest(body)
      if (body.submission != null) {
        // its signer would refuse the second one, so it signs behind its back
        const value = Buffer.from(wrongValue(Buffer.from(body.submission.value).toString()))
        await tools.send(say(tools, { ...body, submission: { ...body.submission, value } }))
      }
    }
  })
}

guardOutput()
watchParent()
const [fault] = parseFaults([process.argv[2] ?? ''])
await startOptions(new Command('faulty-node'))
  .action((options) => runStart(options, PARTS[fault!]))
  .parseAsync(process.argv.slice(3), { from: 'user' })
