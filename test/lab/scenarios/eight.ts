/**
 * Eight nodes through everything that a network and its machines do, one after the other, at slots and by a seed:
 *
 *     all the time   5 % of all packets between nodes are lost; n7 is behind a masquerading router
 *     round 1        n5 and n6, with a third of the stake, are cut off for a round
 *     round 2 on     kill -9 of one node every 20 s, nine times, each started again a second later
 *     round 6        n3, a laptop, gets another address while it hands in its work
 *     round 10       n4, n5 and n6, with more than a third of the stake, are killed at once and start again
 *
 * Rounds are counted from the first one that all nodes are ready for. Writes what was seen to `DIR/outcome.json`.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { diceFrom } from '../../sim/random.ts'
import type { LabNode } from '../lab-node.ts'
import { createMesh, K2_ADDRESS } from '../mesh.ts'
import { bothWays, createNetwork } from '../network.ts'
import type { EightOutcome } from './outcomes.ts'

const ROUND_SLOTS = 60
const LOSS_PERCENT = 5
/** 20 s of slots of 400 ms, and one second. */
const KILL_EVERY_SLOTS = 50
const RESTART_SLOTS = 3
const KILLS = 9
/** Eight processes start at once on whatever processors there are. */
const MEETING_SLOTS = 300
/** KOII: the two that are cut off have 32 % of all, so that the others have just more than two thirds. */
const STAKES = [10, 10, 10, 10, 10, 14, 14, 10]
/** A node that does not listen for so long hangs. */
const HANG_SLOTS = 300
const LAPTOP = 3
const BEHIND_ROUTER = 7
const CUT_OFF = [5, 6]
const UPDATED = [4, 5, 6]

const dir = process.argv[2]!
const slotMs = Number(process.argv[3])
const dice = diceFrom(Number(process.argv[4]))

const addressOf = (i: number) => `45.77.${i === BEHIND_ROUTER ? 9 : 1}.${10 + i}`
const network = createNetwork()
// K2's slots wait for each node's word: losses there would be waited for, and not felt
network.setLoss(LOSS_PERCENT, [K2_ADDRESS])
const mesh = await createMesh({ dir, network, slotMs, roundSlots: ROUND_SLOTS })
for (const [i, stake] of STAKES.entries()) {
  const name = `n${i}`
  if (i === BEHIND_ROUTER) {
    network.addBehindRouter(name, addressOf(i))
  } else {
    network.addHost(name, addressOf(i))
  }
  await mesh.addNode({
    name,
    stake,
    flags: [...['--listen', '/ip4/0.0.0.0/tcp/4001'], ...(i === 0 ? ['--bundle', 'k2-index'] : [])]
  })
}
const { nodes, timing } = mesh
for (const node of nodes) {
  node.start()
}
const haveMet = await mesh.until(MEETING_SLOTS, () => nodes.every((node) => node.hasTask() && node.peers() === nodes.length - 1))
mesh.say(
  haveMet
    ? 'all have met'
    : `they have not met: ${nodes.map((node) => `${node.name} ${node.peers()}${node.hasTask() ? '' : ' no task'}`).join(', ')}`
)

/** From here on rounds are counted: this one begins with everybody there. */
const first = mesh.cycle() + 1
const at = (round: number, offset = 0) => mesh.untilSlot(timing.startingSlot + (first + round) * ROUND_SLOTS + offset)
let kills = 0

async function cutOff(): Promise<void> {
  await at(1, 10)
  const side = (isCut: boolean) => nodes.map((_, i) => i).filter((i) => CUT_OFF.includes(i) === isCut)
  network.setCuts(bothWays(side(true).map(addressOf), side(false).map(addressOf)))
  const end = mesh.out(
    CUT_OFF.map((i) => nodes[i]!),
    'cut'
  )
  mesh.say('n5 and n6 are cut off')
  await at(2, 10)
  network.setCuts([])
  end()
  mesh.say('the cut is mended')
}

async function killOne(node: LabNode): Promise<void> {
  kills++
  mesh.say(`kill -9 ${node.name}`)
  await mesh.kill(node)
  await mesh.untilSlot(mesh.slot() + RESTART_SLOTS)
  node.start()
}

/** On a machine that is too slow for it, a killed node is waited for: another one at the same time is another script. */
const allAreBack = () => mesh.until(HANG_SLOTS, () => nodes.every((node) => node.isListening()))

async function killEveryTwentySeconds(): Promise<void> {
  // the laptop has its own trouble
  const victims = nodes.filter((_, i) => i !== LAPTOP)
  for (let i = 0; i < KILLS; i++) {
    await at(2, 30 + i * KILL_EVERY_SLOTS)
    await allAreBack()
    await killOne(dice.pick(victims))
  }
  await allAreBack()
}

async function moveLaptop(): Promise<void> {
  await at(6, 10)
  const end = mesh.out([nodes[LAPTOP]!], 'moved')
  network.move(`n${LAPTOP}`, '45.77.2.99')
  mesh.say('the laptop n3 is in another network')
  // its new address works at once: how soon it notices is its own affair
  end()
}

async function update(): Promise<void> {
  await at(Math.max(10, mesh.cycle() - first + 1), 5)
  await Promise.all(UPDATED.map((i) => killOne(nodes[i]!)))
  await allAreBack()
}

if (haveMet) {
  await Promise.all([cutOff(), killEveryTwentySeconds(), moveLaptop()])
  await update()
  // the cycle that begins after the last of it is voted on to its end
  await at(mesh.cycle() - first + 4, 2)
}
mesh.say(nodes.map((node) => `${node.name} ${JSON.stringify(node.weight())}`).join(', '))
const toldFromBehind = nodes[BEHIND_ROUTER]!.multiaddrs()
const outcome: EightOutcome = { facts: await mesh.finish(), haveMet, kills, toldFromBehind }
writeFileSync(join(dir, 'outcome.json'), JSON.stringify(outcome, null, 2))
process.exit(0)
