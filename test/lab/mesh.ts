/**
 * A mesh of real processes in a lab, made by the commands that a user types, and what is seen of it. Runs in the lab alone.
 *
 * Everything is timed by K2's slots: a slow machine has slow slots, and nothing else changes.
 */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, createWriteStream, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { cycleAt, type Timing } from '../../src/clock/index.ts'
import { createK2Client, messageOf } from '../../src/k2/index.ts'
import type { LabFacts, NodeFacts, Outage } from './facts.ts'
import { createLabNode, type LabNode } from './lab-node.ts'
import type { LabNetwork } from './network.ts'
import { createOutsider } from './outsider.ts'

export const K2_ADDRESS = '45.77.0.1'
const MAIN = join(import.meta.dirname, '..', '..', 'src', 'cli', 'main.ts')

export interface MeshInit {
  /** Where everything is written: keys, data, logs, events, the story. */
  dir: string
  network: LabNetwork
  slotMs: number
  roundSlots: number
  stakes?: number[]
}

export interface NodeOptions {
  name: string
  /** KOII. */
  stake: number
  /** Flags of `koii-mesh start` besides those that every node has. */
  flags?: string[]
}

// biome-ignore lint/suspicious/noExplicitAny: the answers of a command line
type Answer = any

export interface Mesh {
  k2Url: string
  task: string
  timing: Timing
  nodes: LabNode[]
  slot(): number
  cycle(): number
  /** A line of the story, with the slot. */
  say(text: string): void
  /** Runs `koii-mesh ARGS --json` on a host to its end. */
  command(host: string, ...args: string[]): Promise<Answer>
  /** Makes a key and a node that runs on the host of its name. */
  addNode(options: NodeOptions): Promise<LabNode>
  untilSlot(slot: number): Promise<void>
  /** Looks in every slot whether it is so; gives up, with `false`, when `slots` have passed. */
  until(slots: number, isSo: () => boolean): Promise<boolean>
  /** kill -9; the node is out until its next process listens. */
  kill(node: LabNode): Promise<void>
  /** A node, or several, are out for a reason of the network; the returned function ends it. */
  out(nodes: LabNode[], why: 'cut' | 'moved'): () => void
  /** Stops the nodes and tells what was seen. */
  finish(): Promise<LabFacts>
}

