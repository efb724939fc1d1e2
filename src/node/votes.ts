import { verifyEd25519 } from '../identity/index.ts'
import { createOutbox, createVoteBatcher, messageOf } from '../k2/index.ts'
import { slashFor } from './claims.ts'
import type { Base, ChainSide, Votes } from './rooms.ts'
import { createSlasher } from './slasher.ts'

export function createVotes(base: Base, chain: ChainSide): Votes {
  const { config, log, parts, self, payer, signing, store, late } = base
  const { k2, paced, timing, slots, stakes, events, ownStake } = chain
  const { task } = config
  const stakers = () => stakes.accounts().map(({ stakingKey }) => stakingKey)
  const outbox = createOutbox({
    ...{ task, timing, log, slot: slots.now, slotMs: slots.slotMs },
    k2: paced?.votes(k2) ?? k2,
    signer: signing.signer,
    staker: () => ownStake()?.staker ?? self,
    store: store.taskSpace(task, 'outbox', undefined, true),
    maxFeeRoe: config.maxFee,
    onVoted: (vote, sent) => late.participant.notes.voted(vote, sent),
    onLost: (vote, reason) => late.participant.notes.voteLost(vote, reason),
    handOver: (vote) => late.participant.handOver(vote)
  })
  const batcher = createVoteBatcher({
    ...{ k2, task, timing, self, payer, stakers, log, verify: verifyEd25519 },
    onSent: (cycle, sent, { signature, bytes }) => events.emit('batched', { cycle, stakers: sent, signature, bytes })
  })
  const slasher = createSlasher({
    ...{ k2, task, self, payer: payer.address, stakers, log },
    apply: (staker, ledger) => slashFor(k2, task, staker, ledger, payer),
    onApplied: (cycle, staker, { amount, signature }) =>
      events.emit('slash-applied', { cycle, staker, amount: amount.toString(), signature })
  })
  return {
    ...{ outbox, batcher, slasher },
    cast: parts.vote?.(outbox.cast) ?? outbox.cast,
    onLedger(cycle, ledger) {
      if (config.applySlashes && stakes.isStaked(self) === true) {
        slasher
          .finalized(cycle, ledger, slots.now() ?? 0)
          .catch((err) => log.debug({ cycle, reason: messageOf(err) }, 'K2 did not tell which slashes it lacks'))
      }
    }
  }
}
