import type { CycleSchedule } from '../clock/index.ts'
import type { KeyPair } from '../identity/index.ts'
import type { FinalVote } from '../k2/index.ts'
import type { Records, TaskHost } from '../participant/index.ts'
import type { StakeSet } from '../rounds/index.ts'
import type { Body, Message } from '../wire/index.ts'

/** What a wrapper of the way out of messages may use. */
export interface PublishTools {
  keyPair: KeyPair
  signedBytes(body: Uint8Array): Uint8Array
  open(bytes: Uint8Array): Message
  /** Gossips what is signed already. */
  send(message: Message): Promise<void>
  /** Gives it to those connected peers whose stakers are chosen, and to nobody else. */
  sendTo(message: Message, chosen: (staker: string) => boolean): Promise<void>
  slot(): number
  slotMs(): number
  schedule(cycle: number): CycleSchedule
  stakes(cycle: number): Promise<StakeSet>
}

/** What a testnet puts in the place of an honest part, to see how the others take it. */
export interface NodeParts {
  /** Wraps the one who works and audits. */
  taskHost?: (honest: TaskHost) => TaskHost
  /** Whether blocks are served at all. */
  serve?: boolean
  /** Wraps the one who builds and checks records. */
  records?: (honest: Records) => Records
  /** Wraps the way out of messages. */
  publish?: (honest: (body: Body) => Promise<void>, tools: PublishTools) => (body: Body) => Promise<void>
  /** Wraps the way out of final votes. */
  vote?: (honest: (vote: FinalVote) => Promise<void>) => (vote: FinalVote) => Promise<void>
}