export async function createMesh({ dir, network, slotMs, roundSlots }: MeshInit): Promise<Mesh> {
  mkdirSync(dir, { recursive: true })
  const events = createWriteStream(join(dir, 'events.jsonl'))
  const slots = createWriteStream(join(dir, 'slots.txt'))
  const outages: Outage[] = []
  const finalized: LabFacts['finalized'] = []
  const votes: LabFacts['votes'] = []
  const nodes: LabNode[] = []
  const waiting = new Set<() => void>()
  const startedMs = performance.now()
  let slot = 0
  let timing: Timing = { startingSlot: 0, roundSlots, submissionWindow: 0, auditWindow: 0 }

  const say = (text: string) => {
    const round = cycleAt(timing, slot)
    const where = timing.startingSlot === 0 || round < 0 ? '' : `, round ${round} + ${(slot - timing.startingSlot) % roundSlots}`
    const line = `${((performance.now() - startedMs) / 1000).toFixed(1)} s, slot ${slot}${where}: ${text}`
    console.log(line)
    appendFileSync(join(dir, 'story.txt'), `${line}\n`)
  }
  /** As a user would have it: no setting of ours in the environment. */
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('KOII_MESH_'))),
    HOME: dir
  }
  const argv = (host: string, args: string[]) => [...network.on(host), process.execPath, MAIN, ...args]
  const command = async (host: string, ...args: string[]): Promise<Answer> => {
    const [file, ...rest] = argv(host, [...args, '--json'])
    const { stdout } = await promisify(execFile)(file!, rest, { env, cwd: dir })
    return stdout.trim() === '' ? null : JSON.parse(stdout)
  }

  // -- K2, on a host of its own
  network.addHost('k2', K2_ADDRESS)
  // slots that wait for the nodes: a busy machine makes a run long, and nobody misses a window for want of processor time
  const clock = ['--slot-ms', String(slotMs), '--pace', 'auto', '--traffic', '3']
  const [file, ...rest] = argv('k2', ['k2', '--host', K2_ADDRESS, ...clock, '--json'])
  const k2Process = spawn(file!, rest, { env, cwd: dir, stdio: ['ignore', 'pipe', 'pipe'] })
  const k2Log = createWriteStream(join(dir, 'k2.log'))
  k2Process.stderr.pipe(k2Log)
  const k2Url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: k2Process.stdout }).on('line', (line) => {
      const told = JSON.parse(line)
      if (told.event === 'pace') {
        say(`slots took (ms) ${JSON.stringify(told.slotMs)}`)
      }
      resolve(told.url)
    })
    k2Process.once('exit', (code, signal) => reject(new Error(`K2 ended with ${signal ?? code}; its log is ${join(dir, 'k2.log')}`)))
  })

  // -- a task
  const wallet = join(dir, 'wallet.json')
  await command('k2', 'keygen', '--out', wallet)
  const rounds = ['--round-slots', String(roundSlots), '--wallet', wallet, '--airdrop']
  const { task } = await command('k2', 'task', 'create', '--k2', k2Url, '--bundle', 'k2-index', ...rounds)
  const client = createK2Client({ url: k2Url })
  const account = await client.task(task)
  timing = {
    startingSlot: account.startingSlot,
    roundSlots,
    submissionWindow: account.submissionWindow,
    auditWindow: account.auditWindow
  }
  const outsider = await createOutsider({ dir, client, task, timing, nodes })
  say(`K2 at ${k2Url}, task ${task}`)

  // -- what K2 tells, slot by slot
  async function look(): Promise<void> {
    const now = await client.connection.getSlot()
    if (now <= slot) {
      return
    }
    slot = now
    slots.write(`${slot} ${Math.round(performance.now() - startedMs)}\n`)
    const [current, stakes] = await Promise.all([client.task(task), client.stakes(task)])
    for (const { stakingKey, amount, lastVote } of stakes) {
      const node = nodes.find(({ staker }) => staker === stakingKey)
      if (node == null) {
        continue
      }
      node.facts.fromCycle ??= amount[0]!.value > 0n ? amount[0]!.from : null
      if (lastVote != null && !votes.some((vote) => vote.node === node.name && vote.cycle === lastVote.cycle)) {
        votes.push({ node: node.name, cycle: lastVote.cycle, slot })
      }
    }
    if (current.finalized != null && !finalized.some(({ cycle }) => cycle === current.finalized!.cycle)) {
      finalized.push({ cycle: current.finalized.cycle, slot })
      say(`K2 has finalized cycle ${current.finalized.cycle}`)
      outsider.read(current)
      // for whoever looks into a run that never ended
      writeFileSync(join(dir, 'facts.json'), JSON.stringify(factsUntil(slot), null, 2))
    }
    for (const wake of [...waiting]) {
      wake()
    }
  }
  const factsUntil = (lastSlot: number): LabFacts => ({
    ...{ timing, lastSlot, outages, finalized, votes },
    nodes: nodes.map(({ facts }) => facts),
    records: outsider.records()
  })
  let looking = true
  const watching = (async () => {
    while (looking) {
      await look().catch((err) => say(`K2 did not answer: ${messageOf(err)}`))
      await new Promise((resolve) => setTimeout(resolve, slotMs / 4))
    }
  })()

  const until = (slots: number, isSo: () => boolean) =>
    new Promise<boolean>((resolve) => {
      const end = slot + slots
      const wake = () => {
        const so = isSo()
        if (so || slot >= end) {
          waiting.delete(wake)
          resolve(so)
        }
      }
      waiting.add(wake)
      wake()
    })

  const open = (node: LabNode, why: Outage['why']): Outage => {
    const outage: Outage = { node: node.name, why, from: slot, to: null }
    outages.push(outage)
    return outage
  }

  return {
    k2Url,
    task,
    timing,
    nodes,
    slot: () => slot,
    cycle: () => cycleAt(timing, slot),
    say,
    command,
    async addNode({ name, stake, flags = [] }) {
      const home = join(dir, name)
      mkdirSync(home)
      const key = join(home, 'key.json')
      const { address } = await command(name, 'keygen', '--out', key)
      const start = ['start', '--k2', k2Url, '--task', task, '--key', key, '--data-dir', join(home, 'node')]
      const facts: NodeFacts = {
        name,
        stake: String(BigInt(Math.round(stake * 1e9))),
        fromCycle: null,
        submitted: [],
        settled: [],
        accused: [],
        crashed: []
      }
      const node = createLabNode({
        facts,
        staker: address,
        argv: argv(name, [...start, '--stake', String(stake), '--airdrop', ...flags, '--json']),
        env,
        home,
        slot: () => slot,
        nameOf: (staker) => nodes.find((one) => one.staker === staker)?.name ?? staker,
        say,
        onEvent(event) {
          events.write(`${JSON.stringify({ at: slot, name, ...event })}\n`)
          if (event.event === 'listening') {
            for (const outage of outages.filter((one) => one.node === name && one.why === 'killed')) {
              outage.to ??= slot
            }
          }
        }
      })
      nodes.push(node)
      return node
    },
    until,
    async untilSlot(wanted) {
      await until(Number.POSITIVE_INFINITY, () => slot >= wanted)
    },
    async kill(node) {
      open(node, 'killed')
      await node.kill()
    },
    out(which, why) {
      const opened = which.map((node) => open(node, why))
      return () => {
        for (const outage of opened) {
          outage.to = slot
        }
      }
    },
    async finish() {
      const lastSlot = slot
      await outsider.finish()
      looking = false
      await watching
      await Promise.all(nodes.map((node) => node.stop()))
      client.close()
      const ended = once(k2Process, 'exit')
      k2Process.kill('SIGTERM')
      await ended
      events.end()
      return factsUntil(lastSlot)
    }
  }
}
