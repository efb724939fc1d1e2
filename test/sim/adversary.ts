/** What whoever steers the faulty keys may do: everything that the wire allows, when and towards whom it likes. */
import type { CycleSchedule, Timing } from '../../src/clock/index.ts'
import type { RecordFacts, RoundsEffect } from '../../src/rounds/index.ts'
import type { Body, Finding, Message } from '../../src/wire/index.ts'
import type { Offer } from './proofs.ts'
import type { Dice } from './random.ts'
import type { Subject, When } from './words.ts'

export interface Power {
  /** Its nodes, and the others. */
  readonly own: readonly number[]
  readonly honest: readonly number[]
  readonly timing: Timing
  readonly dice: Dice
  now(): number
  slot(): number
  schedule(cycle: number): CycleSchedule
  at(time: number, run: () => void): void
  address(node: number): string
  /** One message about so many submissions; null when it is about none that K2 knows a place of. */
  verdicts(when: When, findings: Array<{ about: Subject; finding: Finding }>): Body | null
  /** Signs with the key of one of its nodes; null when it cannot be a message. */
  sign(by: number, body: Body, how?: { pad?: number; variant?: number }): Message | null
  /** Says what stands behind a submission of its own. */
  offer(message: Message, offer: Omit<Offer, 'author'>): void
  /** From one of its nodes straight to others, without keeping it itself. */
  send(message: Message, from: number, to: Iterable<number>): void
  /** As an honest node would: kept and sent to all. */
  publish(message: Message, from: number): void
  /** What any of its nodes has heard of a cycle. */
  heard(cycle: number): Message[]
  /** Records of a cycle that were built, its own included, by anybody. */
  records(cycle: number): RecordFacts[]
  submissions(cycle: number): Subject[]
  /** The effect that a node of its own last got of its rounds, as the means to build and check records. */
  build(effect: Extract<RoundsEffect, { type: 'build' }>, messages: Message[]): Promise<RecordFacts>
  /** Which record a proposal or an approval names. */
  cidOf(message: Message): string
  /** Makes a record of chosen messages, to be proposed and approved later. Does nothing before the base of the cycle is known. */
  buildOf(cycle: number, messages: Message[]): void
  proposer(cycle: number, attempt: number): string | null
  /** Time stands still until it has ended. */
  wait(promise: Promise<unknown>): void
  vote(by: number, cycle: number, cid: string): void
}

/** Each hook may be left out: its nodes then run the honest program there. */
export interface Adversary {
  name: string
  /** Before the first slot. */
  start?(power: Power): void
  /** A message reached one of its nodes. */
  hear?(power: Power, node: number, message: Message): void
  /** What the program of one of its nodes would say; false to keep it from being said. */
  publish?(power: Power, node: number, body: Body): boolean
  /** What one of its nodes makes of a submission; undefined for the truth. */
  audit?(power: Power, node: number, submission: Message, truth: Finding): Finding | undefined
  /** A record is to be built by one of its nodes. */
  build?(power: Power, node: number, effect: Extract<RoundsEffect, { type: 'build' }>): void
  /** False to withhold a vote. */
  vote?(power: Power, node: number, cycle: number, cid: string): boolean
  /** The work of one of its nodes; good when left out. Null for no submission. */
  work?(power: Power, node: number, cycle: number): (Omit<Offer, 'author'> & { value?: string }) | null
  /** Whether its nodes take part at all. */
  absent?: boolean
  /** Whether its nodes give a sign of life when they are asked for one; silent ones look as if the asker were cut off. */
  answers?: boolean
  /** Whether its nodes pass on what they hear. */
  silentRelay?: boolean
}

/** Calls `run` in every cycle at a time that the cycle's schedule names. */
export function everyCycle(
  power: Power,
  cycles: number,
  when: (schedule: CycleSchedule, cycle: number) => number,
  run: (cycle: number) => void
): void {
  for (let cycle = 0; cycle < cycles; cycle++) {
    power.at(when(power.schedule(cycle), cycle), () => run(cycle))
  }
}
