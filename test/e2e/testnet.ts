/** A testnet as a process, for the specs of this folder. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'chai'
import { type Cli, cli, type Event, report, sleep, tempDir } from './cli.ts'

/** What a slot takes at least. It waits for the nodes, so a machine that does much else makes a run longer, and no other. */
export const SLOT_MS = 100
/** Nobody measures time here: a run that takes this long hangs. */
export const RUN_TIMEOUT_MS = 30 * 60_000

export interface Testnet {
  command: Cli
  dir: string
  /** Runs to its end and gives the summary, which is the last line. */
  finish(): Promise<{ code: number | null; summary: Event }>
}

const open: Array<{ command: Cli; remove: () => Promise<void>; dir: string }> = []

/** `koii-mesh testnet` with `args`, its state in a folder of its own. */
export async function testnet(args: string[]): Promise<Testnet> {
  const { dir, remove } = await tempDir()
  const command = cli(['testnet', '--json', '--slot-ms', String(SLOT_MS), '--data-dir', dir, ...args])
  open.push({ command, remove, dir })
  return {
    command,
    dir,
    async finish() {
      const { code } = await command.ended
      const summary = command.events.at(-1)
      expect(summary, command.stderr()).to.include({ event: 'summary' })
      return { code, summary }
    }
  }
}

/** To be called in `afterEach`: shows what a failed run left, and ends it. */
export async function cleanTestnets(failed: boolean): Promise<void> {
  for (const { command, remove, dir } of open.splice(0)) {
    if (failed) {
      const logs = readdirSync(dir)
        .filter((name) => name.startsWith('node-'))
        .map((name) => join(dir, name, 'node.log'))
      console.error(report(command, logs))
    }
    await command.clean()
    await remove()
  }
}

/** Nothing of the testnet lives: neither nodes nor the processes of their tasks. */
export async function expectNobodyLeft(command: Cli): Promise<void> {
  // the operating system takes a moment to collect the last child
  while (command.alive()) {
    await sleep(100)
  }
}

/** Name and staker of each node, in order, with the fault that it was given. */
export function nodesOf(events: Event[]): Array<{ name: string; staker: string; fault: string | null }> {
  const nodes = new Map<string, { name: string; staker: string; fault: string | null }>()
  for (const { event, name, node, fault } of events) {
    if (event === 'node-started') {
      nodes.set(name, { name, staker: node, fault })
    }
  }
  return [...nodes.values()]
}

/** The final votes that a node sent and saw land on K2. One that it found there, sent by a former process of its, has no signature. */
export function votesOf(events: Event[], staker: string): Array<{ cycle: number; signature: string | null }> {
  return events.filter(({ event, node, signature }) => event === 'voted' && node === staker && signature != null)
}

/** What must hold of every run that ended well, read from the summary and the events and not from the verdict alone. */
export function expectHeld(events: Event[], summary: Event): void {
  expect(summary.reason).to.equal(null)
  expect(summary.ok).to.equal(true)
  expect(summary.invariants.map(({ broken }: Event) => broken)).to.deep.equal(summary.invariants.map(() => null))
  for (const { staker, name } of nodesOf(events)) {
    const cycles = votesOf(events, staker).map(({ cycle }) => cycle)
    expect(new Set(cycles).size, `${name} voted twice for a cycle: ${cycles}`).to.equal(cycles.length)
  }
  for (const { cycle, root, record } of summary.records) {
    for (const { node, record: held } of events.filter((one) => one.event === 'settled' && one.cycle === cycle)) {
      expect(held, `record of cycle ${cycle} at ${node}`).to.equal(record)
    }
    for (const { node, root: voted } of events.filter((one) => one.event === 'voted' && one.cycle === cycle)) {
      expect(voted, `vote of ${node} for cycle ${cycle}`).to.equal(root)
    }
  }
  // the ledger and the claims tell the same; who was slashed and never rewarded stands in the ledger with 0
  const due = Object.entries<string>(summary.rewards).filter(([, roe]) => roe !== '0')
  expect(summary.paid).to.deep.equal(Object.fromEntries(due))
}
