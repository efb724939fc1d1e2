/**
 * Four nodes on public addresses, by the commands of the README and of docs/operators.md alone: two as they come, two with a
 * port that stays. Writes what was seen to `DIR/outcome.json`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createK2Client } from '../../../src/k2/index.ts'
import { createMesh } from '../mesh.ts'
import { createNetwork } from '../network.ts'
import type { PublicOutcome } from './outcomes.ts'

/** For a machine that does other things at the same time. */
const MEETING_SLOTS = 200
const CYCLES = 3
const PORT = ['--listen', '/ip4/0.0.0.0/tcp/4001']

const dir = process.argv[2]!
const slotMs = Number(process.argv[3])

const network = createNetwork()
const mesh = await createMesh({ dir, network, slotMs, roundSlots: 30 })
const flagsOf = [['--bundle', 'k2-index'], PORT, ['--listen', '/ip4/45.77.1.12/tcp/4001'], []]
for (const [i, flags] of flagsOf.entries()) {
  const name = `n${i}`
  network.addHost(name, `45.77.1.${10 + i}`)
  await mesh.addNode({ name, stake: 10, flags })
}
for (const node of mesh.nodes) {
  node.start()
}
const others = mesh.nodes.length - 1
const haveMet = await mesh.until(MEETING_SLOTS, () => mesh.nodes.every((node) => node.hasTask() && node.peers() === others))
mesh.say(haveMet ? 'all have met' : 'they have not met')
const met = Object.fromEntries(mesh.nodes.map((node) => [node.name, { peers: node.peers(), hasTask: node.hasTask() }]))
if (haveMet) {
  // the round under way may be over too soon for all of them
  const last = mesh.cycle() + CYCLES
  await mesh.untilSlot(mesh.timing.startingSlot + (last + 3) * mesh.timing.roundSlots)
}

const k2 = createK2Client({ url: mesh.k2Url })
const stakes = await k2.stakes(mesh.task)
const hints = Object.fromEntries(
  mesh.nodes.map(({ name, staker }) => [name, stakes.find(({ stakingKey }) => stakingKey === staker)?.addressHint ?? null])
)
const claimed: Record<string, string> = {}
for (const { name } of haveMet ? mesh.nodes : []) {
  claimed[name] = await claim(name)
}
const outcome: PublicOutcome = {
  facts: await mesh.finish(),
  met,
  told: Object.fromEntries(mesh.nodes.map((node) => [node.name, node.multiaddrs()])),
  hints,
  claimed
}
writeFileSync(join(dir, 'outcome.json'), JSON.stringify(outcome, null, 2))
process.exit(0)

/** As docs/operators.md says: one that falls between two finalizations is sent again. */
async function claim(name: string): Promise<string> {
  for (let tries = 1; ; tries++) {
    try {
      const { amount } = await mesh.command(name, 'claim', '--k2', mesh.k2Url, '--task', mesh.task, '--key', join(dir, name, 'key.json'))
      return String(amount)
    } catch (err) {
      mesh.say(`the claim of ${name} failed: ${(err as Error).message}`)
      if (tries === 3) {
        return '0'
      }
      await mesh.untilSlot(mesh.slot() + 5)
    }
  }
}
