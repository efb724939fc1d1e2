/** `koii-mesh start` as a process, with the key of a staker of a local K2: for what a node does of itself. */
import { join } from 'node:path'
import { writeKeyFile } from '../../src/identity/index.ts'
import { type Chain, startChain } from '../k2/chain.ts'
import { type Cli, cli, type Ended, type Event, report, tempDir } from './cli.ts'

export interface LoneNode {
  chain: Chain
  dir: string
  /** Its data directory and key, whose stake counts from cycle 0 on. */
  data: string
  key: string
  start(more?: string[], k2?: string[]): Cli
  /** Starts it and waits until it is up: all that it decides at the start it has decided then. */
  up(more?: string[], k2?: string[]): Promise<{ node: Cli; events: Event[] }>
  /** Ctrl+C. */
  stop(node: Cli): Promise<Ended>
  close(failed: boolean): Promise<void>
}

export async function loneNode(): Promise<LoneNode> {
  const { dir, remove } = await tempDir()
  const chain = await startChain({ stakers: 2, slotMs: 200, pace: 'auto' })
  const [data, key] = [join(dir, 'data'), join(dir, 'key.json')]
  await writeKeyFile(key, chain.stakers[0]!)
  const started: Cli[] = []
  const start = (more: string[] = [], k2 = [chain.k2.url]) => {
    const node = cli([
      ...['start', '--k2', k2.join(','), '--task', chain.task, '--data-dir', data, '--json'],
      ...(more.includes('--signer') ? [] : ['--key', key]),
      ...['--allow-private', '--listen', '/ip4/127.0.0.1/tcp/0', ...more]
    ])
    started.push(node)
    return node
  }
  return {
    chain,
    dir,
    data,
    key,
    start,
    async up(more, k2) {
      const node = start(more, k2)
      await node.event('listening node', ({ event }) => event === 'listening')
      return { node, events: node.events }
    },
    async stop(node) {
      node.signal('SIGINT')
      return node.ended
    },
    async close(failed) {
      if (failed) {
        console.error(started.map((node) => report(node, [])).join('\n\n'))
      }
      await Promise.all(started.map((node) => node.clean()))
      await chain.close()
      await remove()
    }
  }
}

/** One for all tests of a suite, whose processes are shown when one of them fails. */
export function loneNodeOfSuite(): () => LoneNode {
  let lone: LoneNode
  before(async () => {
    lone = await loneNode()
  })
  after(async function () {
    await lone.close(this.test?.parent?.tests.some(({ state }) => state === 'failed') ?? false)
  })
  return () => lone
}

export const named = (events: Event[], name: string): Event[] => events.filter(({ event }) => event === name)
