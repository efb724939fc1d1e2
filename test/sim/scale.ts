/** What a round costs each node, by how many there are: counted in calm runs with rounds of a minute. */
import { ROWS } from './rows.ts'
import { World } from './world.ts'

export interface ScaleLine {
  nodes: number
  /** Of one node in one cycle. */
  said: number
  /** Messages of others that its door took in. */
  heard: number
  signatureChecks: number
  /** Bytes of messages, its own and others', as they are kept until the cycle is over. */
  messageBytes: number
  /** Bytes of the cycle's record, without its ledger: built, or fetched and built again, and kept. */
  recordBytes: number
  /** What it writes to K2. */
  votes: number
  /** Of this process's time on the processor: rounds, judge, records; decoding and signatures are shared or stand-ins. */
  cpuMs: number
  /** How much faster than K2's slots of 400 ms all of them together ran. */
  speedup: number
}

const CYCLES = 3
const calm = ROWS[0]!

export async function scaleOf(nodes: number, seed = 1): Promise<ScaleLine> {
  const world = new World(calm.world(seed, nodes))
  const cpu = process.cpuUsage()
  await world.runCycles(CYCLES)
  const { user, system } = process.cpuUsage(cpu)
  const cpuMs = (user + system) / 1_000
  const each = nodes * CYCLES
  const sum = (of: (counters: ReturnType<(typeof world.nodes)[number]['participant']['door']['counters']>) => number) =>
    world.nodes.reduce((all, node) => all + of(node.participant.door.counters()), 0) / each
  const cycles = Array.from({ length: CYCLES }, (_, cycle) => world.history.cycle(cycle))
  const messages = cycles.flatMap(({ said }) => said.map(({ message }) => message))
  return {
    nodes,
    said: sum(({ published }) => published),
    heard: sum(({ delivered }) => delivered),
    signatureChecks: sum(({ signatureChecks }) => signatureChecks),
    messageBytes: messages.reduce((all, { bytes }) => all + bytes.length, 0) / CYCLES,
    recordBytes: cycles.reduce((all, { record }) => all + (record?.bytes ?? 0), 0) / CYCLES,
    votes: cycles.reduce((all, { votes }) => all + votes.length, 0) / each,
    cpuMs: cpuMs / each,
    speedup: Math.round((world.clock.now() * 400) / cpuMs)
  }
}

export const SCALE_HEAD = ['nodes', 'says', 'hears', 'checks', 'messages, KiB', 'record, KiB', 'votes', 'CPU, ms', 'times real time']

export function scaleRow({ nodes, said, heard, signatureChecks, messageBytes, recordBytes, votes, cpuMs, speedup }: ScaleLine): string[] {
  return [
    ...[nodes, said.toFixed(1), heard.toFixed(0), signatureChecks.toFixed(0), (messageBytes / 1024).toFixed(0)],
    ...[(recordBytes / 1024).toFixed(0), votes.toFixed(1), cpuMs.toFixed(1), speedup]
  ].map(String)
}
