/** Who hears what when: delays, loss, duplicates and cuts, all by the seed. Gossip's relaying is part of it. */
import type { Message } from '../../src/wire/index.ts'
import type { SimClock } from './clock.ts'
import type { Dice } from './random.ts'

export interface NetworkModel {
  /** From one node to the next, in slots. */
  hopSlots: number
  /** What chance adds to a hop at most, in slots: messages overtake each other. */
  jitterSlots: number
  /** Chance that a copy is lost; sync or another's relay brings it later. */
  loss: number
  /** Chance that a copy comes twice. */
  duplicates: number
  /** Whether `from` reaches `to` at a time: one-way cuts and partitions. */
  connected: ((from: number, to: number, at: number) => boolean) | null
  /** The slot from which on nothing disturbs it any more, where that changes. */
  calmFrom?: number
  /** By how much a node's clock may be behind, in slots. */
  skewSlots: number
  /** Slots between two exchanges of what gossip forgot; null for none. */
  syncSlots: number | null
}

export const CALM: NetworkModel = { hopSlots: 0.2, jitterSlots: 0, loss: 0, duplicates: 0, connected: null, skewSlots: 0, syncSlots: 3 }

/** What is left of jitter when all is calm again. */
export const CALM_JITTER_SLOTS = 0.3

export interface SimNetwork {
  /** To chosen nodes, leaving now. */
  send(message: Message, from: number, to: Iterable<number>): void
  /** To everybody whom it does not reach sooner by others. */
  broadcast(message: Message, from: number): void
  connected(from: number, to: number): boolean
}

export interface SimNetworkInit {
  clock: SimClock
  dice: Dice
  model: NetworkModel
  size: number
  deliver: (to: number, message: Message, from: number) => void
}

export function createNetwork({ clock, dice, model, size, deliver }: SimNetworkInit): SimNetwork {
  /** By message: when a copy is known to reach each node, so that a relay that comes later need not be planned. */
  const arrivals = new Map<string, Float64Array>()
  const isRough = () => clock.now() < (model.calmFrom ?? Number.POSITIVE_INFINITY)
  const connected = (from: number, to: number) => model.connected == null || !isRough() || model.connected(from, to, clock.now())

  const send = (message: Message, from: number, to: number): void => {
    if (to === from || !connected(from, to) || (model.loss > 0 && isRough() && dice.chance(model.loss))) {
      return
    }
    const times = model.duplicates > 0 && dice.chance(model.duplicates) ? 2 : 1
    for (let i = 0; i < times; i++) {
      const at =
        clock.now() +
        model.hopSlots +
        (model.jitterSlots > 0 ? dice.next() * (isRough() ? model.jitterSlots : Math.min(model.jitterSlots, CALM_JITTER_SLOTS)) : 0)
      const known = arrivals.get(message.id)
      if (known != null && at < known[to]!) {
        known[to] = at
      }
      clock.at(at, () => deliver(to, message, from))
    }
  }
  const known = (message: Message): Float64Array => {
    let times = arrivals.get(message.id)
    if (times == null) {
      times = new Float64Array(size).fill(Number.POSITIVE_INFINITY)
      arrivals.set(message.id, times)
    }
    return times
  }

  return {
    connected,
    send(message, from, to) {
      known(message)
      for (const node of to) {
        send(message, from, node)
      }
    },
    broadcast(message, from) {
      const times = known(message)
      times[from] = Math.min(times[from]!, clock.now())
      for (let to = 0; to < size; to++) {
        if (times[to]! > clock.now() + model.hopSlots) {
          send(message, from, to)
        }
      }
    }
  }
}
