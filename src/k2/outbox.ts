import { type Timing, windowOf } from '../clock/index.ts'
import type { Signer } from '../identity/index.ts'
import type { Logger } from '../observe/index.ts'
import type { KeyValue } from '../store/index.ts'
import type { K2Client, Sent } from './client.ts'
import { messageOf } from './errors.ts'
import { vote as voteInstruction } from './settlement/index.ts'

/** A final vote: hashes of 32 bytes, rewards in ROE since the task began. */
export interface FinalVote {
  cycle: number
  root: Uint8Array
  recordDigest: Uint8Array
  totalRewards: bigint
}

export interface OutboxInit {
  k2: K2Client
  signer: Signer
  task: string
  timing: Timing
  store: KeyValue
  slot: () => number | undefined
  slotMs: () => number
  log: Logger
  onVoted: (vote: FinalVote, sent: Sent | null) => void
  onLost: (vote: FinalVote, reason: string) => void
}

export interface Outbox {
  /**
   * Takes a vote: the Signer's log and the outbox hold it on disk before it is sent, and it is sent until K2 has it or
   * its window has closed, across restarts.
   *
   * @throws ContradictionError when another vote was promised for this cycle
   */
  cast(vote: FinalVote): Promise<void>
  /** Takes up what a former process left. */
  resume(): Promise<void>
  stop(): Promise<void>
}

export function createOutbox(init: OutboxInit): Outbox {
  const { k2, signer, task, timing, store, log } = init
  const stopping = new AbortController()
  const running = new Map<number, Promise<void>>()
  const keyOf = (cycle: number) => `vote/${cycle}`

  const has = async (cycle: number) => ((await k2.stake(task, signer.address))?.lastVote?.cycle ?? -1) >= cycle

  const send = async (vote: FinalVote): Promise<void> => {
    const closes = windowOf(timing, vote.cycle, 'distribution').to
    let lastReason = 'the node was not running'
    for (let attempt = 0; !stopping.signal.aborted; attempt++) {
      const slot = init.slot()
      if (slot != null && slot >= closes) {
        await store.delete(keyOf(vote.cycle))
        init.onLost(vote, `the window closed before K2 had taken it: ${lastReason}`)
        return
      }
      try {
        // a former try may have landed although its answer was lost
        if (attempt > 0 && (await has(vote.cycle))) {
          await store.delete(keyOf(vote.cycle))
          init.onVoted(vote, null)
          return
        }
        const instruction = voteInstruction({ task, stakingKey: signer.address, programId: k2.programId, ...vote })
        const sent = await k2.send([instruction], [{ address: signer.address, sign: (message) => signer.signTransaction(message) }])
        await store.delete(keyOf(vote.cycle))
        init.onVoted(vote, sent)
        return
      } catch (err) {
        lastReason = messageOf(err)
        log.warn({ cycle: vote.cycle, attempt, reason: lastReason }, 'the final vote has not landed yet')
      }
      const waitMs = Math.min(Math.max(init.slotMs(), 50) * 2 ** Math.min(attempt, 4), 5000)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs)
        stopping.signal.addEventListener('abort', () => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  const start = (vote: FinalVote) => {
    if (!running.has(vote.cycle)) {
      running.set(
        vote.cycle,
        send(vote).finally(() => running.delete(vote.cycle))
      )
    }
  }

  return {
    async cast(vote) {
      const content = encode(vote)
      await signer.promise(content, { task, cycle: vote.cycle, key: 'vote' })
      await store.put(keyOf(vote.cycle), content)
      start(vote)
    },
    async resume() {
      for (const key of await store.list('vote/')) {
        const bytes = await store.get(key)
        if (bytes != null) {
          start(decode(bytes))
        }
      }
    },
    async stop() {
      stopping.abort()
      await Promise.allSettled(running.values())
    }
  }
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

function encode({ cycle, root, recordDigest, totalRewards }: FinalVote): Uint8Array {
  return Buffer.from(JSON.stringify({ cycle, root: hex(root), recordDigest: hex(recordDigest), totalRewards: totalRewards.toString() }))
}

function decode(bytes: Uint8Array): FinalVote {
  const { cycle, root, recordDigest, totalRewards } = JSON.parse(Buffer.from(bytes).toString()) as Record<
    'root' | 'recordDigest' | 'totalRewards',
    string
  > & { cycle: number }
  return { cycle, root: Buffer.from(root, 'hex'), recordDigest: Buffer.from(recordDigest, 'hex'), totalRewards: BigInt(totalRewards) }
}
